/* A function called from several places, too large to be inlined in each. */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif
