/* The value in low..high that is nearest to x. */
static inline int64_t saturate(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}
