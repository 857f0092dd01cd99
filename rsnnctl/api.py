"""rsnnctl from Python: the commands as functions of values instead of files.

    from rsnnctl import api

Functions take and return sessions, float models and integer networks; `docs/python.md` walks
through them. Errors are `base.errors.RsnnError`, one line each. Nothing is printed, and nothing is
written unless a path is given.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

import rsnn.training.prune
import rsnn.training.train
from base.errors import RangeError
from base.meeting import check_step
from base.metrics import Metrics
from export.formats import formats
from export.quantization import calibration
from export.quantization.precision import Precision
from export.quantize import calibrate
from export.quantize_first_spike import quantize_first_spike
from hw_targets import build, check
from rsnn import checkpoint, published
from rsnn import inspect as inspect_model
from rsnn.data import session as sessions
from rsnn.data import synthetic
from rsnn.data.probes import verify_trace
from rsnn.data.session import Session
from rsnn.data.split import split_session
from rsnn.data.stream import session_part
from rsnn.evaluate import evaluate as evaluate_model
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.responses import rasters_of
from rsnn.model import RSNN
from rsnn.snntorch import import_state
from rsnn.training.config import resolve
from rsnn.training.initialize import initialize, input_rates
from rsnnctl.backends import backends
from rsnnctl.classifying import fit, load_classifier, load_samples, predict, save_classifier
from rsnnctl.exporting import function_of
from rsnnctl.provenance import provenance
from rsnnctl.read_nir import read_nir as import_nir
from rsnnctl.runs import exploring
from rsnnctl.runs.training import generator_for
from rsnnctl.streams.key import read_key
from rsnnctl.streams.udp import stream_packets
from sim import artifact
from sim import inspect as inspect_network
from sim import verify as verification
from sim.fast import runs
from sim.live.decoder import Decoder
from sim.live.ordered import Tally
from sim.metrics import evaluate_run
from sim.network import IntegerNetwork
from sim.trace import Trace
from sim.verify import Verification

_EXPORTS = {f"export_{name}": function_of(format) for name, format in formats().items()}
globals().update(_EXPORTS)

if TYPE_CHECKING:

    def __getattr__(name: str) -> Callable[..., list[Path]]: ...


Raster = NDArray[np.uint8]

__all__ = [
    "RSNN",
    "Decoder",
    "FirstSpikeNetwork",
    "IntegerNetwork",
    "Metrics",
    "Parts",
    "Precision",
    "Samples",
    "Session",
    "Tally",
    "Trace",
    "Verification",
    "build",
    "check",
    "evaluate",
    "explore",
    "fit",
    "import_nir",
    "import_snntorch",
    "import_weights",
    "inspect",
    "load_classifier",
    "load_model",
    "load_network",
    "load_samples",
    "load_session",
    "predict",
    "prune",
    "quantize",
    "save_classifier",
    "save_model",
    "save_network",
    "simulate",
    "stream",
    "synthesize",
    "trace",
    "train",
    "verify",
    "verify_trace",
    *_EXPORTS,
]


def synthesize(
    path: Path | str, *, minutes: float = 5.0, channels: int = 96, seed: int = 1
) -> Path:
    """Write a realistic recording in the published layout; return its path."""
    synthetic.synthesize(Path(path), minutes=minutes, n_channels=channels, seed=seed)
    return Path(path)


def load_session(path: Path | str) -> Session:
    """Read a recording (.mat): `raster` (n_steps, n_channels) and `velocity` (n_steps, 2)."""
    return sessions.load_session(Path(path))


def import_weights(path: Path | str) -> RSNN:
    """Read a published state dict (.pth) as a float model."""
    return published.import_published(path)


def load_model(path: Path | str) -> RSNN:
    """Read a float model (.rsnn.h5)."""
    return checkpoint.load_model(path)[0]


def save_model(model: RSNN, path: Path | str) -> str:
    """Write a float model (.rsnn.h5); return its digest."""
    return checkpoint.save_model(model, path, provenance("api.save_model"))


def load_network(path: Path | str) -> IntegerNetwork:
    """Read an integer network (.int.h5)."""
    return artifact.load_network(Path(path))


def save_network(network: IntegerNetwork, path: Path | str) -> str:
    """Write an integer network (.int.h5); return its digest."""
    return artifact.save_network(network, Path(path))


def train(
    session: Session,
    *,
    recipe: str = "short",
    epochs: int | None = None,
    seed: int = 1,
    settings: Sequence[str] = (),
) -> RSNN:
    """Train a decoder on a session, from fresh weights.

    Args:
        session: split as published; training, validation and test part are kept apart.
        recipe: `short` or `published`.
        epochs: None for the recipe's.
        seed: seed of all randomness; the same seed gives the same model.
        settings: such as `training.learning_rate=0.01` or `model.preset=big` (docs/training.md).
    """
    chosen = (*settings, *([] if epochs is None else [f"training.epochs={epochs}"]))
    config = resolve(recipe, settings=chosen, seed=seed)
    split = split_session(session)
    model = RSNN(config.model.architecture(session.n_channels))
    rates = input_rates(session.raster[split.train], session.dt)
    initialize(model, rates=rates, generator=generator_for(config.training, "weights"))
    generator = generator_for(config.training, "training")
    rsnn.training.train.train(model, session, split, config.training, generator=generator)
    return model.eval()


def prune(
    model: RSNN,
    session: Session,
    *,
    fraction: float = 0.45,
    recipe: str = "short",
    epochs: int | None = None,
    seed: int = 1,
) -> RSNN:
    """Return a copy without the smallest weights of each matrix, the rest trained again."""
    chosen = () if epochs is None else (f"retraining.epochs={epochs}",)
    config = resolve(recipe, settings=chosen, seed=seed)
    pruned = copy.deepcopy(model).float()
    generator = generator_for(config.retraining, "retraining")
    split = split_session(session)
    rsnn.training.prune.prune(
        pruned, session, split, config.retraining, fraction=fraction, generator=generator
    )
    return pruned.eval()


def quantize(
    model: RSNN | FirstSpikeNetwork,
    *,
    precision: Precision | None = None,
    session: Session | None = None,
) -> IntegerNetwork:
    """Turn a float model into an integer network.

    Args:
        model: left unchanged.
        precision: widths, and the rule for scales; None for `Precision()`, 8 bits, and for a
            first-spike network with one scale, no bits below it, and ticks of 1 ms.
        session: session to calibrate on; None for independent spikes.
    """
    if isinstance(model, FirstSpikeNetwork):
        if session is not None:
            raise RangeError("`session` has no effect on a first-spike network; leave it out")
        chosen = precision or Precision(frac_bits=0, per_layer=True)
        facts = provenance("api.quantize", **asdict(chosen))
        return quantize_first_spike(model, chosen, dt=0.001, metadata=facts)
    chosen = precision or Precision()
    architecture = model.architecture
    streams = (
        calibration.synthetic(architecture.n_inputs, architecture.dt)
        if session is None
        else calibration.from_session(session)
    )
    facts = provenance("api.quantize", calibration=streams.source, **asdict(chosen))
    return calibrate(model, chosen, streams, metadata=facts).network


def explore(
    model: RSNN,
    session: Session,
    *,
    bits: Sequence[int] = (3, 4, 5, 6, 7, 8),
    decay_bits: Sequence[int] = (12,),
    sparsity: Sequence[float] = (0.0,),
) -> list[dict[str, Any]]:
    """Quantize a model with every combination of widths and sparsity, and measure each network.

    Args:
        model: left unchanged.
        session: session to calibrate on, and to measure on, in its test part.
        bits: widths of a weight.
        decay_bits: widths of a decay factor.
        sparsity: smallest fractions of each weight matrix that are zero.

    Returns:
        One row per network: `test_r2`, `stored_bits`, `energy_pj`, `effective_acs`, and `pareto`,
        true where no other network is as good in everything and better in one.
    """
    choices = exploring.combinations(bits, decay_bits, sparsity)
    return exploring.with_pareto([exploring.measure(model, session, each) for each in choices])


def simulate(network: IntegerNetwork, raster: Raster | Session) -> NDArray[np.float64]:
    """Decode a raster (n_steps, n_inputs) of 0 and 1, or a session: (n_steps, n_outputs).

    A raster has no step of its own and is taken at the network's; that of a session is checked.
    """
    return network.readout.decode(runs.run(network, _raster(network, raster)).out)


def stream(
    network: IntegerNetwork,
    *,
    port: int,
    idle: float = 5.0,
    steps: int | None = None,
    key_file: str | Path | None = None,
    ready: Callable[[int], object] = lambda port: None,
) -> Tally:
    """Decode packets that arrive at a UDP port of 127.0.0.1 and answer each (docs/streaming.md).

    `Decoder` is the same without a socket: one step per call.

    Args:
        network: the network.
        port: 0 for any free port.
        idle: seconds without a step that was decoded after which the stream is over.
        steps: number of steps after which the stream is over; None: no limit.
        key_file: file of at least 32 random bytes; only packets signed with them are decoded.
        ready: called with the port once packets can arrive.

    Returns:
        Counts and latencies.
    """
    key = None if key_file is None else read_key(Path(key_file))
    return stream_packets(network, port, idle=idle, steps=steps, key=key, ready=ready)


def trace(network: IntegerNetwork, raster: Raster | Session) -> Trace:
    """Every state word of every step; `.variables["hidden0.mem"]` is (n_steps, n_neurons).

    The raster or session is as for `simulate`.
    """
    return runs.run_backend(network, _raster(network, raster))


def verify(network: IntegerNetwork, raster: Raster | Session | Samples) -> Verification:
    """Compare every backend with the reference, word for word; `.differences` should be 0.

    The raster or session is as for `simulate`; each of samples is a run of its own.
    """
    rasters = rasters_of(raster) if isinstance(raster, Samples) else [_raster(network, raster)]
    return verification.verify(network, rasters, backends(network))


def evaluate(model: RSNN | IntegerNetwork, session: Session, *, part: str = "test") -> Metrics:
    """NeuroBench's figures for a float model or an integer network.

    Args:
        model: either.
        session: session of the same step, with as many channels and target signals.
        part: `train`, `validation`, `test` or `all` of the session.
    """
    if isinstance(model, IntegerNetwork):
        raster, velocity = session_part(session, model, part)
        return evaluate_run(model, runs.run(model, raster), velocity)
    return evaluate_model(model, *session_part(session, model.architecture, part))


def inspect(model: RSNN | IntegerNetwork) -> dict[str, Any]:
    """Shape, ranges and storage of a float model or an integer network, as values for JSON."""
    if isinstance(model, IntegerNetwork):
        return inspect_network.describe(model)
    return inspect_model.describe(model)


def import_snntorch(
    module: nn.Module,
    *,
    dt: float,
    output: str | None = None,
    forward: Callable[..., Any] | None = None,
) -> RSNN:
    """Make a float model of a snnTorch module, with its order of a step (docs/snntorch.md).

    Both are run on a made-up raster; a module that computes anything else is refused.

    Args:
        module: Linear layers, each followed by Leaky, RLeaky, Synaptic or RSynaptic neurons, made
            in the order of signals.
        dt: seconds per step.
        output: `mem` or `spk` of the last neurons; None: `mem` where they never reset.
        forward: runs the module on a raster (n_steps, 1, n_inputs) and returns its output of each
            step; None for the module itself, called once per step if all its neurons have
            `init_hidden`, else once.
    """
    return import_state.import_snntorch(module, dt=dt, output=output, forward=forward)


def _raster(network: IntegerNetwork, given: Raster | Session) -> Raster:
    """The raster (n_steps, n_inputs) of what was given, if its step is the network's."""
    if not isinstance(given, Session):
        return given
    check_step(network, given.dt, given.name)
    return given.raster
