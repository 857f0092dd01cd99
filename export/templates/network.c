/* Integer network @DIGEST@
 * See @NAME@.h. One spike adds one row of weights to the sums that arrive at a layer.
 */
#include "@NAME@.h"

#include <string.h>
#if defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#endif

/* The numeric contract. */
#define CURRENT_IS_PREVIOUS @CURRENT_IS_PREVIOUS@
#define PREVIOUS_MEMBRANE 0
#define NEW_MEMBRANE 1
#define RESET_MEMBRANE 2
#define FIRES_ON @FIRES_ON@
#define FIRES_AT_EQUAL @FIRES_AT_EQUAL@
#define RESET_TO_ZERO @RESET_TO_ZERO@
#define RESET_DROPS_INPUT @RESET_DROPS_INPUT@
#define RESET_DELAY @RESET_DELAY@ /* a spike resets in the step after its own */
#define RESETS_ARE_SPIKES (FIRES_ON == PREVIOUS_MEMBRANE || !RESET_DELAY)
#define DELAY_STEPS @DELAY_STEPS@ /* from a spike to the layer above */
#define ROUND_TO_ZERO @ROUND_TO_ZERO@
#define CONSTANT_TIME @CONSTANT_TIME@ /* every step costs the worst case */
#define HAS_BIAS @HAS_BIAS@ /* added to a neuron's current in each step */
#define DECAY_FRAC @DECAY_FRAC@u
#define FRAC_BITS @FRAC_BITS@u
#define SYN_BITS @SYN_BITS@u
#define MEM_BITS @MEM_BITS@u
/* Handling of a sum that does not fit: NEVER if worst cases of the weights exclude it. */
#define NEVER 0
#define SATURATE 1
#define WRAP 2
#define OVERFLOW_SYN @OVERFLOW_SYN@
#define OVERFLOW_MEM @OVERFLOW_MEM@

typedef @SUM_TYPE@ sum_t; /* holds every sum before it is brought into its word */

typedef struct {
    int32_t threshold;
#if HAS_BIAS
    int32_t bias;
#endif
    @DECAY_TYPE@ decay_syn;
    @DECAY_TYPE@ decay_mem;
} neuron;

/* @STORED@ */

/* @TABLES@ */

/* word * decay / 2^DECAY_FRAC, in the way that suits the core; all give the same result. */
#if defined(__ARM_ARCH_6M__) /* no product of 64 bits: those of the word's halves fit in 32 */
#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect((x), 1)
#else
#define LIKELY(x) (x)
#endif
static inline int32_t decayed(int32_t word, uint32_t decay)
{
    int32_t sign = word < 0 ? -1 : 0;
    uint32_t rounding = ROUND_TO_ZERO ? (uint32_t)sign >> (32u - DECAY_FRAC) : 0u;
    if (!CONSTANT_TIME && LIKELY(word >> (31u - DECAY_FRAC) == sign)) /* so does the product of a small word */
        return (word * (int32_t)decay + (int32_t)rounding) >> DECAY_FRAC;
    uint32_t low = ((uint32_t)word & 0xffffu) * decay + rounding;
    int32_t high = (word >> 16) * (int32_t)decay;
    return high * ((int32_t)1 << (16u - DECAY_FRAC)) + (int32_t)(low >> DECAY_FRAC);
}
#elif @HAS_HEADROOM@ /* words have two bits to spare: the result is the upper half of a product */
static inline int32_t decayed(int32_t word, uint32_t decay)
{
    int64_t product = (int64_t)(word * 2) * (int32_t)(decay << (31u - DECAY_FRAC));
#if ROUND_TO_ZERO
#if CONSTANT_TIME || defined(__arm__) /* where it is faster, too */
    product += (int64_t)(0u - ((uint32_t)word >> 31u));
#else
    product += word < 0 ? (int64_t)0xffffffffu : 0;
#endif
#endif
    return (int32_t)(product >> 32);
}
#else
static inline int32_t decayed(int32_t word, uint32_t decay)
{
    int64_t product = (int64_t)word * (int64_t)decay;
#if ROUND_TO_ZERO
    product += (int64_t)((0u - ((uint32_t)word >> 31u)) >> (32u - DECAY_FRAC)); /* below 0, its largest */
#endif
    return (int32_t)(product >> DECAY_FRAC);
}
#endif

/* @FITTING@ */

/* @ROWS@ */

static inline int32_t integrated(int32_t kept, int32_t drive)
{
    return fitted((sum_t)kept + drive, MEM_BITS, OVERFLOW_MEM);
}

/* The synaptic current after a step in which `acc` arrives. */
static inline int32_t new_current(int32_t syn, const neuron *constant, sum_t acc)
{
    acc = acc * ((sum_t)1 << FRAC_BITS);
#if HAS_BIAS
    acc += constant->bias;
#endif
    return fitted(decayed(syn, constant->decay_syn) + acc, SYN_BITS, OVERFLOW_SYN);
}

/* The membrane after a reset. */
static inline int32_t cleared(int32_t kept, int32_t drive, int32_t threshold)
{
    sum_t after = RESET_TO_ZERO ? 0 : (sum_t)kept - threshold;
    if (!RESET_DROPS_INPUT)
        after += drive;
    return fitted(after, MEM_BITS, OVERFLOW_MEM);
}

/* A neuron's step; `acc` is the sum that arrives. Returns 1 if it fires. */
static inline uint32_t step_neuron(@NAME@_words *words, const neuron *constant, sum_t acc)
{
    int32_t old_syn = words->syn;
    int32_t syn = new_current(old_syn, constant, acc);
    int32_t drive = CURRENT_IS_PREVIOUS ? old_syn : syn;
    words->syn = syn;
    int32_t old_mem = words->mem, threshold = constant->threshold;
    int32_t kept = decayed(old_mem, constant->decay_mem);
#if FIRES_ON == PREVIOUS_MEMBRANE
    uint32_t fires = is_over(old_mem, threshold), resets = fires;
#elif FIRES_ON == NEW_MEMBRANE
    uint32_t fires = is_over(integrated(kept, drive), threshold);
    uint32_t resets = RESET_DELAY ? is_over(old_mem, threshold) : fires;
#else
    uint32_t was_over = is_over(old_mem, threshold);
    int32_t tested =
        chosen(was_over, cleared(kept, drive, threshold), integrated(kept, drive));
    uint32_t fires = is_over(tested, threshold), resets = RESET_DELAY ? was_over : fires;
#endif
#if CONSTANT_TIME
    words->mem = chosen(resets, cleared(kept, drive, threshold), integrated(kept, drive));
    return fires;
#else
    if (resets != 0u) {
        words->mem = cleared(kept, drive, threshold);
        return RESETS_ARE_SPIKES ? 1u : fires;
    }
    words->mem = integrated(kept, drive);
    return RESETS_ARE_SPIKES ? 0u : fires;
#endif
}

/* A readout row's step. */
static inline int32_t step_row(@NAME@_words *words, const neuron *constant, sum_t acc)
{
    int32_t syn = new_current(words->syn, constant, acc);
    int32_t drive = CURRENT_IS_PREVIOUS ? words->syn : syn;
    words->mem = integrated(decayed(words->mem, constant->decay_mem), drive);
    words->syn = syn;
    return words->mem;
}

void @NAME@_init(@NAME@_state *state)
{
    (void)memset(state, 0, sizeof *state);
/* @INIT@ */
}

@DELIVER@

/* The step of every neuron on the sums that have arrived; sends their spikes. */
static void advance(@NAME@_state *state, int32_t out[@NAME@_N_ROWS])
{
    @ADVANCE@
}

@STEPS@
