/* Without branches: a step takes the same instructions whatever the words are. */
#if OVERFLOW_SYN != NEVER || OVERFLOW_MEM != NEVER
static inline int32_t fitted(int64_t sum, uint32_t bits, int rule)
{
    int64_t half = (int64_t)1 << (bits - 1u);
    uint64_t word = (uint64_t)sum, low = (uint64_t)-half, high = (uint64_t)half - 1u;
    if (rule == WRAP) {
        word = ((word + (uint64_t)half) & (2u * high + 1u)) - (uint64_t)half;
    }
    if (rule == SATURATE) {
        uint64_t above = 0u - ((high - word) >> 63u), below = 0u - ((word - low) >> 63u);
        word = (word & ~above & ~below) | (high & above) | (low & below);
    }
    return (int32_t)(int64_t)word;
}
#else
#define fitted(sum, bits, rule) ((int32_t)(sum))
#endif

static inline uint32_t is_over(int32_t membrane, int32_t threshold)
{
    uint64_t left = (uint64_t)((int64_t)threshold - membrane - FIRES_AT_EQUAL);
    return (uint32_t)(left >> 63u);
}

/* One of two words. */
static inline int32_t chosen(uint32_t first, int32_t a, int32_t b)
{
    uint32_t mask = 0u - first;
    return (int32_t)(((uint32_t)a & mask) | ((uint32_t)b & ~mask));
}

/* Fills a list of `n` behind its end. */
static void pad(uint8_t *list, uint32_t n, uint32_t most)
{
    for (uint32_t k = 0; k < most; k++) {
        uint32_t mask = 0u - ((k - n) >> 31u);
        list[k] = (uint8_t)((list[k] & mask) | (most & ~mask));
    }
}
