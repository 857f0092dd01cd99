/* Replays a sample event by event: reads the number of its steps and one byte per channel and step,
 * writes v and t of every neuron and the class, one int32 each. */
#include "@NAME@.h"

#include <stdio.h>

int main(void)
{
    static @NAME@_sample sample;
    static uint8_t row[@NAME@_N_INPUTS];
    uint32_t n_steps;
    if (fread(&n_steps, sizeof n_steps, 1, stdin) != 1)
        return 1;
    @NAME@_begin(&sample);
    for (uint32_t t = 0; t < n_steps; t++) {
        if (fread(row, 1, sizeof row, stdin) != sizeof row)
            return 1;
        for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++)
            if (row[c])
                @NAME@_event(&sample, (uint16_t)c, (uint16_t)(t < UINT16_MAX ? t : UINT16_MAX));
    }
    int32_t decided = @NAME@_end(&sample);
    fwrite(sample.v, sizeof *sample.v, @NAME@_N_ROWS, stdout);
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++) {
        int32_t word = sample.t[i];
        fwrite(&word, sizeof word, 1, stdout);
    }
    fwrite(&decided, sizeof decided, 1, stdout);
    return 0;
}
