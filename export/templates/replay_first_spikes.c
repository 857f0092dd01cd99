/* Replays samples event by event, and writes how each ends to `samples.out`, and the counter's values
 * to `samples.count`, if there is a counter.
 * In, from `samples.in`: of each sample the number of its events, uint32, and of each event the
 * channel and the step, uint16.
 * Out, int32: the class and the number of events taken if the caller stops at the first spike, if it
 * stops when all neurons have fired, and if it gives all events; then v and t of every neuron after
 * all events. The counter: the instructions of these three ways, uint32.
 */
#include "@NAME@.h"

#include <stdio.h>

/* @COUNTER@ */

static @NAME@_sample sample, stopped;
static uint32_t own; /* the cost of counting itself */
static FILE *output, *counts;

/* Writes what a caller that stops here gets, after `count`. */
static void stop(uint32_t count, uint32_t n_taken)
{
    int32_t words[2];
    stopped = sample;
    uint32_t before = counter();
    words[0] = @NAME@_end(&stopped);
    count += counter() - before - own;
    words[1] = (int32_t)n_taken;
    fwrite(words, sizeof *words, 2, output);
    fwrite(&count, sizeof count, 1, counts);
}

int main(void)
{
    static const uint32_t enough[3] = {1, @NAME@_N_ROWS, UINT32_MAX}; /* neurons that have fired */
    uint32_t n_events;
    FILE *input = fopen("samples.in", "rb");
    output = fopen("samples.out", "wb");
    counts = fopen("samples.count", "wb");
    if (!input || !output || !counts)
        return 1;
    counter_start();
    own = counter();
    own = counter() - own;
    while (fread(&n_events, sizeof n_events, 1, input) == 1) {
        uint32_t n_stops = 0, count = counter();
        @NAME@_begin(&sample);
        count = counter() - count - own;
        for (uint32_t k = 0; k < n_events; k++) {
            uint16_t event[2];
            if (fread(event, sizeof *event, 2, input) != 2)
                return 1;
            uint32_t before = counter();
            uint32_t n_fired = @NAME@_event(&sample, event[0], event[1]);
            count += counter() - before - own;
            for (; n_stops < 3 && n_fired >= enough[n_stops]; n_stops++)
                stop(count, k + 1);
        }
        for (; n_stops < 3; n_stops++)
            stop(count, n_events);
        fwrite(stopped.v, sizeof *stopped.v, @NAME@_N_ROWS, output);
        for (uint32_t i = 0; i < @NAME@_N_ROWS; i++) {
            int32_t word = stopped.t[i];
            fwrite(&word, sizeof word, 1, output);
        }
    }
    fclose(counts);
    fclose(output);
    return 0;
}
