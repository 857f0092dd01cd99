state->n_@KIND@@I@ = 0;
