{
    @NAME@_words *words = state->hidden@I@;
    @INDEX@ *fired = state->fired@I@;
    @LANES@
    for (uint32_t i = 0; i < @N@u; @TURN@) {
        @NEURONS@
    }
    state->n_fired@I@ = (uint16_t)(fired - state->fired@I@);
    @PADDED@
}
