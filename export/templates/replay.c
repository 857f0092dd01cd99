/* Replays the raster in `replay.in` and writes every state word of every step to `replay.out`, and
 * the counter's value for every step to `replay.count`, if there is a counter.
@REPLAYED@
 * Out: one int32 per word, the spikes, currents and membranes of each layer, in a trace's order.
 */
#include "@NAME@.h"

#include <stdio.h>
#include <string.h>

/* @COUNTER@ */

static @NAME@_state state;
/* @GIVE_ALL@ */

@MAIN@
