/* Adds the weights of a channel to the sums of all neurons. */
static void add_row(int32_t *sums, uint32_t channel)
{
    for (uint32_t k = @WEIGHTS@_first[channel]; k < @WEIGHTS@_first[channel + 1]; k++)
        sums[@WEIGHTS@_to[k]] += @WEIGHTS@[k];
}
