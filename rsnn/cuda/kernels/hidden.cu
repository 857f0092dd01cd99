// A hidden layer through all steps: one block per sample, one thread per neuron.
//
// N neurons; RECURRENT is 0 or 1; weights are copied into shared memory if IN_SHARED. Membranes are
// stored once per HISTORY steps, since backward computes those between again, to the bit; integers
// at every step.

#include "common.h"

#define BLOCK (32 * WORDS(N))
#define KEPT_EVERY (INTEGER ? 1 : HISTORY)
#define AHEAD 4  // steps by which what arrives is loaded before it is needed

// Add the weights of a list of rows to acc, four at a time, as rsnn/fast/forward.py does.
DEVICE value add_rows(const value *weights, int i, const int *rows, int n, value acc) {
    int e = 0;
    for (; e + 4 <= n; e += 4) {
        const int4 r = *(const int4 *)(rows + e);
        const value a = weights[r.x + i], b = weights[r.y + i];
        const value c = weights[r.z + i], d = weights[r.w + i];
        acc += (a + b) + (c + d);
    }
    for (; e < n; e++) acc += weights[rows[e] + i];
    return acc;
}

// keep: masks of dropout. w_rec (pre, post). threshold: of integers. scale: of a spike that dropout
// has kept.
// Filled: sent and fired (n_steps, batch, words), the spikes that dropout has kept, and all of them
// unless null; kept_mem (n_steps over KEPT_EVERY, batch, N); counts (batch, N).
// syn (n_steps, batch, N) holds what arrives from below and is filled with the currents.
KERNEL __launch_bounds__(BLOCK, 1)
run_hidden(const u32 *keep, const value *w_rec, const value *bias, const value *decay_mem,
           const value *gain_mem, const value *decay_syn, const value *threshold, float scale,
           int n_steps, int batch, u32 *sent, u32 *fired, value *kept_mem, value *syn,
           float *counts) {
    SHARED_MEMORY(memory);
    const int i = threadIdx.x, lane = i % 32, warp = i / 32, s = blockIdx.x;
    const bool is_neuron = i < N;
    const size_t step = (size_t)batch * N, mask_step = (size_t)batch * WORDS(N);
    int *rows = (int *)memory;  // of the spikes of the last step, offsets of their weights
    u32 *words = (u32 *)memory + BLOCK;
    const value *weights = w_rec;
#if RECURRENT && IN_SHARED
    value *copy = (value *)memory + BLOCK + 32;
    for (int k = i; k < N * N; k += BLOCK) copy[k] = w_rec[k];
    weights = copy;
#endif
    value *my_syn = syn + (size_t)s * N + i;
    const u32 *my_keep = keep + (size_t)s * WORDS(N) + warp;
    u32 *my_sent = sent + (size_t)s * WORDS(N) + warp;
    u32 *my_fired = fired + (fired ? (size_t)s * WORDS(N) + warp : 0);
    value decay = 0, gain = 0, fading = 0, constant = 0, top = THRESHOLD;
    value mem = 0, current = 0, feeds[AHEAD];
    float count = 0.0f;
    u32 keeps[AHEAD];
    if (is_neuron) {
        decay = decay_mem[i]; fading = decay_syn[i]; constant = bias[i];
        if (INTEGER) top = threshold[i]; else gain = gain_mem[i];
        current = constant;
        *my_syn = current;
        kept_mem[(size_t)s * N + i] = mem;
    }
    if (lane == 0) {
        *my_sent = 0;
        if (fired) *my_fired = 0;
        words[warp] = 0;
    }
    UNROLLED for (int u = 0; u < AHEAD; u++) {
        const bool comes = 1 + u < n_steps;
        feeds[u] = comes && is_neuron ? my_syn[(1 + u) * step] : 0;
        keeps[u] = comes ? my_keep[(1 + u) * mask_step] : 0;
    }
    int n_rows = 0;
    __syncthreads();
    for (int begin = 1; begin < n_steps; begin += AHEAD)
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = begin + u;
            if (t >= n_steps) break;
            const bool fires = is_neuron && mem > top;
            const bool sends = fires && (keeps[u] >> lane & 1);
            const u32 word = ballot(sends), fired_word = ballot(fires);
            value acc = feeds[u];
            if (t + AHEAD < n_steps) {
                if (is_neuron) feeds[u] = my_syn[(t + AHEAD) * step];
                keeps[u] = my_keep[(t + AHEAD) * mask_step];
            }
            if (is_neuron) {
#if RECURRENT
                acc = add_rows(weights, i, rows, n_rows, acc);
#endif
                const value free = next_mem(mem, current, decay, gain);
                current = next_syn(current, acc, fading, scale, constant);
                mem = fires ? 0 : free;
                count += fires;
                my_syn[t * step] = current;
                if (t % KEPT_EVERY == 0) kept_mem[t / KEPT_EVERY * step + (size_t)s * N + i] = mem;
            }
            if (lane == 0) {
                words[warp] = word;
                my_sent[t * mask_step] = word;
                if (fired) my_fired[t * mask_step] = fired_word;
            }
#if RECURRENT
            __syncthreads();  // words are whole, and rows are read
            const int found = lane < WORDS(N) ? __popc(words[lane]) : 0;
            const int before = warp_sum(lane < warp ? found : 0);
            n_rows = warp_sum(found);
            if (sends) rows[before + __popc(word & ((1u << lane) - 1))] = i * N;
            __syncthreads();
#endif
        }
    if (is_neuron) counts[(size_t)s * N + i] = count;
}
