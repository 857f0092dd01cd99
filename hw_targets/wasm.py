"""WebAssembly: the same C, compiled by clang and run in node."""

from importlib.resources import files

from hw_targets.machines.c_machine import Machine
from hw_targets.machines.c_target import c_target

_HOST = files("hw_targets.machines") / "wasm"

MACHINE = Machine(
    "clang",
    packages={"clang": "clang", "wasm-ld": "lld", "node": "nodejs"},
    processor=("--target=wasm32-wasi",),  # a project has a libc, Debian's wasi-libc
    program=(
        "--target=wasm32",  # a program that replays input has none
        "-nostdlib",
        "-ffreestanding",
        f"-I{_HOST}",
        "-Dmain=replay_main",
        "-Wl,--no-entry",
        "-Wl,--export=replay_main",
        "-Wl,--allow-undefined",
    ),
    launcher=("node", str(_HOST / "run.mjs")),
)
TARGET = c_target("WebAssembly in node", MACHINE)
