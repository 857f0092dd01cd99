// Lets g++ compile the CUDA kernels for a processor: a system thread per CUDA thread, all blocks at
// once, barriers for __syncthreads and for the exchanges of a warp.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <thread>
#include <vector>

#define HOST
using std::min;

struct Dim { unsigned x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };

struct Barrier {
    pthread_barrier_t at;
    explicit Barrier(int n) { pthread_barrier_init(&at, nullptr, n); }
    ~Barrier() { pthread_barrier_destroy(&at); }
    void wait() { pthread_barrier_wait(&at); }
};
struct Warp {
    Barrier barrier{32};
    int values[32];
};
struct Block {
    Barrier barrier;
    std::vector<float4> memory;
    std::vector<std::unique_ptr<Warp>> warps;
};
static thread_local Dim threadIdx, blockIdx;
static thread_local Block *block;
static Dim gridDim, blockDim;

#define KERNEL extern "C" void
#define DEVICE static inline
#define DEVICE_MEMBER inline
#define UNROLLED
#define PAUSE() sched_yield()
#define SHARED_MEMORY(name) float *name = (float *)block->memory.data()
#define __launch_bounds__(...)

static int __popc(unsigned x) { return __builtin_popcount(x); }
static int __ffs(unsigned x) { return __builtin_ffs(x); }
static void atomicAdd(int *p, int v) { __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); }
static void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
static void __syncthreads() { block->barrier.wait(); }
template <class T> static T __ldcg(const T *p) { return *p; }

template <class Join> static int exchanged(int value, Join join) {
    Warp &warp = *block->warps[threadIdx.x / 32];
    warp.values[threadIdx.x % 32] = value;
    warp.barrier.wait();
    int result = 0;
    for (int lane = 0; lane < 32; lane++) result = join(result, warp.values[lane], lane);
    warp.barrier.wait();
    return result;
}
static unsigned ballot(bool on) {
    return exchanged(on, [](int all, int one, int lane) { return all | one << lane; });
}
static int warp_sum(int value) {
    return exchanged(value, [](int all, int one, int) { return all + one; });
}

// Memory of a block holds what another kernel left there: not zeros.
static void run(int grid_x, int grid_y, int n, int shared, const std::function<void()> &kernel) {
    gridDim = {(unsigned)grid_x, (unsigned)grid_y};
    blockDim = {(unsigned)n, 1};
    std::vector<std::unique_ptr<Block>> blocks;
    std::vector<std::thread> threads;
    for (int b = 0; b < grid_x * grid_y; b++) {
        blocks.emplace_back(new Block{Barrier(n), {}, {}});
        blocks[b]->memory.assign(shared / 16 + 1, float4{NAN, NAN, NAN, NAN});
        for (int w = 0; w < n / 32; w++) blocks[b]->warps.emplace_back(new Warp);
    }
    for (int b = 0; b < grid_x * grid_y; b++)
        for (int x = 0; x < n; x++)
            threads.emplace_back([=, &kernel, &blocks] {
                block = blocks[b].get();
                blockIdx = {(unsigned)(b % grid_x), (unsigned)(b / grid_x)};
                threadIdx = {(unsigned)x, 0};
                kernel();
            });
    for (auto &thread : threads) thread.join();
}

// Without barriers, one thread after the other.
static void run_alone(int grid_x, int grid_y, int n, int, const std::function<void()> &kernel) {
    gridDim = {(unsigned)grid_x, (unsigned)grid_y};
    blockDim = {(unsigned)n, 1};
    for (int b = 0; b < grid_x * grid_y; b++)
        for (int x = 0; x < n; x++) {
            blockIdx = {(unsigned)(b % grid_x), (unsigned)(b / grid_x)};
            threadIdx = {(unsigned)x, 0};
            kernel();
        }
}
