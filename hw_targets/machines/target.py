"""What a target is: data and three functions."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from sim.network import IntegerNetwork
from sim.trace import Trace


@dataclass(frozen=True)
class Limits:
    """What the smallest usual part has. None where there is no such limit.

    Attributes:
        flash, ram: bytes.
        clock_hz: cycles a second.
        cycles_per_instruction: assumed, when instructions are compared with a deadline.
    """

    flash: int | None = None
    ram: int | None = None
    clock_hz: float | None = None
    cycles_per_instruction: float = 1.0


@dataclass(frozen=True)
class Sizes:
    """Bytes of the decoder alone, without start-up code and library."""

    flash: int
    ram: int


@dataclass(frozen=True)
class Run:
    """A trace, and the instructions of each step (n_steps,); None where nothing counts them."""

    trace: Trace
    instructions: NDArray | None


@dataclass(frozen=True)
class Target:
    """One place where a network can go.

    Attributes:
        name: as on the command line.
        description: for people, in a line.
        limits: of the part.
        contract: which numeric contracts it computes, in words.
        format: name of the file in `export/` that writes for it.
        tools: programs that `build` and `run` need, each with its Debian package.
        energy: where the estimate of energy comes from; see `machines/cost.py`.
        build: (network, folder, layout="fast", arithmetic=None) -> program that replays a raster.
        command: (program) -> the command that runs it.
        run: (network, raster, program, folder) -> what every state word was, and what it cost.
        flags: that a project's compiler is given for the processor.
        measure: (network, folder, layout="fast") -> sizes of the decoder; None where nobody asks.
    """

    name: str
    description: str
    limits: Limits
    contract: str
    format: str
    tools: dict[str, str]
    energy: str
    build: Callable[..., Path]
    command: Callable[[Path], list[str]]
    run: Callable[[IntegerNetwork, NDArray, Path, Path], Run]
    flags: tuple[str, ...] = ()
    measure: Callable[..., Sizes] | None = None
