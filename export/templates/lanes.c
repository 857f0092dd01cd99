const uint32_t *@KIND@_sums = state->sum_@KIND@@I@;
gather(state->sum_@KIND@@I@, @ROWS@[0], @N_WORDS@u, @SENDERS@, @MOST@u);
