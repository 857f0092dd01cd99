#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
/* SysTick, which counts down in 24 bits; under QEMU's -icount its ticks are instructions. */
#define SYST ((volatile uint32_t *)0xe000e010u)
static volatile uint32_t wraps;
void SysTick_Handler(void);
void SysTick_Handler(void)
{
    wraps++;
}
static void counter_start(void)
{
    SYST[1] = 0xffffffu;
    SYST[2] = 0;
    SYST[0] = 7;
}
static uint32_t counter(void)
{
    uint32_t before, ticks;
    do {
        before = wraps;
        ticks = 0xffffffu - SYST[2];
    } while (before != wraps);
    return before << 24u | ticks;
}
#elif defined(__riscv)
static void counter_start(void)
{
}
static uint32_t counter(void)
{
    uint32_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}
#else
static void counter_start(void)
{
}
static uint32_t counter(void)
{
    return 0;
}
#endif
