/* The nonzero weights of a row, numbers k up to `end`, each a gap after the one before. */
APART static void add_gaps(@NAME@_sum *sums, const uint8_t *gaps, const stored *weights, uint32_t k,
                           uint32_t end)
{
    for (; k != end; k++) {
        sums += gaps[k];
        *sums = (@NAME@_sum)(*sums + weight_at(weights, k));
    }
}
