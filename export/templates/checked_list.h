{
    uint32_t n_fired = state->n_fired@I@, least = 0;
    if (n_fired > @N@u)
        return 0;
    for (uint32_t k = 0; k < n_fired; k++) {
        uint32_t number = state->fired@I@[k];
        if (number < least || number >= @N@u)
            return 0;
        least = number + 1u;
    }
}
