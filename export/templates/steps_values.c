void @NAME@_step(@NAME@_state *state, const @CTYPE@ values[@NAME@_N_INPUTS],
                 int32_t out[@NAME@_N_ROWS])
{
    (void)memcpy(state->given, values, sizeof state->given);
    advance(state, out);
}
