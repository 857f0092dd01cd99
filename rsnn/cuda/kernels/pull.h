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
    float syn_unit, mem_unit, rise;  // of integers: floats of one step, 1 - the threshold's float
    value top;  // threshold of integers
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

// over: whether the membrane is over its threshold.
DEVICE void go_back(Neuron &x, float lambda_spk, float mem, float syn, bool over, float mem_slope) {
    const float r = over ? 0.0f : x.lambda_mem;
    x.sum_mem = fmaf(r, mem - syn, x.sum_mem);
    x.sum_syn = fmaf(x.lambda_syn, syn, x.sum_syn);
    x.sum_bias += x.lambda_syn;
    x.lambda_mem = fmaf(x.decay, r, lambda_spk * mem_slope);
    x.lambda_syn = fmaf(x.gain, r, x.fading * x.lambda_syn);
}

// The constants of neuron i. units (3, N), of integers: floats of one step of its current and its
// membrane, and of its threshold.
DEVICE Neuron neuron(int i, const float *decay_mem, const float *gain_mem, const float *decay_syn,
                     const value *threshold, const float *units) {
    Neuron x = {};
    x.decay = decay_mem[i]; x.gain = gain_mem[i]; x.fading = decay_syn[i];
    if (INTEGER) {
        x.syn_unit = units[i]; x.mem_unit = units[N + i]; x.rise = 1.0f - units[2 * N + i];
        x.top = threshold[i];
    }
    return x;
}

#define SLOTS (3 + INTEGER)

// Membranes, currents and factors of dropout of up to HISTORY steps, and whether integers are over
// threshold: a thread's own column of shared memory, `stride` apart.
struct History {
    float *at;
    int stride;
    DEVICE_MEMBER float &mem(int k) { return at[k * stride]; }
    DEVICE_MEMBER float &syn(int k) { return at[(HISTORY + k) * stride]; }
    DEVICE_MEMBER float &keep(int k) { return at[(2 * HISTORY + k) * stride]; }
    DEVICE_MEMBER bool over(int k) {
        return INTEGER ? at[(3 * HISTORY + k) * stride] != 0.0f : mem(k) > THRESHOLD;
    }

    // Fill with n steps. mems and syns point to the first of them, keeps to the one after it; `bit`
    // is the neuron's in a word.
    DEVICE_MEMBER void fill(int n, const value *mems, const value *syns, size_t step,
                            const u32 *keeps, size_t mask_step, int bit, float scale,
                            const Neuron &x) {
        value currents[HISTORY], states[INTEGER ? HISTORY : 1];
        u32 words[HISTORY];
        UNROLLED for (int k = 0; k < HISTORY; k++) {
            currents[k] = k < n ? syns[k * step] : 0;
            words[k] = k < n ? keeps[k * mask_step] : 0;
            if (INTEGER) states[INTEGER ? k : 0] = k < n ? mems[k * step] : 0;
        }
        value v = mems[0];
        UNROLLED for (int k = 0; k < HISTORY; k++) {
            keep(k) = words[k] >> bit & 1 ? scale : 0.0f;
            if (INTEGER) {
                v = states[INTEGER ? k : 0];
                mem(k) = v * x.mem_unit;
                syn(k) = currents[k] * x.syn_unit;
                at[(3 * HISTORY + k) * stride] = v > x.top;
            } else {
                mem(k) = v;
                syn(k) = currents[k];
                v = v > THRESHOLD ? 0 : next_mem(v, currents[k], x.decay, x.gain);
            }
        }
    }

    // One step back of a neuron.
    DEVICE_MEMBER void go_back_one(Neuron &x, int k, float lambda_spk, int surrogate, float beta) {
        const float v = mem(k), tested = INTEGER ? v + x.rise : v;
        go_back(x, lambda_spk, v, syn(k), over(k), slope(tested, surrogate, beta));
    }
};

// Where the membranes of a step are, of those that are stored.
DEVICE size_t stored(int t) { return INTEGER ? t : t / HISTORY; }
