"""Samples through exported C event by event, by a program that replays them."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError, ToolError, UnsupportedError
from export.firmware.decoder import compile_replay
from export.firmware.events.code import check, replay_source
from sim.fast.events import n_steps_of
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Outcome

if TYPE_CHECKING:
    from sim.verify import Backend

_SILENCE = 120  # s after which a program is stopped


@dataclass(frozen=True)
class Stop:
    """What the functions return if the caller gives no further event of a sample.

    Attributes:
        decided: the class.
        n_events: events that were taken.
        count: the program's counter: begin, these events and end; 0 if it does not count.
    """

    decided: int
    n_events: int
    count: int


@dataclass(frozen=True)
class Replayed:
    """A sample event by event.

    Attributes:
        v, t: potential and step of the first spike of each neuron, after all events, (n_neurons,).
        at_first, at_all: if the caller stops once one neuron has fired, or all of them.
        at_end: if it gives all events.
    """

    v: NDArray[np.int32]
    t: NDArray[np.int32]
    at_first: Stop
    at_all: Stop
    at_end: Stop

    def counted(self, ticks: float) -> "Replayed":
        """The same in instructions, of `ticks` of the counter each."""
        first, every, end = (
            replace(stop, count=round(stop.count / ticks))
            for stop in (self.at_first, self.at_all, self.at_end)
        )
        return replace(self, at_first=first, at_all=every, at_end=end)


def replay_samples(
    network: IntegerNetwork,
    rasters: Sequence[NDArray[np.uint8]],
    command: Sequence[str],
    folder: Path,
) -> list[Replayed]:
    """Run a program of `replay_source` over samples.

    Args:
        network: the network that it was compiled from.
        rasters: samples, (n_steps, n_inputs) each.
        command: command that runs the program.
        folder: working folder of the program.

    Raises:
        ToolError: the program fails, or takes more than two minutes.
    """
    (folder / "samples.in").write_bytes(b"".join(map(_events, rasters)))
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SILENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} has been silent for {_SILENCE} s") from None
    n = network.readout.n_neurons
    words, counts = (
        np.frombuffer(path.read_bytes() if path.exists() else b"", kind)
        for path, kind in ((folder / "samples.out", "<i4"), (folder / "samples.count", "<u4"))
    )
    if done.returncode or words.size != len(rasters) * (2 * n + 6):
        raise ToolError(f"{command[0]} ended with status {done.returncode} amid the events")
    found = []
    for row, three in zip(words.reshape(-1, 2 * n + 6), counts.reshape(-1, 3), strict=True):
        stops = np.column_stack([row[:6].reshape(3, 2), three]).tolist()
        first, every, end = (Stop(*numbers) for numbers in stops)
        found.append(Replayed(row[6 : 6 + n], row[6 + n :], first, every, end))
    return found


def _events(raster: NDArray[np.uint8]) -> bytes:
    """The events of a sample in their order, as the program reads them."""
    steps, channels = np.nonzero(raster)
    late = np.minimum(steps, np.iinfo(np.uint16).max)
    events = np.stack([channels, late], 1).astype("<u2")
    return np.array(len(events), "<u4").tobytes() + events.tobytes()


def run_sample(
    network: IntegerNetwork, raster: NDArray[np.uint8], command: Sequence[str], folder: Path
) -> Outcome:
    """Times and potentials of a sample; arguments and errors as in `replay_samples`.

    Raises:
        MismatchError: the class is not that of these times and potentials, after all events or
            where a caller may stop.
    """
    (found,) = replay_samples(network, [raster], command, folder)
    layer = network.readout
    lead = np.maximum(layer.lead_start - found.t.astype(np.int64) * layer.lead_step, 0)
    right = int(layer.decode((found.v + lead)[None])[0, 0])
    ways = {
        "after the first spike": found.at_first.decided,
        "when all neurons have fired": found.at_all.decided,
        "after all events": found.at_end.decided,
    }
    for way, decided in ways.items():
        if decided != right:
            raise MismatchError(
                f"{way} the C decides on class {decided}, though its first spikes and potentials"
                f" are those of class {right}"
            )
    return Outcome({"readout.v": found.v[None], "readout.t": found.t[None]})


def check_sample(network: IntegerNetwork, n_steps: int) -> None:
    """Refuse what the functions do not compute.

    Raises:
        UnsupportedError: see `code.check`; or an input of `n_steps` is shorter than a sample.
    """
    check(network)
    if n_steps < (whole := n_steps_of(network.readout)):
        raise UnsupportedError(f"the input has {n_steps} steps, a sample {whole}")


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Outcome:
    """Times and potentials after a sample (n_steps, n_inputs), by the C on this machine.

    Raises:
        UnsupportedError: see `check_sample`.
        ToolError: there is no C compiler, or the program fails.
        MismatchError: the raster has another number of channels; or see `run_sample`.
    """
    check_channels(network, raster.shape)
    check_sample(network, len(raster))
    with tempfile.TemporaryDirectory() as name:
        program = compile_replay(network, Path(name), main=replay_source)
        return run_sample(network, raster, [str(program)], Path(name))


def prepared(network: IntegerNetwork, folder: Path) -> "Backend":
    """`run_backend` for many samples of a network, compiled at the first.

    Args:
        network: the network that it runs.
        folder: new, for the program; it must exist as long as the backend is used.
    """

    @cache
    def program() -> Path:
        folder.mkdir()
        return compile_replay(network, folder, main=replay_source)

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Outcome:
        check_channels(network, raster.shape)
        check_sample(network, len(raster))
        return run_sample(network, raster, [str(program())], folder)

    return run
