/* Replays the raster in `replay.in` and writes every state word of every step to `replay.out`, and
 * the counter's value for every step to `replay.count`, if there is a counter.
 * In: three uint32, the ends of the steps given as lists that name every channel twice, of those
 * given as lists, and of those given as bitmaps; then one byte per channel and step.
 * Out: one int32 per word, the spikes, currents and membranes of each layer, in a trace's order.
 */
#include "@NAME@.h"

#include <stdio.h>
#include <string.h>

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
/* SysTick, which counts down in 24 bits; under QEMU's -icount its ticks are instructions. */
#define SYST ((volatile uint32_t *)0xe000e010u)
static volatile uint32_t wraps;
void arm_systick_isr(void);
void arm_systick_isr(void)
{
    wraps++;
}
static void counter_start(void)
{
    SYST[1] = 0xffffffu;
    SYST[2] = 0;
    SYST[0] = 7;
}
static uint32_t counter(void)
{
    uint32_t before, ticks;
    do {
        before = wraps;
        ticks = 0xffffffu - SYST[2];
    } while (before != wraps);
    return before << 24u | ticks;
}
#elif defined(__riscv)
static void counter_start(void)
{
}
static uint32_t counter(void)
{
    uint32_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}
#else
static void counter_start(void)
{
}
static uint32_t counter(void)
{
    return 0;
}
#endif

static @NAME@_state state;
/* @GIVE_ALL@ */

int main(void)
{
    static uint8_t row[@NAME@_N_INPUTS];
    static uint8_t bitmap[(@NAME@_N_INPUTS + 7u) / 8u];
    static uint16_t events[2u * @NAME@_N_INPUTS];
    int32_t out[@NAME@_N_ROWS];
    uint32_t ends[3];
    FILE *input = fopen("replay.in", "rb"), *counts = fopen("replay.count", "wb");
    output = fopen("replay.out", "wb");
    if (!input || !output || !counts || fread(ends, sizeof *ends, 3, input) != 3)
        return 1;
    @NAME@_init(&state);
    counter_start();
    uint32_t own = counter(); /* the cost of counting itself */
    own = counter() - own;
    for (uint32_t t = 0; t < ends[2]; t++) {
        uint16_t n_events = 0;
        if (fread(row, 1, sizeof row, input) != sizeof row)
            return 1;
        memset(bitmap, 0, sizeof bitmap);
        for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++)
            if (row[c]) {
                events[n_events++] = (uint16_t)c;
                bitmap[c / 8u] = (uint8_t)(bitmap[c / 8u] | 1u << c % 8u);
            }
        if (t < ends[0] && n_events <= UINT16_MAX / 2u) {
            memcpy(events + n_events, events, n_events * sizeof *events);
            n_events = (uint16_t)(2u * n_events);
        }
        uint32_t count = counter();
        if (t < ends[1])
            @NAME@_step(&state, events, n_events, out);
        else
            @NAME@_step_bitmap(&state, bitmap, out);
        count = counter() - count - own;
        fwrite(&count, sizeof count, 1, counts);
        for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
            if (out[i] != @READOUT_I@)
                return 2;
        give_all();
    }
    fclose(counts);
    fclose(output);
    return 0;
}
