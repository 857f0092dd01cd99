"""WebAssembly: the same C, compiled by clang and run in node."""

from export.firmware.templates import template
from hw_targets.machines.c_machine import Machine
from hw_targets.machines.c_target import c_target

MACHINE = Machine(
    "clang",
    packages={"clang": "clang", "wasm-ld": "lld", "node": "nodejs"},
    processor=("--target=wasm32",),
    library=("-ffreestanding", "-I", "wasm"),  # there is no libc: node has what is needed of one
    program=("startup.c", "-nostdlib", "-Wl,--no-entry", "-Wl,--allow-undefined"),
    files={
        "startup.c": template("wasm/startup.c"),
        "run.mjs": template("wasm/run.mjs"),
        "wasm/stdio.h": template("wasm/stdio.h"),
        "wasm/string.h": template("wasm/string.h"),
    },
    launcher=("node", "run.mjs"),
    size="llvm-size",
)
TARGET = c_target("WebAssembly in node", MACHINE)
