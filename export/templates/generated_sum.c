int32_t *rows_@CONNECTION@ = state->@LAYER@_rows_@CONNECTION@;
for (uint32_t j = 0; j < @N_SOURCES@u; j++)
    if (@SENDER@[j] != 0)
        for (uint32_t i = 0; i < @N@u; i++)
            rows_@CONNECTION@[i] += @LAYER@_@CONNECTION@[j][i]@TIMES@;
