// One hidden neuron of one sample on its way back through the steps:
//
//     lambda_spk[t]   = grad_spk[t] + keep[t] (w_rec^T lambda_syn[t+1] + w_above^T above[t+1])
//     lambda_mem[t-1] = decay_mem r[t] + lambda_spk[t] slope(mem[t-1])
//     lambda_syn[t-1] = (1 - decay_mem) r[t] + decay_syn lambda_syn[t]
//
// with r[t] = lambda_mem[t] (1 - spk[t]), as in rsnn/fast/backward.py. N neurons; N_ABOVE rows of
// the layer above, or 0 where `above` holds w_above^T above already.

#pragma once
#include "common.h"

struct Neuron {
    float decay, gain, fading;  // decay_mem, 1 - decay_mem, decay_syn
    float lambda_mem, lambda_syn, sum_mem, sum_syn, sum_bias;
};

DEVICE float slope(float mem, int surrogate, float beta) {  // rsnn/surrogate.py
    const float distance = beta * fabsf(mem - THRESHOLD);
    if (surrogate == 2) {
        const float below = expf(-distance);
        return beta * below / ((1.0f + below) * (1.0f + below));
    }
    return (surrogate == 1 ? beta : 1.0f) / ((distance + 1.0f) * (distance + 1.0f));
}

DEVICE void go_back(Neuron &x, float lambda_spk, float mem, float syn, float mem_slope) {
    const float r = mem > THRESHOLD ? 0.0f : x.lambda_mem;
    x.sum_mem = fmaf(r, mem - syn, x.sum_mem);
    x.sum_syn = fmaf(x.lambda_syn, syn, x.sum_syn);
    x.sum_bias += x.lambda_syn;
    x.lambda_mem = fmaf(x.decay, r, lambda_spk * mem_slope);
    x.lambda_syn = fmaf(x.gain, r, x.fading * x.lambda_syn);
}

// Membranes, currents and factors of dropout of up to HISTORY steps; a thread's own column of shared
// memory, `stride` apart.
struct History {
    float *at;
    int stride;
    DEVICE_MEMBER float &mem(int k) { return at[k * stride]; }
    DEVICE_MEMBER float &syn(int k) { return at[(HISTORY + k) * stride]; }
    DEVICE_MEMBER float &keep(int k) { return at[(2 * HISTORY + k) * stride]; }

    // Fill with n steps from the first membrane. syn and keep point to the first of them, of keep
    // the one after it; bit tells the neuron's in a word.
    DEVICE_MEMBER void fill(int n, float first_mem, const float *syn_of, size_t step,
                            const u32 *keep_of, size_t mask_step, int bit, float scale,
                            const Neuron &x) {
        float syns[HISTORY];
        u32 words[HISTORY];
        UNROLLED for (int k = 0; k < HISTORY; k++) {
            syns[k] = k < n ? syn_of[k * step] : 0.0f;
            words[k] = k < n ? keep_of[k * mask_step] : 0;
        }
        float v = first_mem;
        UNROLLED for (int k = 0; k < HISTORY; k++) {
            mem(k) = v;
            syn(k) = syns[k];
            keep(k) = words[k] >> bit & 1 ? scale : 0.0f;
            v = v > THRESHOLD ? 0.0f : x.decay * v + x.gain * syns[k];
        }
    }
};
