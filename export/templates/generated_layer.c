static void step_@LAYER@(@NAME@_state *state@SOURCE@)
{
    @SUMS@
    for (uint32_t i = 0; i < @N@u; i++) {
        @UPDATE@
    }
}
