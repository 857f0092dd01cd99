for (uint32_t i = 0; i < @N@u; i++) {
    int32_t value = state->@ARRAY@[i];
    if (value < @LOW@ || value > @HIGH@)
        return 0;
}
