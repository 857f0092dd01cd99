/* Golden vectors of integer network @DIGEST@ */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SELFTEST_STEPS @N_STEPS@u

/* @GOLDEN@ */
static const @CTYPE@ selftest_input[@N_STEPS@][@N_BYTES@] = {
/* @INPUT@ */
};

/* The readout's words after each step. */
static const int32_t selftest_output[@N_STEPS@][@N_ROWS@] = {
/* @OUTPUT@ */
};

#ifdef __cplusplus
}
#endif

#endif
