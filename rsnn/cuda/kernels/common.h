// What all kernels share. It is compiled with each of them and never fused into multiply-adds: sums
// round as those of rsnn/fast/forward.py, in its order; where backward may fuse, it calls fmaf.
// With INTEGER, weights and states are those of an integer network, and the step is that of
// sim/step.py in the published order; gradients are those of the floats behind them.
//
// Arrays are time-major, (n_steps, batch, n) and float; a row is one step of one sample, numbered
// t * batch + s. Spikes of a row are n bits in words of 32, bit i % 32 of word i / 32. Weights of
// forward lie by presynaptic row, (pre, post), because each spike adds one row.

#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifndef HOST
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__
#define SHARED_MEMORY(name) extern __shared__ __align__(16) float name[]
#define DEVICE_MEMBER __device__ __forceinline__
#define PAUSE() ((void)0)
#define UNROLLED _Pragma("unroll")
DEVICE u32 ballot(bool on) { return __ballot_sync(0xffffffffu, on); }
DEVICE int warp_sum(int value) { return __reduce_add_sync(0xffffffffu, value); }
#endif

#define THRESHOLD 1.0f
#define HISTORY 16  // steps of which one membrane is stored
#define WORDS(n) (((n) + 31) / 32)

#ifndef INTEGER
#define INTEGER 0
#endif
#if INTEGER
typedef int value;  // of a weight or a state
typedef long long i64;

DEVICE int decayed(int x, int decay) {
    const i64 product = (i64)x * decay;
    return ROUNDS_DOWN || product >= 0 ? product >> DECAY_FRAC : -(-product >> DECAY_FRAC);
}
DEVICE int fit(i64 x, int bits, bool wraps) {
    const i64 low = -(1ll << (bits - 1)), high = -low - 1;
    if (wraps) return ((x - low) & ((1ll << bits) - 1)) + low;
    return x < low ? low : x > high ? high : x;
}
DEVICE int next_mem(int mem, int syn, int decay, int) {
    return fit((i64)decayed(mem, decay) + syn, MEM_BITS, MEM_WRAPS);
}
DEVICE int next_syn(int syn, int acc, int decay, float, int bias) {
    return fit((i64)decayed(syn, decay) + ((i64)acc << FRAC_BITS) + bias, SYN_BITS, SYN_WRAPS);
}
#else
typedef float value;

DEVICE float next_mem(float mem, float syn, float decay, float gain) {
    return decay * mem + gain * syn;
}
DEVICE float next_syn(float syn, float acc, float decay, float scale, float bias) {
    return decay * syn + (acc * scale + bias);
}
#endif

// Number of this thread among those of all blocks.
DEVICE size_t thread_number() { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }

// Those of `bits`, elements 32 w to 32 w + 31 of a row, that dropout keeps (rsnn/fast/dropout.py).
DEVICE u32 kept(u32 bits, u64 key, int limit, size_t row, int n, int w) {
    for (int quad = 0; quad < 8; quad++) {
        if (!(bits >> (4 * quad) & 15)) continue;
        u64 z = key + 0x9E3779B97F4A7C15ull * (row * ((n + 3) / 4) + 8 * w + quad + 1);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
        for (int b = 0; b < 4; b++)
            if ((short)(u16)(z >> (16 * b)) < limit) bits &= ~(1u << (4 * quad + b));
    }
    return bits;
}
