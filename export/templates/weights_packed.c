/* Weight number k of a table: weights plus 8, two in a byte. */
typedef uint8_t stored;
static inline int32_t weight_at(const stored *weights, uint32_t k)
{
    return (int32_t)((uint32_t)weights[k / 2u] >> k % 2u * 4u & 15u) - 8;
}
