/* Integer network @DIGEST@
 * @N_INPUTS@ inputs, @SHAPE@, one step every @DT@ s.
 *
 * Each step takes @TAKEN@ and updates every neuron once. No heap, no floating
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

/* The state of a network: every state word, the @GIVEN@ @OF@, and the sums of
 * a step, which are 0 between steps. */
typedef struct {
@STATE@
@ROWS@
    @HELD@
} @NAME@_state;

/* The state before the first step. */
void @NAME@_init(@NAME@_state *state);

@STEPS@

@CHECKED@

#ifdef __cplusplus
}
#endif

#endif
