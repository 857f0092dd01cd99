// Back through a wide recurrent layer: BLOCKS blocks for every eight samples, each with 32 columns
// of w_rec in its registers for the whole launch. They exchange lambda_syn through the second-level
// cache, one step late, so that the exchange has a step's time; all blocks must run at once.

#include "pull.h"

#define BLOCKS WORDS(N)
#define SAMPLES 8
#define SLICE (((N + 7) / 8 + 3) / 4 * 4)  // rows of w_rec of a thread
#define ROWS (8 * SLICE)

// Arguments as those of pull_narrow. arrived (groups, n_steps) counts the blocks that are through
// with a step, and starts at zero: one counter for all steps would let fast blocks count for slow.
KERNEL __launch_bounds__(256, 1)
pull_wide(const float *grad_counts, const float *grad_spk, const float *above,
          const float *w_above, const u32 *keep, const float *w_rec, const float *decay_mem,
          const float *gain_mem, const float *decay_syn, const value *threshold, const float *units,
          float scale, int surrogate, float beta, int n_steps, int batch, const value *kept_mem,
          float *syn, float *sums, int *arrived) {
    SHARED_MEMORY(memory);
    float *lambdas = memory;                  // (SAMPLES, ROWS)
    float *products = lambdas + SAMPLES * ROWS;  // (8 slices, SAMPLES, 32 columns)
    float *aboves = products + 8 * SAMPLES * 32;  // (HISTORY, SAMPLES, N_ABOVE)
    const int x = threadIdx.x, column = x % 32, q = x / 32;  // q: slice of rows, and sample
    const int group = blockIdx.x / BLOCKS, n_groups = gridDim.x / BLOCKS;
    const int word = blockIdx.x % BLOCKS, i = 32 * word + column;
    History history = {aboves + HISTORY * SAMPLES * N_ABOVE + x, 256};
    const size_t step = (size_t)batch * N, mask_step = (size_t)batch * WORDS(N);
    float w[SLICE], w_up[N_ABOVE + 1];
    UNROLLED for (int r = 0; r < SLICE; r++) {
        const int row = q * SLICE + r;
        w[r] = row < N && i < N ? w_rec[(size_t)row * N + i] : 0.0f;
    }
    UNROLLED for (int o = 0; o < N_ABOVE; o++) w_up[o] = i < N ? w_above[o * N + i] : 0.0f;
    for (int k = x; k < SAMPLES * ROWS; k += 256) lambdas[k] = 0.0f;
    volatile int *counters = arrived + (size_t)group * n_steps;
    int goal = 0;
    for (int first = group * SAMPLES; first < batch; first += SAMPLES * n_groups) {
        const int s = first + q, n_samples = min(SAMPLES, batch - first);
        const bool is_neuron = i < N && s < batch;
        const size_t unit = (size_t)s * N + i;
        const u32 *my_keep = keep + (size_t)s * WORDS(N) + word;
        Neuron me = {};
        float given = 0.0f;
        goal += BLOCKS;
        if (is_neuron) {
            me = neuron(i, decay_mem, gain_mem, decay_syn, threshold, units);
            given = grad_counts[unit];
            syn[(n_steps - 1) * step + unit] = 0.0f;
        }
        for (int begin = (n_steps - 2) / HISTORY * HISTORY; begin >= 0; begin -= HISTORY) {
            const int n = min(HISTORY, n_steps - 1 - begin);
            if (is_neuron)
                history.fill(n, kept_mem + stored(begin) * step + unit,
                             (const value *)syn + begin * step + unit, step,
                             my_keep + (begin + 1) * mask_step, mask_step, column, scale, me);
            for (int k = x; k < HISTORY * SAMPLES * N_ABOVE; k += 256) {
                const int o = k % (N_ABOVE + !N_ABOVE), m = k / (N_ABOVE + !N_ABOVE) % SAMPLES;
                const int t = begin + 2 + k / (SAMPLES * (N_ABOVE + !N_ABOVE));
                aboves[k] = t < n_steps && m < n_samples
                    ? above[((size_t)t * batch + first + m) * N_ABOVE + o] : 0.0f;
            }
            __syncthreads();
            for (int k = n - 1; k >= 0; k--) {
                const int t = begin + k + 1;
                float pulled = 0.0f;
                if (N_ABOVE == 0 && is_neuron && t + 1 < n_steps)
                    pulled = above[(t + 1) * step + unit];
                UNROLLED for (int o = 0; o < N_ABOVE; o++)
                    pulled = fmaf(w_up[o], aboves[(k * SAMPLES + q) * N_ABOVE + o], pulled);
                if (t + 2 < n_steps) {  // the last lambda_syn is zero
                    if (x == 0) {
                        while (counters[t + 2] < goal) PAUSE();
                        __threadfence();
                    }
                    __syncthreads();
                    const float *from = syn + ((size_t)(t + 1) * batch + first) * N;
#if N % 4 == 0
                    float4 came[(2 * N + 255) / 256];
                    UNROLLED for (int k4 = 0; k4 < (2 * N + 255) / 256; k4++) {
                        const int at = 4 * (x + 256 * k4);
                        if (at < n_samples * N) came[k4] = __ldcg((const float4 *)(from + at));
                    }
                    UNROLLED for (int k4 = 0; k4 < (2 * N + 255) / 256; k4++) {
                        const int at = 4 * (x + 256 * k4);
                        if (at < n_samples * N)
                            *(float4 *)(lambdas + at / N * ROWS + at % N) = came[k4];
                    }
#else
                    for (int at = x; at < n_samples * N; at += 256)
                        lambdas[at / N * ROWS + at % N] = __ldcg(from + at);
#endif
                    __syncthreads();
                    _Pragma("unroll 1") for (int m = 0; m < SAMPLES; m++) {
                        const float4 *later = (const float4 *)(lambdas + m * ROWS + q * SLICE);
                        float p0 = 0.0f, p1 = 0.0f, p2 = 0.0f, p3 = 0.0f;
                        UNROLLED for (int r = 0; r < SLICE / 4; r++) {
                            const float4 l = later[r];
                            p0 = fmaf(w[4 * r], l.x, p0);
                            p1 = fmaf(w[4 * r + 1], l.y, p1);
                            p2 = fmaf(w[4 * r + 2], l.z, p2);
                            p3 = fmaf(w[4 * r + 3], l.w, p3);
                        }
                        products[(q * SAMPLES + m) * 32 + column] = (p0 + p1) + (p2 + p3);
                    }
                    __syncthreads();
                    UNROLLED for (int j = 0; j < 8; j++)
                        pulled += products[(j * SAMPLES + q) * 32 + column];
                }
                if (is_neuron) {
                    float lambda_spk = grad_spk ? given + grad_spk[t * step + unit] : given;
                    lambda_spk = fmaf(history.keep(k), pulled, lambda_spk);
                    history.go_back_one(me, k, lambda_spk, surrogate, beta);
                    syn[(t - 1) * step + unit] = me.lambda_syn;
                    __threadfence();
                }
                __syncthreads();
                if (x == 0) atomicAdd(arrived + (size_t)group * n_steps + t, 1);
            }
        }
        if (is_neuron) {
            sums[unit] = me.sum_mem;
            sums[step + unit] = me.sum_syn;
            sums[2 * step + unit] = me.sum_bias + me.lambda_syn;
        }
    }
}
