static inline int @NAME@_step_checked(@NAME@_state *state, const uint16_t *events,
                                      uint32_t n_events, int32_t out[@NAME@_N_ROWS])
{
    if (!state || !out || (!events && n_events))
        return @NAME@_BAD_POINTER;
    if (n_events > 65535u)
        return @NAME@_BAD_COUNT;
    for (uint32_t k = 0; k < n_events; k++)
        if (events[k] >= @NAME@_N_INPUTS)
            return @NAME@_BAD_INPUT;
    if (!@NAME@_is_state(state))
        return @NAME@_BAD_STATE;
    @NAME@_step(state, events, (uint16_t)n_events, out);
    return 0;
}

static inline int @NAME@_step_bitmap_checked(@NAME@_state *state, const uint8_t *bitmap,
                                             int32_t out[@NAME@_N_ROWS])
{
    if (!state || !out || !bitmap)
        return @NAME@_BAD_POINTER;
#if @NAME@_N_INPUTS % 8 != 0
    if (bitmap[@NAME@_N_INPUTS / 8u] >> @NAME@_N_INPUTS % 8u != 0)
        return @NAME@_BAD_INPUT;
#endif
    if (!@NAME@_is_state(state))
        return @NAME@_BAD_STATE;
    @NAME@_step_bitmap(state, bitmap, out);
    return 0;
}
