/* Start-up code for WebAssembly without a libc: `run.mjs` calls `run`. */
int main(void);
__attribute__((export_name("run"))) int run(void);

int run(void)
{
    return main();
}
