int main(void)
{
    static @CTYPE@ row[@NAME@_N_INPUTS];
    int32_t out[@NAME@_N_ROWS];
    uint32_t ends[3];
    FILE *input = fopen("replay.in", "rb"), *counts = fopen("replay.count", "wb");
    output = fopen("replay.out", "wb");
    if (!input || !output || !counts || fread(ends, sizeof *ends, 3, input) != 3)
        return 1;
    @NAME@_init(&state);
    counter_start();
    uint32_t own = counter(); /* the cost of counting itself */
    own = counter() - own;
    for (uint32_t t = 0; t < ends[2]; t++) {
        if (fread(row, 1, sizeof row, input) != sizeof row)
            return 1;
        uint32_t count = counter();
        @NAME@_step(&state, row, out);
        count = counter() - count - own;
        fwrite(&count, sizeof count, 1, counts);
        for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
            if (out[i] != @READOUT_I@)
                return 2;
        give_all();
    }
    fclose(counts);
    fclose(output);
    return 0;
}
