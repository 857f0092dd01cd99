// Back through a hidden layer that fits into one block, or has no recurrence: one block per sample
// and COLUMNS neurons, one thread per neuron, which holds its column of w_rec in registers.

#include "pull.h"

#define BLOCK (32 * WORDS(COLUMNS))
#define ROWS ((N + 3) / 4 * 4)

// grad_counts (batch, N); grad_spk (n_steps, batch, N) or null; above (n_steps, batch, N_ABOVE) or,
// where that is 0, (n_steps, batch, N); w_above (N_ABOVE, N) and w_rec (N, N):
// (post, pre). threshold and units: of integers, see neuron.
// syn holds the currents and is filled with lambda_syn. sums (3, batch, N): gradients of decay_mem,
// decay_syn and bias, of each sample.
KERNEL __launch_bounds__(BLOCK)
pull_narrow(const float *grad_counts, const float *grad_spk, const float *above,
            const float *w_above, const u32 *keep, const float *w_rec, const float *decay_mem,
            const float *gain_mem, const float *decay_syn, const value *threshold,
            const float *units, float scale, int surrogate, float beta, int n_steps, int batch,
            const value *kept_mem, float *syn, float *sums) {
    SHARED_MEMORY(memory);
    float *lambdas = memory;                              // (2, ROWS), of successive steps
    float *aboves = lambdas + (RECURRENT ? 2 * ROWS : 0);  // (HISTORY, N_ABOVE)
    const int x = threadIdx.x, s = blockIdx.x, i = blockIdx.y * COLUMNS + x;
    History history = {aboves + HISTORY * N_ABOVE + x, BLOCK};
    const bool is_neuron = x < COLUMNS && i < N;
    const size_t step = (size_t)batch * N, mask_step = (size_t)batch * WORDS(N);
    const size_t unit = (size_t)s * N + i;
    const u32 *my_keep = keep + (size_t)s * WORDS(N) + i / 32;
    float given = 0.0f, w_up[N_ABOVE + 1];
    Neuron me = {};
    if (is_neuron) {
        me = neuron(i, decay_mem, gain_mem, decay_syn, threshold, units);
        given = grad_counts[unit];
        UNROLLED for (int o = 0; o < N_ABOVE; o++) w_up[o] = w_above[o * N + i];
    }
#if RECURRENT
    float w[ROWS];
    UNROLLED for (int k = 0; k < ROWS; k++) w[k] = k < N && is_neuron ? w_rec[k * N + i] : 0.0f;
    for (int k = x; k < 2 * ROWS; k += BLOCK) lambdas[k] = 0.0f;
#endif
    for (int begin = (n_steps - 2) / HISTORY * HISTORY; begin >= 0; begin -= HISTORY) {
        const int n = min(HISTORY, n_steps - 1 - begin);
        if (is_neuron)
            history.fill(n, kept_mem + stored(begin) * step + unit,
                         (const value *)syn + begin * step + unit, step,
                         my_keep + (begin + 1) * mask_step, mask_step, i % 32, scale, me);
        for (int k = x; k < HISTORY * N_ABOVE; k += BLOCK) {
            const int t = begin + 2 + k / (N_ABOVE + !N_ABOVE);
            aboves[k] = t < n_steps
                ? above[((size_t)t * batch + s) * N_ABOVE + k % (N_ABOVE + !N_ABOVE)] : 0.0f;
        }
        __syncthreads();
        for (int k = n - 1; k >= 0; k--) {
            const int t = begin + k + 1;
            if (is_neuron) {
                float p0 = 0.0f, p1 = 0.0f, p2 = 0.0f, p3 = 0.0f;
                if (N_ABOVE == 0 && t + 1 < n_steps) p3 = above[(t + 1) * step + unit];
                UNROLLED for (int o = 0; o < N_ABOVE; o++)
                    p0 = fmaf(w_up[o], aboves[k * N_ABOVE + o], p0);
#if RECURRENT
                const float4 *later = (const float4 *)(lambdas + (t + 1) % 2 * ROWS);
                UNROLLED for (int r = 0; r < ROWS / 4; r++) {
                    const float4 l = later[r];
                    p0 = fmaf(w[4 * r], l.x, p0);
                    p1 = fmaf(w[4 * r + 1], l.y, p1);
                    p2 = fmaf(w[4 * r + 2], l.z, p2);
                    p3 = fmaf(w[4 * r + 3], l.w, p3);
                }
                lambdas[t % 2 * ROWS + i] = me.lambda_syn;
#endif
                syn[t * step + unit] = me.lambda_syn;
                float lambda_spk = grad_spk ? given + grad_spk[t * step + unit] : given;
                lambda_spk = fmaf(history.keep(k), (p0 + p1) + (p2 + p3), lambda_spk);
                history.go_back_one(me, k, lambda_spk, surrogate, beta);
            }
#if RECURRENT
            __syncthreads();
#endif
        }
#if !RECURRENT
        __syncthreads();  // aboves are read
#endif
    }
    if (is_neuron) {
        syn[unit] = me.lambda_syn;
        sums[unit] = me.sum_mem;
        sums[step + unit] = me.sum_syn;
        sums[2 * step + unit] = me.sum_bias + me.lambda_syn;
    }
}
