/* Integer network @DIGEST@
 * @N_INPUTS@ inputs, @SHAPE@, one step every @DT@ s.
 *
 * Each step takes the channels that spiked and updates every neuron once. No heap, no floating
 * point, no global state: one state struct is one decoder.
 */
@NOTES@
#ifndef @GUARD@
#define @GUARD@

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @NAME@_N_INPUTS @N_INPUTS@u
#define @NAME@_N_ROWS @N_ROWS@u /* of `out`: @N_HEADS@ head(s) of @N_OUTPUTS@ output(s) */
@SCALES@

/* The state of a neuron: synaptic current and membrane (of a readout row: its output). */
typedef struct {
    int32_t syn;
    int32_t mem;
} @NAME@_words;

/* The sum of the weights of a step's spikes. */
typedef int@SUM_BITS@_t @NAME@_sum;

/* `sum_*` hold the sums on their way to a layer, encoded as in the source file. */
typedef struct {
    @STATE@
} @NAME@_state;

/* The state before the first step. */
void @NAME@_init(@NAME@_state *state);

@STEPS@

@CHECKED@

#ifdef __cplusplus
}
#endif

#endif
