int32_t *rows_@CONNECTION@ = state->@LAYER@_rows_@CONNECTION@;
for (uint32_t j = 0; j < @N_SOURCES@u; j++)
    if (@SENDER@[j] != 0)
        for (uint32_t k = @LAYER@_@CONNECTION@_first[j]; k < @LAYER@_@CONNECTION@_first[j + 1]; k++)
            rows_@CONNECTION@[@LAYER@_@CONNECTION@_to[k]] += @LAYER@_@CONNECTION@[k]@TIMES@;
