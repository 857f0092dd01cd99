for (uint32_t j = 0; j < @N_SOURCES@u; j++)
    for (int32_t n = 0; n < @TIMES@; n++)
        for (uint32_t i = 0; i < @N@u; i++) {
            int64_t weight = @SIGN@(int64_t)@LAYER@_@CONNECTION@[j][i] * ((int64_t)1 << @BITS@);
            @HELD@[i] = (int32_t)@RULE@(@HELD@[i] + weight, SYN_LOW, SYN_HIGH);
        }
