/* Integer network @DIGEST@
 * @N_INPUTS@ inputs, @SHAPE@, one step every @DT@ s.
 *
 * Each step takes the channels that spiked and updates every neuron once. No heap, no floating
 * point, no global state: one state struct is one decoder.
 */
#ifndef @GUARD@
#define @GUARD@

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @NAME@_N_INPUTS @N_INPUTS@u
#define @NAME@_N_ROWS @N_ROWS@u /* of `out`: @N_HEADS@ head(s) of @N_OUTPUTS@ output(s) */

/* The state of a network: every state word, the input spikes of the last two steps, and the sums of
 * a step, which are 0 between steps. */
typedef struct {
@STATE@
@ROWS@
    uint8_t given[@NAME@_N_INPUTS];
    uint8_t arriving[@NAME@_N_INPUTS];
} @NAME@_state;

/* The state before the first step. */
void @NAME@_init(@NAME@_state *state);

/* One step. `events` lists the channels that spike in it, each below @NAME@_N_INPUTS; a channel
 * counts once, however often it is listed. `out` gets the readout's words. Decoded values are the
 * mean over heads of out * scale:
@SCALES@
 */
void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS]);

/* The same, with channel c as bit c % 8 of byte c / 8. */
void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS]);

#ifdef __cplusplus
}
#endif

#endif
