/* Integer network @DIGEST@
 * See @NAME@.h. Written from the step of each layer's kind. One spike adds one row of weights.
 */
#include "@NAME@.h"

#include <string.h>

/* @TABLES@ */

#define SYN_LOW (@SYN_LOW@)
#define SYN_HIGH @SYN_HIGH@
#define MEM_LOW (@MEM_LOW@)
#define MEM_HIGH @MEM_HIGH@

/* word * decay / 2^@DECAY_FRAC@ */
static inline int64_t decay_of(int64_t word, int64_t decay)
{
    return @DECAYED@;
}

/* @RULES@ */

/* @LAYERS@ */

void @NAME@_init(@NAME@_state *state)
{
    memset(state, 0, sizeof *state);
    @INIT@
}

/* A step on the spikes in `given`, which become those that arrive. */
static void advance(@NAME@_state *state, int32_t out[@NAME@_N_ROWS])
{
    @ADVANCE@
    memcpy(state->arriving, state->given, sizeof state->arriving);
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
        out[i] = state->@READOUT@[i];
}

void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS])
{
    memset(state->given, 0, sizeof state->given);
    for (uint32_t k = 0; k < n_events; k++)
        state->given[events[k]] = 1;
    advance(state, out);
}

void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS])
{
    for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++)
        state->given[c] = (uint8_t)((uint32_t)bitmap[c / 8u] >> c % 8u & 1u);
    advance(state, out);
}
