/* Adds the next weight to sum i if the next bit of `nonzero`, from the top, is set. */
#define ADD_IF_SET(i) \
    left <<= 1u; \
    if ((int32_t)left < 0) \
        sums[i] = (@NAME@_sum)(sums[i] + weight_at(weights, k++))

/* The nonzero weights of a row, from number k on; their bits are set in `nonzero`. */
APART static void add_nonzero(@NAME@_sum *sums, const uint8_t *nonzero, uint32_t n_bytes,
                              const stored *weights, uint32_t k)
{
    for (; n_bytes != 0u; n_bytes--, sums += 8) {
        uint32_t left = (uint32_t)*nonzero++ << 23u;
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
