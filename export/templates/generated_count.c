/* how often threshold is in word, at most `most` times */
static inline int32_t count(int64_t word, int64_t threshold, int32_t most)
{
    int32_t n = 0;
    while (n < most && word >= threshold) {
        word -= threshold;
        n++;
    }
    return n;
}
