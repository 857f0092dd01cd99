/* Start-up code of a Cortex-M or a RISC-V: vectors, FPU and memory, then main, whose value ends the
 * program. `machine.ld` places it. On a chip, add the vectors of its interrupts, or use the
 * vendor's start-up code instead.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern uint8_t __stack[], __data_start[], __data_end[], __zero_start[], __zero_end[];
extern const uint8_t __data_source[];
extern uint8_t __tls_base[];
extern void (*const __init_array_start[])(void), (*const __init_array_end[])(void);

#if defined(__PICOLIBC__) /* which keeps errno per thread */
void _set_tls(void *base);
#endif
int main(void);
void start(void) __attribute__((noreturn, used));
void fault(void) __attribute__((noreturn, used, aligned(4)));

#if defined(__riscv)
__asm__(".section .vectors, \"ax\"\n"
        ".global _start\n"
        "_start:\n"
        ".option push\n"
        ".option norelax\n"
        "la gp, __global_pointer$\n"
        ".option pop\n"
        "la sp, __stack\n"
        "la t0, fault\n"
        "csrw mtvec, t0\n"
        "j start\n"
        ".text\n");
#else
void _start(void);
void SysTick_Handler(void) __attribute__((noreturn, weak, alias("fault")));

static const struct {
    const void *stack;
    void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    __stack,
    {_start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault,
     SysTick_Handler}};

void _start(void)
{
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20u; /* CPACR: coprocessors 10 and 11 */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    start();
}
#endif

void start(void)
{
    memcpy(__data_start, __data_source, (size_t)(__data_end - __data_start));
    memset(__zero_start, 0, (size_t)(__zero_end - __zero_start));
#if defined(__PICOLIBC__)
    _set_tls(__tls_base);
#endif
    for (void (*const *constructor)(void) = __init_array_start; constructor != __init_array_end;
         constructor++)
        (*constructor)();
    exit(main());
}

/* An exception that nothing handles. */
void fault(void)
{
    _exit(126);
}
