"""Arm Cortex-M4: single-cycle 64-bit products, two sums a word by DSP instructions."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="Arm Cortex-M4",
    part="STM32L432KC",
    flash=256 * 1024,
    ram=64 * 1024,
    clock=80e6,
    cycles_per_instruction=1.5,
    compiler="arm-none-eabi-",
    flags=(
        "-mcpu=cortex-m4",
        "-mthumb",
        "--specs=picolibc.specs",
        "--oslib=semihost",
        "--crt0=hosted",
        "-Wl,--defsym=__flash=0x0",
        "-Wl,--defsym=__flash_size=0x400000",
        "-Wl,--defsym=__ram=0x20000000",
        "-Wl,--defsym=__ram_size=0x10000",
    ),
    emulator=(
        "qemu-system-arm",
        *("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-icount", "shift=10,align=off,sleep=off", "-kernel"),
    ),
    ticks=25.6,  # SysTick of 25 MHz, 1024 ns an instruction
    packages=("gcc-arm-none-eabi", "picolibc-arm-none-eabi", "qemu-system-arm"),
)
