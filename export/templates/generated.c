/* Integer network @DIGEST@
 * See @NAME@.h. Written from the step of each layer's kind. @ADDS@
 */
#include "@NAME@.h"

#include <string.h>

/* @TABLES@ */

#define SYN_LOW (@SYN_LOW@)
#define SYN_HIGH @SYN_HIGH@
#define MEM_LOW (@MEM_LOW@)
#define MEM_HIGH @MEM_HIGH@

/* @DECAY@ */

/* @RULES@ */

/* @LAYERS@ */

void @NAME@_init(@NAME@_state *state)
{
    (void)memset(state, 0, sizeof *state);
    @INIT@
}

/* A step on @ADVANCES@. */
static void advance(@NAME@_state *state, int32_t out[@NAME@_N_ROWS])
{
    @ONCE@
    @ADVANCE@
    @ARRIVED@
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
        out[i] = state->@READOUT@[i];
}

@STEPS@
