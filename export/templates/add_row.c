/* Adds the weights of a channel to the sums of all neurons. */
static void add_row(int32_t *sums, uint32_t channel)
{
    const @TYPE@ *weights = @WEIGHTS@[channel];
    uint32_t left = @N@u;
    for (; left >= 4u; left -= 4u, sums += 4, weights += 4) {
        sums[0] += weights[0];
        sums[1] += weights[1];
        sums[2] += weights[2];
        sums[3] += weights[3];
    }
    for (; left; left--)
        *sums++ += *weights++;
}
