/* Lists the channels of a bitmap, in the same instructions for each. */
static void list_inputs(@NAME@_state *state, const uint8_t *bitmap)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < @NAME@_N_INPUTS; c++) {
        state->given[n] = (uint8_t)c;
        n += (uint32_t)bitmap[c / 8u] >> c % 8u & 1u;
    }
    pad(state->given, n, @NAME@_N_INPUTS);
    state->n_given = (uint16_t)n;
}

void @NAME@_step(@NAME@_state *state, const uint16_t *events, uint16_t n_events,
                 int32_t out[@NAME@_N_ROWS])
{
    uint8_t bitmap[(@NAME@_N_INPUTS + 7u) / 8u] = {0}; /* a channel counts once */
    for (uint32_t k = 0; k < n_events; k++) {
        uint32_t channel = events[k];
        bitmap[channel / 8u] = (uint8_t)(bitmap[channel / 8u] | 1u << channel % 8u);
    }
    @NAME@_step_bitmap(state, bitmap, out);
}

void @NAME@_step_bitmap(@NAME@_state *state, const uint8_t *bitmap, int32_t out[@NAME@_N_ROWS])
{
#if DELAY_STEPS != 0
    advance(state, out);
#endif
    list_inputs(state, bitmap);
#if DELAY_STEPS == 0
    advance(state, out);
#endif
}
