// Gradient of weights: lambda_syn[t] for each spike of step t - 1.
//
// One block per 32 columns, group of words and part of the rows; one warp per word of 32 units that
// spike, which alone adds to their rows in shared memory. So the order of sums is fixed.

#include "common.h"

#define TOGETHER 8  // rows whose loads are under way at once

// masks (n_steps, batch, words) of n_pre units; lambda_syn (n_steps, batch, n). Blocks go through
// the columns first, then through the groups.
// parts (gridDim.y, n_pre, n) is filled with the sums of each part of the rows.
KERNEL weight_gradient(const u32 *masks, const float *lambda_syn, int n_pre, int n, int n_steps,
                       int batch, float *parts) {
    SHARED_MEMORY(memory);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, words = WORDS(n_pre);
    const int tiles = WORDS(n), column = 32 * (blockIdx.x % tiles) + lane;
    const int word = blockIdx.x / tiles * (blockDim.x / 32) + warp;
    if (word >= words) return;
    const size_t n_rows = (size_t)(n_steps - 1) * batch;
    const size_t first = n_rows * blockIdx.y / gridDim.y;
    const size_t end = n_rows * (blockIdx.y + 1) / gridDim.y;
    float *mine = memory + 32 * 32 * warp + lane;  // of unit b of the word: mine[32 b]
    for (int b = 0; b < 32; b++) mine[32 * b] = 0.0f;
    const float *from = lambda_syn + (size_t)batch * n + column;
    for (size_t begin = first; begin < end; begin += TOGETHER) {
        u32 found[TOGETHER];
        float values[TOGETHER];
        UNROLLED for (int k = 0; k < TOGETHER; k++) {
            const size_t row = begin + k;
            found[k] = row < end ? masks[row * words + word] : 0;
            values[k] = row < end && column < n ? from[row * n] : 0.0f;
        }
        UNROLLED for (int k = 0; k < TOGETHER; k++)
            for (u32 bits = found[k]; bits; bits &= bits - 1)
                mine[32 * (__ffs(bits) - 1)] += values[k];
    }
    if (column >= n) return;
    float *to = parts + ((size_t)blockIdx.y * n_pre + 32 * word) * n + column;
    for (int b = 0; b < 32 && 32 * word + b < n_pre; b++) to[(size_t)b * n] = mine[32 * b];
}
