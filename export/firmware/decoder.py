"""The decoder in C99: its sources written, compiled with a program that replays, and run.

The sources are templates in `templates/` with the network's constants and the order of its layers
filled in. No heap, no floating point, nothing but stdint and string. Arithmetic is 32 bits wide
where worst cases of the weights (`sim/bounds/layers.py`) exclude overflow, else 64; a word that
cannot overflow is not checked.
"""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError, ToolError
from base.files import write_text
from export.firmware.arithmetic import Arithmetic
from export.firmware.code import check_layout, header, replay_source, source
from export.firmware.replay import replay
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.verify import Backend

FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion")
Main = Callable[[IntegerNetwork, str], str]
"""(network, name of its C) -> the source of a program that replays input."""


def export_c(
    network: IntegerNetwork,
    folder: Path,
    name: str = "rsnn",
    layout: str = "fast",
    arithmetic: Arithmetic | None = None,
) -> list[Path]:
    """Write `<name>.h` and `<name>.c`, atomically; the same network gives the same bytes.

    Args:
        network: the network.
        folder: created if missing.
        name: prefix of every public name; a C identifier.
        layout: layout of the weights: `fast`, or `compact`, which stores few zeros.
        arithmetic: None for the narrowest that worst cases of the network allow.

    Raises:
        RangeError: `name` is not a C identifier, or the network's C has no such layout.
        UnsupportedError: 16 bits do not count the inputs, or the neurons of a layer.
        FileError: a file cannot be written.
    """
    check_name(name)
    check_layout(network, layout)
    texts = {"h": header(network, name, layout), "c": source(network, name, layout, arithmetic)}
    paths = []
    for suffix, text in texts.items():
        paths.append(Path(folder) / f"{name}.{suffix}")
        write_text(paths[-1], text)
    return paths


def check_name(name: str) -> None:
    """Refuse a name that is not a C identifier.

    Raises:
        RangeError: it is none.
    """
    if not (name.isidentifier() and name.isascii()):
        raise RangeError(f"name is {name!r}; a C identifier is needed, letters, digits and _")


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8], layout: str = "fast") -> Trace:
    """Export, compile for this machine, run, and return every state word.

    Raises:
        ToolError: there is no C compiler.
        MismatchError: the raster has a different number of channels.
    """
    check_channels(network, raster.shape)
    with tempfile.TemporaryDirectory() as folder:
        program = compile_replay(network, Path(folder), layout)
        return replay(network, raster, [str(program)], Path(folder))[0]


def prepared(network: IntegerNetwork, folder: Path) -> "Backend":
    """`run_backend` for many runs of a network, compiled at the first.

    Args:
        network: the network that it runs.
        folder: new, for the program; it must exist as long as the backend is used.
    """

    @cache
    def program() -> Path:
        folder.mkdir()
        return compile_replay(network, folder)

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        return replay(network, raster, [str(program())], folder)[0]

    return run


def compile_replay(
    network: IntegerNetwork,
    folder: Path,
    layout: str = "fast",
    arithmetic: Arithmetic | None = None,
    *,
    flags: Sequence[str] = FLAGS,
    compiler: str = "cc",
    main: Main = replay_source,
) -> Path:
    """Compile the exported sources with a program that replays input; return the program.

    Args:
        network, folder, layout, arithmetic: as in `export_c`.
        flags: compiler flags.
        compiler: command of the compiler.
        main: writes the source of the program.

    Raises:
        ToolError: there is no such compiler, or it refuses the sources.
    """
    written = export_c(network, folder, "rsnn", layout, arithmetic)
    (source,) = (path for path in written if path.suffix == ".c")
    return compile_with_replay(network, source, folder, flags=flags, compiler=compiler, main=main)


def compile_with_replay(
    network: IntegerNetwork,
    source: Path,
    folder: Path,
    *,
    flags: Sequence[str] = FLAGS,
    compiler: str = "cc",
    main: Main = replay_source,
) -> Path:
    """Compile exported C with a program that replays input; return the program.

    Args:
        network: the network.
        source: the exported C file, beside its header.
        folder: for the program and its source.
        flags, compiler, main: as in `compile_replay`.

    Raises:
        ToolError: there is no such compiler, or it refuses the sources.
    """
    if which(compiler) is None:
        raise ToolError(f"there is no C compiler `{compiler}`: install Debian's gcc")
    written = folder / "replay.c"
    write_text(written, main(network, source.stem))
    program = folder / "replay"
    given = [f"-I{source.parent}", str(source), str(written)]
    run_compiler([compiler, *flags, *given, "-o", str(program)])
    return program


def run_compiler(command: Sequence[str]) -> None:
    """Compile exported sources.

    Raises:
        ToolError: the compiler refuses them; the text is its first error.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        said = next((line for line in lines if "error" in line), lines[0])
        raise ToolError(f"{command[0]} refuses the exported C: {said}")
