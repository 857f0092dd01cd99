"""Arm Cortex-M55, its integer core: neither vectors nor floating point are used."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="Arm Cortex-M55",
    part="Arm MPS3 board, AN547",
    flash=512 * 1024,
    ram=512 * 1024,
    clock=32e6,
    cycles_per_instruction=1.5,
    compiler="arm-none-eabi-",
    flags=(
        "-mcpu=cortex-m55+nofp+nomve",
        "-mfloat-abi=soft",
        "-mthumb",
        "--specs=picolibc.specs",
        "--oslib=semihost",
        "--crt0=hosted",
        "-Wl,--defsym=__flash=0x0",
        "-Wl,--defsym=__flash_size=0x80000",
        "-Wl,--defsym=__ram=0x20000000",
        "-Wl,--defsym=__ram_size=0x10000",
    ),
    emulator=(
        "qemu-system-arm",
        *("-M", "mps3-an547", "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-icount", "shift=10,align=off,sleep=off", "-kernel"),
    ),
    ticks=32.768,  # SysTick of 32 MHz, 1024 ns an instruction
    packages=("gcc-arm-none-eabi", "picolibc-arm-none-eabi", "qemu-system-arm"),
)
