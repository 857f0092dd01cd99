"""The definition of a target, and the operations on any: check, build, run."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError, ToolError, UnsupportedError
from base.option import Option, chosen
from base.ownership import Written, write_into
from export.format import inside, write_network
from export.formats import formats
from sim.fast.events import has_engine
from sim.network import IntegerNetwork
from sim.trace import Trace

Raster = NDArray[np.uint8]
Runner = Callable[[Iterable[Raster], int], Iterator[tuple[Raster, Trace]]]
"""(blocks of a raster, steps of all together) -> each block with its trace, one after the other.

Each run starts from the initial state, which is then carried from block to block.
"""


@dataclass(frozen=True)
class Limits:
    """Limits of the smallest usual part; None where there is no limit.

    Attributes:
        flash, ram: bytes.
        clock_hz: cycles per second.
        cycles_per_instruction: assumed when instructions are compared with a deadline.
        lut4, block_rams, multipliers, spram: of an FPGA: tables of 4 inputs, memories, multipliers
            and large memories without initial words.
    """

    flash: int | None = None
    ram: int | None = None
    clock_hz: float | None = None
    cycles_per_instruction: float = 1.0
    lut4: int | None = None
    block_rams: int | None = None
    multipliers: int | None = None
    spram: int | None = None


@dataclass(frozen=True)
class Target:
    """One kind of hardware that can run a network.

    Attributes:
        description: one line for people.
        format: name of the format in `export/formats/` that writes for it.
        build: (target, network, golden raster, folder, and each option by keyword) -> files that it
            adds, in the folder, to those of the format.
        backends: what runs a network on it here, by name: (network, empty folder, and each option
            by keyword) -> a `Runner`.
        event_backends: as `backends`, of networks that first spikes decide: what runs a sample
            event by event, without a clock, and gives an `Outcome`.
        check: (target, network, and each option by keyword) -> what the network costs, by name, in
            `violations` a line per limit it exceeds, and in `not_checked`, if there are any, a line
            per limit that cannot be checked here; None where nothing has a limit.
        limits: limits of the part.
        contract: values that it computes, by field of the numeric contract; fields not named may
            have any.
        kinds: names of the kinds of layers that it computes; None for any.
        writer: name of the hand-written code that computes networks on it, as in
            `sim.layer.Layer.TUNED`: arrays that it does not compute are refused; "" for none.
        options: that `check`, `build` and `backends` take; those of the format reach it too.
        tools: programs that they need, each with its Debian package.
        editable: names of files that `build` adds for users to edit; changed ones are kept.
        figures: name of a file of `build` that says in JSON what it takes; "" for none.
        name: name of the file, filled in by `targets()`.
    """

    description: str
    format: str
    build: Callable[..., list[Path]]
    backends: Mapping[str, Callable[..., Runner]]
    event_backends: Mapping[str, Callable[..., Runner]] = field(default_factory=dict)
    check: Callable[..., dict[str, Any]] | None = None
    limits: Limits = field(default_factory=Limits)
    contract: Mapping[str, Container[Any]] = field(default_factory=dict)
    kinds: tuple[str, ...] | None = None
    writer: str = ""
    options: tuple[Option, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    editable: tuple[str, ...] = ()
    figures: str = ""
    name: str = ""


def refusals(target: Target, network: IntegerNetwork) -> list[str]:
    """Every kind of layer, array and choice of the contract that a target does not compute."""
    contract = network.contract.as_dict()
    kinds = [
        f"kind: `{name}` is {layer.kind()}; {target.name} computes {_said(target.kinds)}. Name"
        " another target"
        for name, layer in network.named_layers()
        if target.kinds is not None and layer.kind() not in target.kinds
    ]
    arrays = [
        f"array: `{name}` has `{array}`, which {target.name} does not compute. Name another target"
        for name, layer in network.named_layers()
        for array in layer.arrays_beyond(target.writer)
        if target.writer
    ]
    return [*kinds, *arrays] + [
        f"contract: `{name}` is {contract[name]}; {target.name} computes {_said(values)}. Make a"
        " network of such a contract, or name another target"
        for name, values in target.contract.items()
        if contract[name] not in values
    ]


def check(
    target: Target, network: IntegerNetwork, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Whether a network fits a target, and its cost there, by name.

    Args:
        target: one of `targets()`.
        network: the network.
        options: by name; those left out have their defaults.

    Returns:
        In `fits` true, false, or None where no limit is known to be exceeded and some cannot be
        checked here; in `violations` a line per limit that is exceeded, in `not_checked` a line per
        reason why one cannot be checked, such as a missing program; and the cost, as far as known.

    Raises:
        RangeError: an unknown option, or a value that is refused.
    """
    values = chosen(target.options, options or {})
    refused = refusals(target, network)
    found: dict[str, Any] = {}
    if target.check is not None:
        try:
            found = target.check(target, network, **values)
        except (ToolError, UnsupportedError) as error:
            found = {} if refused else {"not_checked": [str(error)]}
    violations = [*refused, *found.get("violations", ())]
    not_checked = list(found.get("not_checked", ()))
    fits = False if violations else None if not_checked else True
    lines = {"violations": violations, "not_checked": not_checked}
    return {"target": target.name, "fits": fits} | found | lines


def build(
    target: Target,
    network: IntegerNetwork,
    golden: Raster,
    folder: Path,
    options: Mapping[str, Any] | None = None,
    *,
    force: bool = False,
) -> Written:
    """Write a project for a target: the files of its format, and those that the target adds.

    Those that users edit (`Target.editable`) are kept if they were changed.

    Args:
        target: one of `targets()`.
        network: the network.
        golden: raster (n_steps, n_inputs) for a self-test.
        folder: created if missing.
        options: by name; those left out have their defaults.
        force: also overwrite files that were changed, or that `build` did not write.

    Raises:
        RangeError: the target does not compute the network, or refuses an option.
        FileError: a file cannot be written, or may not be overwritten.
    """
    values = chosen(target.options, options or {})
    _accept(target, network)
    format = formats()[target.format]
    names = {option.name for option in format.options}
    shared = {name: value for name, value in values.items() if name in names}

    def write(staging: Path) -> list[Path]:
        files = write_network(format, network, inside(format, staging, "rsnn"), shared)
        return files + target.build(target, network, golden, staging, **values)

    return write_into(folder, write, "build", force=force, editable=target.editable)


def runners(
    target: Target,
    network: IntegerNetwork,
    folder: Path,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Runner]:
    """Make a network ready to run on a target.

    Args:
        target: one of `targets()`.
        network: the network.
        folder: for built files; it must exist as long as the runners are used.
        options: by name; those left out have their defaults.

    Returns:
        A runner by name: the target's, with that of its backend where it has several. Networks
        that first spikes decide also have those without a clock, which may refuse them when run.

    Raises:
        RangeError: the target does not compute the network, or refuses an option.
        ToolError: a program is missing.
    """
    values = chosen(target.options, options or {})
    _accept(target, network)
    found = {}
    without_clock = target.event_backends if has_engine(network) else {}
    backends = {**target.backends, **without_clock}
    for name, prepare in backends.items():
        place = folder / name
        place.mkdir(parents=True)
        several = len(backends) > 1
        found[f"{target.name} ({name})" if several else target.name] = prepare(
            network, place, **values
        )
    return found


def run_whole(runner: Runner, raster: Raster) -> Trace:
    """Every state word over a raster (n_steps, n_inputs)."""
    ((_, trace),) = runner([raster], len(raster))
    return trace


def _accept(target: Target, network: IntegerNetwork) -> None:
    refused = refusals(target, network)
    if refused:
        raise RangeError("; ".join(refused))


def _said(values: Container[Any]) -> str:
    if isinstance(values, range):
        return f"{values[0]}..{values[-1]}"
    assert isinstance(values, Iterable)
    return ", ".join(str(value) for value in values)
