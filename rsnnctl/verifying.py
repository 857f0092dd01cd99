"""Compare backends, an exported file or a target with the reference, on what users have."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hw_targets
from base.checks import check_count
from base.errors import MismatchError, RangeError, UnsupportedError
from hw_targets.machines.target import Runner, run_whole, runners
from rsnn.data import probes
from rsnn.data.raster import random_raster
from rsnn.data.stream import open_stream
from rsnn.first_spike.network import check_fits
from rsnn.first_spike.responses import rasters_of
from rsnnctl import show
from rsnnctl.backends import backends, prepared
from rsnnctl.reproducers import with_reproducers
from rsnnctl.runs import folders
from rsnnctl.runs.first_spike.samples import has_samples, measured_on
from sim import reference
from sim.artifact import load_network, load_vectors
from sim.fast.events import has_engine, n_steps_of
from sim.network import IntegerNetwork
from sim.trace import first_difference
from sim.verify import Backend, Verification, code_of, compare_blocks, verify

STEPS = 5000  # compared where no recording is named
SAMPLES = 20  # compared where none are named
MOST_WORDS = 1 << 28  # of a trace in memory, 2 GiB
_BLOCK_STEPS = 4096  # of a session that are in memory at once
_MOST_STEPS = 10**9  # of a recording, in blocks


@dataclass(frozen=True)
class Stimulus:
    """What backends are compared on, beside the golden input of the network.

    Attributes:
        session: recording or raster, all of it; None for the test part of the recording of the
            network's run, or a random raster of 20 Hz.
        samples: of a first-spike network, in place of `session`, all of the test part, each a run
            of its own; None for the first 20 of those of the network's run, if it has any.
        steps: maximum number of steps; None for all of what is named, else 5000.
    """

    session: Path | None = None
    samples: str | None = None
    steps: int | None = None


def verify_file(
    path: Path,
    stimulus: Stimulus,
    *,
    target: str | None = None,
    options: Mapping[str, Any] | None = None,
    output: Path | None = None,
    force: bool = False,
) -> Verification:
    """Compare backends with the reference over the golden input and a stimulus.

    For a backend of this machine that differs, a minimal reproducer is written, but not for a
    network that is a reproducer already.

    Args:
        path: the network.
        stimulus: what they are compared on.
        target: name of the target to run on; None for every backend of this machine.
        options: of the target, by name; those left out, or None, have their defaults.
        output: folder for reproducers; None for that of the network.
        force: let a reproducer overwrite files that `verify` did not write.

    Raises:
        RangeError: `steps` is below 1, or there is no such target or option.
        MismatchError: the file's golden run is not what the reference computes; or the step or
            number of channels of the stimulus is not the network's.
        ToolError: a program that the target needs is missing.
        FileError, DataError: a file cannot be used.
    """
    network, rasters = _with_input(path, stimulus)
    with tempfile.TemporaryDirectory() as folder:
        if target is None:
            here = backends(network)
            report = verify(network, rasters, here | prepared(network, here, Path(folder)))
            place = path if output is None else output / path.name
            return with_reproducers(report, place, network, rasters, here, force=force)
        machine = hw_targets.find_target(target)
        found = runners(machine, network, Path(folder), options)
        runs = {name: _backend(run) for name, run in found.items()}
        return verify(network, rasters, runs, writer=machine.format)


def verify_written(
    written: Path,
    open_written: Callable[[Path, IntegerNetwork], Mapping[str, Backend]],
    path: Path,
    stimulus: Stimulus,
) -> Verification:
    """Compare what was exported with a fresh export, then run it beside the reference.

    Args:
        written: the file or folder.
        open_written: as in `export.format.Format`.
        path: the network that it was made of.
        stimulus: what it is run on.

    Raises:
        MismatchError: it is not what exporting the network gives.
        RangeError, MismatchError, FileError, DataError: as `verify_file`.
    """
    network, rasters = _with_input(path, stimulus)
    return verify(network, rasters, dict(open_written(written, network)))


def verify_session(
    path: Path,
    target: str,
    source: Path,
    options: Mapping[str, Any] | None = None,
    *,
    steps: int | None = None,
) -> Verification:
    """Run a recording on a target beside the reference, in constant memory.

    Args:
        path: the network.
        target: its name.
        source: session (.mat) or raster file, of any length.
        options: of the target, by name; those left out, or None, have their defaults.
        steps: maximum number of steps; None for all.

    Raises:
        RangeError, MismatchError, ToolError, FileError, DataError: as `verify_file`.
    """
    if steps is not None:
        check_count("steps", steps, _MOST_STEPS)
    chosen = hw_targets.find_target(target)
    network, _ = _opened(path)
    results, not_run = {}, {}
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stream(source, network, "all", scored=False) as stream,
    ):
        stream = replace(stream, steps=stream.steps[:steps])
        n_steps = len(stream.steps)
        found = runners(chosen, network, Path(folder), options)
        for name, run in found.items():
            blocks = (block.raster for block in stream.blocks(_BLOCK_STEPS))
            try:
                compared = compare_blocks(network, run(blocks, n_steps))
            except UnsupportedError as error:
                not_run[name] = str(error)
            else:
                results[name] = replace(compared, code=code_of(network, chosen.format))
    show.say_step(stream, network.dt)
    return Verification(network.digest(), n_steps, results, not_run)


def verify_trace(path: Path, trace: Path, session: Path | None = None) -> Verification:
    """Compare what something else recorded of a network with the reference.

    Args:
        path: the network.
        trace: file of probes, as in `rsnn.data.probes`.
        session: recording or raster that was the input, where the trace does not have it.

    Raises:
        MismatchError: the trace is of another network, or there is no input, or there are two.
        RangeError, MismatchError, FileError, DataError: as `verify_file` and `read_probes`.
    """
    network, _ = _opened(path)
    recorded = probes.read_probes(trace, network)
    given = None
    if session is not None:
        with open_stream(session, network, "all", scored=False) as stream:
            _check_memory(network, len(stream.steps))
            given = next(stream.blocks(len(stream.steps))).raster
        show.say_step(stream, network.dt)
    raster = recorded.input(given)
    _check_memory(network, len(raster))
    return probes.compare(network, recorded, raster)


def _check_memory(network: IntegerNetwork, n_steps: int) -> None:
    most = MOST_WORDS // _words_per_step(network)
    if n_steps > most:
        raise RangeError(
            f"the input has {n_steps} steps; of this network, {most} fit into memory. Shorten the"
            " input and the trace"
        )


def _backend(run: Runner) -> Backend:
    return lambda network, raster: run_whole(run, raster)


def _with_input(path: Path, given: Stimulus) -> tuple[IntegerNetwork, list[NDArray[np.uint8]]]:
    """A network, its golden input and a stimulus."""
    network, golden = _opened(path)
    if has_engine(network):  # which takes whole samples
        silent = max(0, n_steps_of(network.readout) - len(golden))
        golden = np.pad(golden, ((0, silent), (0, 0)))
    if given.steps is not None:
        check_count("steps", given.steps, MOST_WORDS // _words_per_step(network))
    if given.samples is not None or (given.session is None and has_samples(path)):
        return network, [golden, *_samples(path, network, given)]
    source = given.session or folders.session_of(path)
    n_steps = given.steps or (None if given.session else STEPS)
    if source is None:
        values = network.input_values
        raster = random_raster(n_steps or STEPS, network.n_inputs, dt=network.dt, values=values)
        return network, [golden, raster]
    part = "all" if given.session else "test"
    with open_stream(source, network, part, scored=False) as stream:
        raster = next(stream.blocks(n_steps or len(stream.steps))).raster
    show.say_step(stream, network.dt)
    return network, [golden, raster]


def _samples(path: Path, network: IntegerNetwork, given: Stimulus) -> list[NDArray[np.uint8]]:
    """A raster of each sample."""
    if not has_engine(network):
        raise MismatchError(
            f"{path}: takes no samples, as first spikes do not decide it; name a recording or a"
            " raster"
        )
    t_max = n_steps_of(network.readout)
    _, samples = measured_on(path, t_max, given.samples)
    check_fits(network.n_inputs, t_max, samples)
    most = SAMPLES if given.samples is None else samples.n_samples
    if given.steps is not None:
        most = -(-given.steps // t_max)
    n_samples = min(most, samples.n_samples)
    check_count("steps", n_samples * t_max, MOST_WORDS // _words_per_step(network))
    return rasters_of(samples.take(np.arange(n_samples)))


def _words_per_step(network: IntegerNetwork) -> int:
    """State words of a step, and its inputs."""
    step = np.zeros((1, network.n_inputs), network.input_dtype)
    return reference.run(network, step).n_words + network.n_inputs


def _opened(path: Path) -> tuple[IntegerNetwork, NDArray[np.uint8]]:
    """A network and its golden input, which the reference still computes as when it was saved."""
    network = load_network(path)
    golden, expected = load_vectors(path)
    difference = first_difference(expected, reference.run(network, golden))
    if difference is not None:
        raise MismatchError(
            f"{path}: the golden run in the file is not what this rsnnctl computes ({difference});"
            " the file was made under other semantics, quantize again"
        )
    return network, golden
