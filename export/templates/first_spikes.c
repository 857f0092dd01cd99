/* The comparison with thresholds that ends a step. */
static void compare(@NAME@_sample *sample)
{
    if (sample->n_seen < @FEWEST@) /* too few for any neuron to fire, whichever they are */
        return;
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
        if (sample->sum[i]@SCALE@ @OVER@ @THRESHOLD@ && sample->t[i] == @NAME@_N_STEPS) {
            sample->t[i] = sample->now;
            sample->v[i] = sample->sum[i]@SCALE@;
            sample->n_fired++;
        }
}

void @NAME@_begin(@NAME@_sample *sample)
{
    (void)memset(sample, 0, sizeof *sample);
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++)
        sample->t[i] = @NAME@_N_STEPS;
}

uint16_t @NAME@_event(@NAME@_sample *sample, uint16_t channel, uint16_t step)
{
    if (step >= @NAME@_N_STEPS)
        return sample->n_fired;
    if (step != sample->now) {
        compare(sample);
        sample->now = step;
    }
    if (!sample->seen[channel]) {
        sample->seen[channel] = 1;
        sample->n_seen++;
        add_row(sample->sum, channel);
    }
    return sample->n_fired;
}

int32_t @NAME@_end(@NAME@_sample *sample)
{
    uint32_t first = 0;
    compare(sample);
    for (uint32_t i = 0; i < @NAME@_N_ROWS; i++) {
        if (sample->t[i] == @NAME@_N_STEPS)
            sample->v[i] = sample->sum[i]@SCALE@;
        if (sample->t[i] < sample->t[first] ||
            (sample->t[i] == sample->t[first] && sample->v[i] > sample->v[first]))
            first = i;
    }
    return @LABEL@;
}
