/* One step. `values` holds those of all channels in it, whole numbers @LOW@..@HIGH@. `out` gets the
 * readout's words. @DECODED@
 */
void @NAME@_step(@NAME@_state *state, const @CTYPE@ values[@NAME@_N_INPUTS],
                 int32_t out[@NAME@_N_ROWS]);
