/* An event of a channel; a second one is ignored. */
static void deliver(@NAME@_state *state, uint32_t channel)
{
    if (!state->seen[channel]) {
        state->seen[channel] = 1;
        add_row(state->@SUMS@, channel);
    }
}

void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS])
{
    for (uint32_t k = 0; k < n_events; k++)
        deliver(state, events[k]);
    advance(state, out);
}

void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS])
{
    for (uint32_t first = 0; first < @NAME@_N_INPUTS; first += 8u) {
        uint32_t left = bitmap[first / 8u];
        for (uint32_t c = first; left && c < @NAME@_N_INPUTS; c++, left >>= 1u)
            if ((left & 1u) != 0u)
                deliver(state, c);
    }
    advance(state, out);
}
