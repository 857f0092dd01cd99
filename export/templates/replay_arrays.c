static FILE *output;

static void give_spikes(const uint8_t *spikes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        int32_t word = spikes[i];
        fwrite(&word, sizeof word, 1, output);
    }
}

static void give(const int32_t *words, uint32_t n)
{
    fwrite(words, sizeof *words, n, output);
}

static void give_all(void)
{
    @GIVE@
}
