#if defined(RSNN_CHECKED)
/* For bring-up and fuzzing: what is out of range is refused before anything changes. They return 0
 * after a step, else what they refuse. */
#define @NAME@_BAD_POINTER 1 /* a null pointer */
#define @NAME@_BAD_COUNT 2   /* more events than 16 bits count */
#define @NAME@_BAD_INPUT 3   /* in the input: @BAD_INPUT@ */
#define @NAME@_BAD_STATE 4   /* a state that no step leaves, such as one never initialized */

/* Whether counts, indices and flags in a state are in range. */
static inline int @NAME@_is_state(const @NAME@_state *state)
{
    @IS_STATE@
    return 1;
}

@STEPS@
#endif
