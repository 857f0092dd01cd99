/* A function that is called from several places, and too large for each. */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif
