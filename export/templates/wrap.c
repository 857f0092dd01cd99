/* The value of x wrapped into a word of low..high. */
static inline int64_t wrap(int64_t x, int64_t low, int64_t high)
{
    return (int64_t)((uint64_t)(x - low) & (uint64_t)(high - low)) + low;
}
