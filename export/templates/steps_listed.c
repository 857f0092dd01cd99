void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS])
{
    uint8_t seen[(@NAME@_N_INPUTS + 7u) / 8u] = {0}; /* a channel counts once */
#if DELAY_STEPS != 0
    advance(state, out);
#endif
    for (uint32_t k = 0; k < n_events; k++) {
        uint32_t channel = events[k], bit = 1u << channel % 8u;
        uint8_t *byte = &seen[channel / 8u];
        if ((*byte & bit) == 0u) {
            *byte = (uint8_t)(*byte | bit);
            deliver_input(state, channel);
        }
    }
#if DELAY_STEPS == 0
    advance(state, out);
#endif
}

void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS])
{
#if DELAY_STEPS != 0
    advance(state, out);
#endif
    for (uint32_t byte = 0; byte < (@NAME@_N_INPUTS + 7u) / 8u; byte++)
        for (uint32_t left = bitmap[byte], bit = 0; left != 0u; left >>= 1u, bit++)
            if ((left & 1u) != 0u)
                deliver_input(state, 8u * byte + bit);
#if DELAY_STEPS == 0
    advance(state, out);
#endif
}
