/* Files and stdout of the host, as far as a project needs them; `run.mjs` has the functions. */
#ifndef STDIO_H
#define STDIO_H

#include <stddef.h>

typedef struct file FILE;

FILE *fopen(const char *name, const char *mode);
size_t fread(void *words, size_t size, size_t n, FILE *file);
size_t fwrite(const void *words, size_t size, size_t n, FILE *file);
int fclose(FILE *file);
int printf(const char *format, ...);

#endif
