void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS])
{
    (void)memset(state->given, 0, sizeof state->given);
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
