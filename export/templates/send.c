for (uint32_t k = 0; k < @COUNT@; k++) {
    uint32_t sender = state->fired@I@[k];
    @ADDING@
}
