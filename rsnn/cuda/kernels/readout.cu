// Readout rows through all steps, forward and back; one thread per sample and row.

#include "common.h"

#define INITIAL_OUT (-0.01f)  // rsnn/neurons.py
#define AHEAD 8  // steps whose loads are under way at once

// syn (n_steps, batch, n) holds what arrives and is filled with the currents, out with the outputs.
// initial: outputs before the first step, of integers.
KERNEL run_readout(const value *bias, const value *decay_mem, const value *gain_mem,
                   const value *decay_syn, const value *initial, float scale, int n, int n_steps,
                   int batch, value *syn, value *out) {
    const size_t at = thread_number(), step = (size_t)batch * n;
    if (at >= step) return;
    const int i = at % n;
    const value decay = decay_mem[i], gain = INTEGER ? 0 : gain_mem[i], fading = decay_syn[i];
    const value constant = bias[i];
    value mem = next_mem(INTEGER ? initial[i] : INITIAL_OUT, 0, decay, gain), current = constant;
    out[at] = mem;
    syn[at] = current;
    value feeds[AHEAD];
    for (int begin = 1; begin < n_steps; begin += AHEAD) {
        UNROLLED for (int u = 0; u < AHEAD; u++)
            feeds[u] = begin + u < n_steps ? syn[(begin + u) * step + at] : 0;
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = begin + u;
            if (t >= n_steps) break;
            mem = next_mem(mem, current, decay, gain);
            current = next_syn(current, feeds[u], fading, scale, constant);
            out[t * step + at] = mem;
            syn[t * step + at] = current;
        }
    }
}

// lambda_out[t]   = grad_out[t] + decay_mem lambda_out[t+1]
// lambda_syn[t-1] = (1 - decay_mem) lambda_out[t] + decay_syn lambda_syn[t]
//
// syn holds the currents and is filled with lambda_syn. units (2, n): floats of one step of integer
// currents and outputs. sums (3, batch, n): gradients of decay_mem, decay_syn and bias, per sample.
KERNEL pull_readout(const float *grad_out, const float *decay_mem, const float *gain_mem,
                    const float *decay_syn, const value *initial, const float *units, int n,
                    int n_steps, int batch, const value *out, float *syn, float *sums) {
    const size_t at = thread_number(), step = (size_t)batch * n;
    if (at >= step) return;
    const int i = at % n;
    const float decay = decay_mem[i], gain = gain_mem[i], fading = decay_syn[i];
    const float syn_unit = INTEGER ? units[i] : 1.0f, out_unit = INTEGER ? units[n + i] : 1.0f;
    const float start = INTEGER ? initial[i] * out_unit : INITIAL_OUT;
    const value *currents = (const value *)syn;
    float lambda_out = 0.0f, here = 0.0f, sum_mem = 0.0f, sum_syn = 0.0f, sum_bias = 0.0f;
    float given[AHEAD], last_out[AHEAD], last_syn[AHEAD];
    for (int end = n_steps - 1; end > 0; end -= AHEAD) {
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = end - u;
            given[u] = t > 0 ? grad_out[t * step + at] : 0.0f;
            last_out[u] = t > 0 ? out[(t - 1) * step + at] * out_unit : 0.0f;
            last_syn[u] = t > 0 ? currents[(t - 1) * step + at] * syn_unit : 0.0f;
        }
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = end - u;
            if (t <= 0) break;
            syn[t * step + at] = here;
            lambda_out = given[u] + decay * lambda_out;
            sum_mem += lambda_out * (last_out[u] - last_syn[u]);
            sum_syn += here * last_syn[u];
            sum_bias += here;
            here = gain * lambda_out + fading * here;
        }
    }
    syn[at] = here;
    lambda_out = grad_out[at] + decay * lambda_out;
    sums[at] = sum_mem + lambda_out * start;
    sums[step + at] = sum_syn;
    sums[2 * step + at] = sum_bias + here;
}
