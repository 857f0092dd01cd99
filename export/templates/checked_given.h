for (uint32_t k = 0; k < state->n_given; k++)
    if (state->given[k] >= @N@u)
        return 0;
