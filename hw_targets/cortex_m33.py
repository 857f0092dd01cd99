"""Arm Cortex-M33, as the M4."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="Arm Cortex-M33",
    part="nRF5340, network core",
    flash=256 * 1024,
    ram=64 * 1024,
    clock=64e6,
    cycles_per_instruction=1.5,
    compiler="arm-none-eabi-",
    flags=(
        "-mcpu=cortex-m33",
        "-mthumb",
        "--specs=picolibc.specs",
        "--oslib=semihost",
        "--crt0=hosted",
        "-Wl,--defsym=__flash=0x10000000",
        "-Wl,--defsym=__flash_size=0x400000",
        "-Wl,--defsym=__ram=0x38000000",
        "-Wl,--defsym=__ram_size=0x10000",
    ),
    emulator=(
        "qemu-system-arm",
        *("-M", "mps2-an505", "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-icount", "shift=10,align=off,sleep=off", "-kernel"),
    ),
    ticks=20.48,  # SysTick of 20 MHz, 1024 ns an instruction
    packages=("gcc-arm-none-eabi", "picolibc-arm-none-eabi", "qemu-system-arm"),
)
