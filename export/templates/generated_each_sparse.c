for (uint32_t j = 0; j < @N_SOURCES@u; j++)
    for (int32_t n = 0; n < @TIMES@; n++)
        for (uint32_t k = @LAYER@_@CONNECTION@_first[j]; k < @LAYER@_@CONNECTION@_first[j + 1]; k++) {
            uint32_t i = @LAYER@_@CONNECTION@_to[k];
            int64_t weight = @SIGN@(int64_t)@LAYER@_@CONNECTION@[k] * ((int64_t)1 << @BITS@);
            @HELD@[i] = (int32_t)@RULE@(@HELD@[i] + weight, SYN_LOW, SYN_HIGH);
        }
