for (uint32_t i = 0; i < @N@u; i++) {
    out[i] = step_row(&state->readout[i], &rows[i], state->sum_out[i]);
    state->sum_out[i] = 0;
}
