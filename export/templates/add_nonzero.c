#define ADD_IF_SET(i) \
    if ((int32_t)set < 0) \
        sums[i] = (@NAME@_sum)(sums[i] + weight_at(weights, k++)); \
    set <<= 1u

/* The nonzero weights of a row, whose bits are set; the first is number k. */
APART static void add_nonzero(@NAME@_sum *sums, const uint8_t *nonzero, uint32_t n_bytes,
                              const stored *weights, uint32_t k)
{
    for (; n_bytes != 0u; n_bytes--, sums += 8) {
        uint32_t set = (uint32_t)*nonzero++ << 24u;
        ADD_IF_SET(0);
        ADD_IF_SET(1);
        ADD_IF_SET(2);
        ADD_IF_SET(3);
        ADD_IF_SET(4);
        ADD_IF_SET(5);
        ADD_IF_SET(6);
        ADD_IF_SET(7);
    }
}
