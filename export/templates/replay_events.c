int main(void)
{
    static uint8_t row[@NAME@_N_INPUTS];
    static uint8_t bitmap[(@NAME@_N_INPUTS + 7u) / 8u];
    static uint16_t events[2u * @NAME@_N_INPUTS];
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
        uint16_t n_events = 0;
        if (fread(row, 1, sizeof row, input) != sizeof row)
            return 1;
        memset(bitmap, 0, sizeof bitmap);
        for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++)
            if (row[c]) {
                events[n_events++] = (uint16_t)c;
                bitmap[c / 8u] = (uint8_t)(bitmap[c / 8u] | 1u << c % 8u);
            }
        if (t < ends[0] && n_events <= UINT16_MAX / 2u) {
            memcpy(events + n_events, events, n_events * sizeof *events);
            n_events = (uint16_t)(2u * n_events);
        }
        uint32_t count = counter();
        if (t < ends[1])
            @NAME@_step(&state, events, n_events, out);
        else
            @NAME@_step_bitmap(&state, bitmap, out);
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
