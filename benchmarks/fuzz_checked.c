/* Calls the checked steps with arbitrary input, sized to the byte for sanitizers, and compares what
 * they say and compute with what they should: usage `fuzz CALLS SEED`. fields.h names the members
 * of a state that hold counts, indices and flags.
 */
#define RSNN_CHECKED
#include "rsnn.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    size_t at, size;
} fields[] = {
#include "fields.h"
};

static uint64_t drawn;
static uint32_t draw(uint32_t n)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (uint32_t)(drawn >> 32) % n;
}

static void *room(size_t size)
{
    void *found = malloc(size ? size : 1);
    if (!found)
        exit(3);
    return found;
}

static void must(int is_right, const char *what)
{
    if (!is_right) {
        printf("%s\n", what);
        exit(1);
    }
}

/* What a call is to say, and what it was given. */
typedef struct {
    int expected;
    uint32_t n;
    void *input;
} call;

#ifdef VALUES
static call any_call(int valid)
{
    call made = {0, rsnn_N_INPUTS, room(rsnn_N_INPUTS * sizeof(VALUES))};
    VALUES *values = made.input;
    for (uint32_t i = 0; i < rsnn_N_INPUTS; i++) {
        values[i] = (VALUES)(valid ? LOW + (int32_t)draw(HIGH - LOW + 1u) : (int32_t)draw(256u));
        int32_t value = values[i];
        if (value < LOW || value > HIGH)
            made.expected = rsnn_BAD_INPUT;
    }
    return made;
}
#define CHECKED(state, made, out) rsnn_step_checked(state, made.input, out)
#define PLAIN(state, made, out) rsnn_step(state, made.input, out)
#else
static int is_bitmap;
static call any_bitmap(int valid)
{
    call made = {0, (rsnn_N_INPUTS + 7u) / 8u, room((rsnn_N_INPUTS + 7u) / 8u)};
    uint8_t *bitmap = made.input;
    for (uint32_t i = 0; i < made.n; i++)
        bitmap[i] = (uint8_t)(draw(2u) ? draw(256u) : 0u);
    for (uint32_t c = rsnn_N_INPUTS; c < 8u * made.n; c++)
        if (valid)
            bitmap[c / 8u] = (uint8_t)(bitmap[c / 8u] & ~(1u << c % 8u));
        else if ((uint32_t)bitmap[c / 8u] >> c % 8u & 1u)
            made.expected = rsnn_BAD_INPUT;
    return made;
}
static call any_call(int valid)
{
    is_bitmap = (int)draw(2u);
    if (is_bitmap)
        return any_bitmap(valid);
    uint32_t n = draw(draw(16u) ? 20u : 600u);
    call made = {0, n, room(n * sizeof(uint16_t))};
    uint16_t *events = made.input;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t beyond = draw(2u) ? rsnn_N_INPUTS : draw(65536u);
        events[k] = (uint16_t)(valid || draw(8u) ? draw(rsnn_N_INPUTS) : beyond);
        if (events[k] >= rsnn_N_INPUTS)
            made.expected = rsnn_BAD_INPUT;
    }
    if (!valid && !draw(16u)) {
        made.n = 65536u + draw(0x7fffffffu);
        made.expected = rsnn_BAD_COUNT;
    }
    return made;
}
#define CHECKED(state, made, out)                                                                  \
    (is_bitmap ? rsnn_step_bitmap_checked(state, made.input, out)                                  \
               : rsnn_step_checked(state, made.input, made.n, out))
#define PLAIN(state, made, out)                                                                    \
    (is_bitmap ? rsnn_step_bitmap(state, made.input, out)                                          \
               : rsnn_step(state, made.input, (uint16_t)made.n, out))
#endif

#ifdef FIRST_SPIKES
/* A sample of events that come in any order, of any channel, in any step. */
static void any_sample(void)
{
    static rsnn_sample sample, before;
    rsnn_begin(&sample);
    for (uint32_t k = draw(30u); k; k--) {
        uint32_t channel = draw(4u) ? draw(rsnn_N_INPUTS) : draw(0xffffffffu);
        uint32_t step = draw(8u) ? sample.now + draw(4u) - !draw(4u) : draw(0xffffffffu);
        int is_right = channel < rsnn_N_INPUTS && step < rsnn_N_STEPS && step >= sample.now;
        before = sample;
        int32_t found = rsnn_event_checked(&sample, channel, step);
        must(is_right == (found >= 0), "an event is not judged as it should be");
        must(is_right || !memcmp(&before, &sample, sizeof sample), "a sample has changed");
    }
    must(rsnn_event_checked(NULL, 0, 0) == -rsnn_BAD_POINTER, "a null pointer is taken");
    (void)rsnn_end(&sample);
}
#endif

int main(int argc, char **argv)
{
    static rsnn_state state, same, before, spoilt;
    int32_t out[rsnn_N_ROWS], right[rsnn_N_ROWS];
    unsigned long long calls = argc > 2 ? strtoull(argv[1], NULL, 10) : 0, counts[5] = {0};
    drawn = 0x9e3779b97f4a7c15u + (argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    rsnn_init(&state);
    rsnn_init(&same);
    for (unsigned long long i = 0; i < calls; i++) {
        call made = any_call((int)draw(2u));
        int found;
        if (!draw(64u)) { /* a null pointer */
            before = state;
            found = draw(2u) ? CHECKED(NULL, made, out) : CHECKED(&state, made, NULL);
            made.expected = rsnn_BAD_POINTER;
            must(!memcmp(&before, &state, sizeof state), "a state has changed");
        } else if (sizeof fields[0] && !draw(8u)) { /* an arbitrary byte of a count or an index */
            spoilt = state;
            uint32_t which = draw(sizeof fields / sizeof *fields);
            uint8_t *byte = (uint8_t *)&spoilt + fields[which].at + draw((uint32_t)fields[which].size);
            *byte = (uint8_t)draw(256u);
            before = spoilt;
            found = CHECKED(&spoilt, made, out);
            if (found == rsnn_BAD_STATE && !made.expected)
                made.expected = rsnn_BAD_STATE;
            must(!found || !memcmp(&before, &spoilt, sizeof spoilt), "a state has changed");
        } else {
            before = state;
            found = CHECKED(&state, made, out);
            if (!found) {
                PLAIN(&same, made, right);
                must(!memcmp(out, right, sizeof out), "a word of the readout differs");
                must(!memcmp(&state, &same, sizeof state), "a word of the state differs");
            } else
                must(!memcmp(&before, &state, sizeof state), "a state has changed");
        }
        must(found == made.expected, "a call is not judged as it should be");
        counts[found]++;
        free(made.input);
#ifdef FIRST_SPIKES
        any_sample();
#endif
        if (!draw(4096u)) {
            rsnn_init(&state);
            rsnn_init(&same);
        }
    }
    printf("%llu %llu %llu %llu %llu\n", counts[0], counts[1], counts[2], counts[3], counts[4]);
    return 0;
}
