/* Four sums of 16 bits share two words: the second holds those of bytes 1 and 3, the first those of
 * all bytes, from which the second's are subtracted on reading. Weights are stored plus 128, so
 * that no sum is negative while rows are added, and lanes do not disturb each other. */
#if defined(__ARM_FEATURE_DSP)
#define ADD_LANES(all, odd, weights) \
    (all) += (weights); \
    (odd) = __uxtab16((odd), (weights) >> 8u | (weights) << 24u)
#else
#define ADD_LANES(all, odd, weights) \
    (all) += (weights); \
    (odd) += (weights) >> 8u & 0x00ff00ffu
#endif

/* Sets the sums of all neurons to those of the rows of `n` senders, at most `most`, of `n_words`
 * each. In constant time the list is full: a row of zeros stands for each that has not fired. */
static void gather(uint32_t *sums, const uint32_t *rows, uint32_t n_words, const uint8_t *senders,
                   uint32_t n, uint32_t most)
{
    const uint8_t *end = &senders[CONSTANT_TIME ? most : n];
    const uint32_t none = 0u - 0x80808080u * n, excess = 0x00800080u * n;
    uint32_t left = n_words;
    for (; left >= 4u; left -= 4u, rows += 4, sums += 8) {
        uint32_t all0 = none, all1 = none, all2 = none, all3 = none;
        uint32_t odd0 = 0, odd1 = 0, odd2 = 0, odd3 = 0;
        for (const uint8_t *sender = senders; sender != end; sender++) {
            const uint32_t *row = rows + *sender * n_words;
            ADD_LANES(all0, odd0, row[0]);
            ADD_LANES(all1, odd1, row[1]);
            ADD_LANES(all2, odd2, row[2]);
            ADD_LANES(all3, odd3, row[3]);
        }
        odd0 -= excess;
        sums[0] = all0 - (odd0 << 8u);
        sums[1] = odd0;
        odd1 -= excess;
        sums[2] = all1 - (odd1 << 8u);
        sums[3] = odd1;
        odd2 -= excess;
        sums[4] = all2 - (odd2 << 8u);
        sums[5] = odd2;
        odd3 -= excess;
        sums[6] = all3 - (odd3 << 8u);
        sums[7] = odd3;
    }
    for (; left != 0u; left--, rows++, sums += 2) {
        uint32_t all = none, odd = 0;
        for (const uint8_t *sender = senders; sender != end; sender++) {
            uint32_t weights = rows[*sender * n_words];
            ADD_LANES(all, odd, weights);
        }
        odd -= excess;
        sums[0] = all - (odd << 8u);
        sums[1] = odd;
    }
}

/* The lower and the upper of two signed sums in a word. */
static inline int32_t lower(uint32_t sums)
{
    return (int16_t)sums;
}

static inline int32_t upper(uint32_t sums)
{
    return (int32_t)(sums + 0x8000u) >> 16;
}
