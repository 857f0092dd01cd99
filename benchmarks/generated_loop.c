/* Runs a decoder over bitmaps from a file, and prints the processor time per step in seconds. */
#include "rsnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int n_words, char **words)
{
    static rsnn_state state;
    int32_t out[rsnn_N_ROWS];
    const size_t size = (rsnn_N_INPUTS + 7u) / 8u;
    FILE *input = n_words == 2 ? fopen(words[1], "rb") : NULL;
    if (!input || fseek(input, 0, SEEK_END))
        return 1;
    size_t n = (size_t)ftell(input) / size;
    uint8_t *bitmaps = malloc(n * size);
    rewind(input);
    if (!bitmaps || fread(bitmaps, size, n, input) != n)
        return 1;
    rsnn_init(&state);
    clock_t start = clock();
    for (size_t t = 0; t < n; t++)
        rsnn_step_bitmap(&state, bitmaps + t * size, out);
    printf("%.17g %ld\n", (double)(clock() - start) / CLOCKS_PER_SEC / (double)n, (long)out[0]);
    return 0;
}
