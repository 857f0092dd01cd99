for (uint32_t k = 0; k < state->n_fired@I@; k++) {
    uint32_t sender = state->fired@I@[k];
    @ADDING@
}
