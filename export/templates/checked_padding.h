for (uint32_t k = state->n_@LIST@; k < @N@u; k++)
    if (state->@LIST@[k] != @N@u)
        return 0;
