/* Every weight of a row, from number k on. */
static void add_plain(@NAME@_sum *sums, const stored *weights, uint32_t k, uint32_t n)
{
    for (; n != 0u; n--, sums++)
        *sums = (@NAME@_sum)(*sums + weight_at(weights, k++));
}
