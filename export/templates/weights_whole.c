/* Weight number k of a table. */
typedef int@STORED_BITS@_t stored;
static inline int32_t weight_at(const stored *weights, uint32_t k)
{
    return weights[k];
}
