"""RISC-V with 32 bits, multiplication and compressed instructions."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="RISC-V RV32IMC",
    part="GD32VF103CB",
    flash=128 * 1024,
    ram=32 * 1024,
    clock=108e6,
    cycles_per_instruction=1.5,
    compiler="riscv64-unknown-elf-",
    flags=(
        "-march=rv32imc",
        "-mabi=ilp32",
        "-misa-spec=2.2",
        "--specs=picolibc.specs",
        "--oslib=semihost",
        "--crt0=hosted",
        "-Wl,--defsym=__flash=0x80000000",
        "-Wl,--defsym=__flash_size=0x200000",
        "-Wl,--defsym=__ram=0x80200000",
        "-Wl,--defsym=__ram_size=0x100000",
    ),
    emulator=(
        "qemu-system-riscv32",
        *("-M", "virt", "-bios", "none", "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel"),
    ),
    ticks=1.0,  # minstret
    packages=("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc"),
)
