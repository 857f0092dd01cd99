
/* @NAME@_event, which returns a negative number of those where it refuses: a channel that is no
 * input, a step before that of the last event, or behind the end of the sample. */
static inline int32_t @NAME@_event_checked(@NAME@_sample *sample, uint32_t channel, uint32_t step)
{
    if (!sample)
        return -@NAME@_BAD_POINTER;
    if (channel >= @NAME@_N_INPUTS || step >= @NAME@_N_STEPS || step < sample->now)
        return -@NAME@_BAD_INPUT;
    return @NAME@_event(sample, (uint16_t)channel, (uint16_t)step);
}
