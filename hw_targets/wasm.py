"""WebAssembly: the same C, compiled by clang and run in node."""

from importlib.resources import files
from pathlib import Path
from shutil import which

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from export.firmware.arithmetic import Arithmetic
from export.firmware.decoder import FLAGS, compile_replay
from export.firmware.replay import replay
from hw_targets.machines.target import Limits, Run, Target
from sim.network import IntegerNetwork

_HOST = files("hw_targets.machines") / "wasm"
_FLAGS = (
    *FLAGS,
    "--target=wasm32",
    "-nostdlib",
    "-ffreestanding",
    f"-I{_HOST}",
    "-Dmain=replay_main",
    "-Wl,--no-entry",
    "-Wl,--export=replay_main",
    "-Wl,--allow-undefined",
)
_TOOLS = {"clang": "clang", "wasm-ld": "lld", "node": "nodejs"}


def _build(
    network: IntegerNetwork,
    folder: Path,
    layout: str = "fast",
    arithmetic: Arithmetic | None = None,
) -> Path:
    _need("clang")
    _need("wasm-ld")
    return compile_replay(network, folder, layout, arithmetic, flags=_FLAGS, compiler="clang")


def _command(program: Path) -> list[str]:
    _need("node")
    return ["node", str(_HOST / "run.mjs"), str(program)]


def _run(network: IntegerNetwork, raster: NDArray[np.uint8], program: Path, folder: Path) -> Run:
    return Run(replay(network, raster, _command(program), folder)[0], None)


def _need(program: str) -> None:
    if which(program) is None:
        raise ToolError(f"there is no `{program}`: install Debian's {_TOOLS[program]}")


TARGET = Target(
    name="wasm",
    description="WebAssembly in node",
    limits=Limits(),
    contract="any",
    format="c",
    tools=_TOOLS,
    energy="none",
    build=_build,
    command=_command,
    run=_run,
    flags=("--target=wasm32-wasi",),  # a project has a libc, Debian's wasi-libc
)
