int32_t *rows_@CONNECTION@ = state->@LAYER@_rows_@CONNECTION@;
