#if OVERFLOW_SYN != NEVER || OVERFLOW_MEM != NEVER
static inline int32_t fitted(int64_t sum, uint32_t bits, int rule)
{
    int64_t half = (int64_t)1 << (bits - 1u);
    if (rule == WRAP)
        sum = (int64_t)(((uint64_t)sum + (uint64_t)half) & (((uint64_t)half << 1u) - 1u)) - half;
    else if (rule == SATURATE)
        sum = sum < -half ? -half : sum > half - 1 ? half - 1 : sum;
    return (int32_t)sum;
}
#else
#define fitted(sum, bits, rule) ((int32_t)(sum))
#endif

static inline uint32_t is_over(int32_t membrane, int32_t threshold)
{
    return FIRES_AT_EQUAL ? membrane >= threshold : membrane > threshold;
}

#if FIRES_ON == RESET_MEMBRANE
/* One of two words. */
static inline int32_t chosen(uint32_t first, int32_t a, int32_t b)
{
    return first != 0u ? a : b;
}
#endif
