static int32_t spk[@LARGEST@];
static int32_t column[@LARGEST@];
static FILE *output;

static void give(const int32_t *words, uint32_t n)
{
    fwrite(words, sizeof *words, n, output);
}

static void give_layer(const @NAME@_words *words, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        column[i] = words[i].syn;
    give(column, n);
    for (uint32_t i = 0; i < n; i++)
        column[i] = words[i].mem;
    give(column, n);
}

static void give_all(void)
{
    @HIDDEN@
    give_layer(state.readout, @N_ROWS@u);
}
