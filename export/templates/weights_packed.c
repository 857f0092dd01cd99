/* Weight number k of a table with two per byte, the first in the upper half. */
typedef uint8_t stored;
static inline int32_t weight_at(const stored *weights, uint32_t k)
{
    return (int32_t)((uint32_t)weights[k / 2u] << 24u << k % 2u * 4u) >> 28;
}
