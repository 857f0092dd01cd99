uint32_t *@KIND@_sums = state->sum_@KIND@@I@;
uint32_t @KIND@_excess = EXCESS * state->n_@KIND@@I@;
