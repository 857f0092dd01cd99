static inline int @NAME@_step_checked(@NAME@_state *state,
                                      const @CTYPE@ values[@NAME@_N_INPUTS],
                                      int32_t out[@NAME@_N_ROWS])
{
    if (!state || !out || !values)
        return @NAME@_BAD_POINTER;
    for (uint32_t i = 0; i < @NAME@_N_INPUTS; i++) {
        int32_t value = values[i];
        if (value < @LOW@ || value > @HIGH@)
            return @NAME@_BAD_INPUT;
    }
    if (!@NAME@_is_state(state))
        return @NAME@_BAD_STATE;
    @NAME@_step(state, values, out);
    return 0;
}
