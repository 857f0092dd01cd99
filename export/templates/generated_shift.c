/* word less word / 2^decay, at least 1 less where word is above 0 */
static inline int64_t decay_of(int64_t word, int64_t decay)
{
    int64_t part = word >> decay;
    return word - (part == 0 && word > 0 ? 1 : part);
}
