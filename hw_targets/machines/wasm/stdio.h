/* Files of the host, as far as replay.c needs them; `run.mjs` provides the functions. */
#ifndef STDIO_H
#define STDIO_H

#include <stddef.h>

typedef struct file FILE;

FILE *fopen(const char *name, const char *mode);
size_t fread(void *words, size_t size, size_t n, FILE *file);
size_t fwrite(const void *words, size_t size, size_t n, FILE *file);
int fclose(FILE *file);

#endif
