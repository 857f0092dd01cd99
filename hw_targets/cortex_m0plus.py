"""Arm Cortex-M0+: no 64-bit product; run on a Cortex-M0, which has the same instructions."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="Arm Cortex-M0+",
    part="STM32L051C6",
    flash=32 * 1024,
    ram=8 * 1024,
    clock=32e6,
    cycles_per_instruction=1.5,
    compiler="arm-none-eabi-",
    flags=(
        "-mcpu=cortex-m0plus",
        "-mthumb",
        "--specs=picolibc.specs",
        "--oslib=semihost",
        "--crt0=hosted",
        "-Wl,--defsym=__flash=0x0",
        "-Wl,--defsym=__flash_size=0x40000",
        "-Wl,--defsym=__ram=0x20000000",
        "-Wl,--defsym=__ram_size=0x4000",
    ),
    emulator=(
        "qemu-system-arm",
        *("-M", "microbit", "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-icount", "shift=10,align=off,sleep=off", "-kernel"),
    ),
    ticks=16.384,  # SysTick of 16 MHz, 1024 ns an instruction
    packages=("gcc-arm-none-eabi", "picolibc-arm-none-eabi", "qemu-system-arm"),
)
