/* word * decay / 2^@DECAY_FRAC@ */
static inline int64_t decay_of(int64_t word, int64_t decay)
{
    return @DECAYED@;
}
