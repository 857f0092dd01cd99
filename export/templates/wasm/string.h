/* What the decoder needs of string.h; `run.mjs` provides it. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memset(void *words, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);

#endif
