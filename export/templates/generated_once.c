for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++) {
    if (state->seen[c])
        state->given[c] = 0;
    else
        state->seen[c] = state->given[c] != 0;
}
