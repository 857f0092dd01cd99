@QUALIFIERS@ void deliver_input(@NAME@_state *state, uint32_t channel)
{
    @ADDING@
}
