// Readout rows through all steps, forward and back; one thread per sample and row.

#include "common.h"

#define INITIAL_OUT (-0.01f)  // rsnn/neurons.py
#define AHEAD 8  // steps whose loads are under way at once

// syn (n_steps, batch, n) holds what arrives and is filled with the currents, out with the outputs.
KERNEL run_readout(const float *bias, const float *decay_mem, const float *gain_mem,
                   const float *decay_syn, float scale, int n, int n_steps, int batch, float *syn,
                   float *out) {
    const size_t at = thread_number(), step = (size_t)batch * n;
    if (at >= step) return;
    const int i = at % n;
    const float decay = decay_mem[i], gain = gain_mem[i], fading = decay_syn[i], constant = bias[i];
    float mem = decay * INITIAL_OUT, current = constant;
    out[at] = mem;
    syn[at] = current;
    float feeds[AHEAD];
    for (int begin = 1; begin < n_steps; begin += AHEAD) {
        UNROLLED for (int u = 0; u < AHEAD; u++)
            feeds[u] = begin + u < n_steps ? syn[(begin + u) * step + at] : 0.0f;
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = begin + u;
            if (t >= n_steps) break;
            mem = decay * mem + gain * current;
            current = fading * current + (feeds[u] * scale + constant);
            out[t * step + at] = mem;
            syn[t * step + at] = current;
        }
    }
}

// lambda_out[t]   = grad_out[t] + decay_mem lambda_out[t+1]
// lambda_syn[t-1] = (1 - decay_mem) lambda_out[t] + decay_syn lambda_syn[t]
//
// syn holds the currents and is filled with lambda_syn. sums (3, batch, n): gradients of decay_mem,
// decay_syn and bias, of each sample.
KERNEL pull_readout(const float *grad_out, const float *decay_mem, const float *gain_mem,
                    const float *decay_syn, int n, int n_steps, int batch, const float *out,
                    float *syn, float *sums) {
    const size_t at = thread_number(), step = (size_t)batch * n;
    if (at >= step) return;
    const int i = at % n;
    const float decay = decay_mem[i], gain = gain_mem[i], fading = decay_syn[i];
    float lambda_out = 0.0f, here = 0.0f, sum_mem = 0.0f, sum_syn = 0.0f, sum_bias = 0.0f;
    float given[AHEAD], last_out[AHEAD], last_syn[AHEAD];
    for (int end = n_steps - 1; end > 0; end -= AHEAD) {
        UNROLLED for (int u = 0; u < AHEAD; u++) {
            const int t = end - u;
            given[u] = t > 0 ? grad_out[t * step + at] : 0.0f;
            last_out[u] = t > 0 ? out[(t - 1) * step + at] : 0.0f;
            last_syn[u] = t > 0 ? syn[(t - 1) * step + at] : 0.0f;
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
    sums[at] = sum_mem + lambda_out * INITIAL_OUT;
    sums[step + at] = sum_syn;
    sums[2 * step + at] = sum_bias + here;
}
