/* One step. `events` lists the channels that spike in it, each below @NAME@_N_INPUTS; a channel
 * counts once, however often it is listed. `out` gets the readout's words. @DECODED@
 */
void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS]);

/* The same, with channel c as bit c % 8 of byte c / 8; bits behind the last channel are 0. */
void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS]);
