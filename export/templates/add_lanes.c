/* Four sums of 16 bits share two words: the second holds those of bytes 1 and 3, the first those of
 * all bytes, from which the second's are subtracted on reading. Weights are stored plus 128, so
 * that no sum is negative; EXCESS is subtracted for each row that was added. */
static void add_lanes(uint32_t *sums, const uint32_t *row, uint32_t n_words)
{
    const uint32_t *end = row + n_words;
    do {
        uint32_t weights = *row++;
        sums[0] += weights;
#if defined(__ARM_FEATURE_DSP)
        sums[1] = __uxtab16(sums[1], weights >> 8u | weights << 24u);
#else
        sums[1] += (weights >> 8u) & 0x00ff00ffu;
#endif
        sums += 2;
    } while (row != end);
}

#define EXCESS 0x00800080u

/* The lower and the upper of two signed sums in a word. */
static inline int32_t lower(uint32_t sums)
{
    return (int16_t)sums;
}

static inline int32_t upper(uint32_t sums)
{
    return (int32_t)(sums + 0x8000u) >> 16;
}
