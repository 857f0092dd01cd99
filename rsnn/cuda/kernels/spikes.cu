// Spikes as bits, and what dropout keeps of them; one thread per word of 32.

#include "common.h"

// Spikes of the input that dropout keeps: masks (n_steps, batch, words) of a raster of 0 and 1,
// (batch, n_steps, n).
KERNEL input_spikes(const u8 *raster, const u64 *key, int limit, int n, int n_steps, int batch,
                    u32 *masks) {
    const size_t at = thread_number();
    const int words = WORDS(n);
    if (at >= (size_t)n_steps * batch * words) return;
    const int w = at % words;
    const size_t row = at / words;
    const u8 *from = raster + (row % batch * n_steps + row / batch) * n + 32 * w;
    u32 bits = 0;
    for (int b = 0; b < 32 && 32 * w + b < n; b++)
        if (from[b]) bits |= 1u << b;
    masks[at] = kept(bits, *key, limit, row, n, w);
}

// The spikes of a layer that dropout would keep, masks (n_rows, words).
KERNEL keep_masks(const u64 *key, int limit, int n, int n_steps, int batch, u32 *masks) {
    const size_t at = thread_number();
    const int words = WORDS(n);
    if (at >= (size_t)n_steps * batch * words) return;
    const int w = at % words, last = n - 32 * w;
    const u32 all = last < 32 ? (1u << last) - 1 : 0xffffffffu;
    masks[at] = kept(all, *key, limit, at / words, n, w);
}

// Weighted sums of what arrives from below: acc[t + 1] of the spikes of step t, for all steps but
// the first, each sum in the order of rsnn/fast/forward.py; one thread per sum.
KERNEL project(const u32 *masks, const value *weights, int n_below, int n, int n_steps, int batch,
               value *acc) {
    const size_t at = thread_number();
    if (at >= (size_t)(n_steps - 1) * batch * n) return;
    const int i = at % n, words = WORDS(n_below);
    const u32 *mask = masks + at / n * words;
    int left = 0, k = 0;
    for (int w = 0; w < words; w++) left += __popc(mask[w]);
    value total = 0;
    u32 bits = mask[0];
    while (left > 0) {
        const int together = left < 4 ? 1 : 4;
        value row[4];
        for (int e = 0; e < together; e++) {
            while (!bits) bits = mask[++k];
            row[e] = weights[(size_t)(32 * k + __ffs(bits) - 1) * n + i];
            bits &= bits - 1;
        }
        total += together == 4 ? (row[0] + row[1]) + (row[2] + row[3]) : row[0];
        left -= together;
    }
    acc[at + (size_t)batch * n] = total;
}
