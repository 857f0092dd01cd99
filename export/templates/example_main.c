/* Runs the golden vectors and prints a verdict; returns 0 if every readout word of every step is
 * right. */
#include "rsnn.h"
#include "selftest.h"

#include <stdio.h>

int main(void)
{
    static rsnn_state state;
    int32_t out[rsnn_N_ROWS];
    rsnn_init(&state);
    for (uint32_t t = 0; t < SELFTEST_STEPS; t++) {
        rsnn_@STEP@(&state, selftest_input[t], out);
        for (uint32_t k = 0; k < rsnn_N_ROWS; k++)
            if (out[k] != selftest_output[t][k]) {
                printf("self-test failed: step %lu, readout word %lu is %ld instead of %ld\n",
                       (unsigned long)t, (unsigned long)k, (long)out[k],
                       (long)selftest_output[t][k]);
                return 1;
            }
    }
    printf("self-test passed: %lu steps, every readout word\n", (unsigned long)SELFTEST_STEPS);
    return 0;
}
