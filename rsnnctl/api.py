"""rsnnctl from Python: the steps of the command line as functions of values, not of files.

    from rsnnctl import api

Sessions, float models and integer networks are what goes in and comes out; `docs/python.md` walks
through all of it. Errors are `base.errors.RsnnError`, one line each. Nothing is printed, and
nothing is written but where a path is given.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

import rsnn.training.prune
import rsnn.training.train
from base.errors import RangeError
from base.metrics import Metrics
from export.formats import backends as exported
from export.nir import files as nir_format
from export.nir.container import read_graph
from export.nir.import_graph import import_graph, order_of
from export.nir.layers import TimeStep
from export.quantization import calibration
from export.quantization.precision import Precision
from export.quantize import calibrate
from rsnn import checkpoint, published
from rsnn.data import session as sessions
from rsnn.data.session import Session
from rsnn.data.split import split_session
from rsnn.data.stream import steps_of
from rsnn.data.synthetic import synthesize as _synthesize
from rsnn.evaluate import evaluate as _evaluate_model
from rsnn.model import RSNN
from rsnn.snntorch.import_state import import_snntorch as _import_snntorch
from rsnn.training.config import resolve
from rsnn.training.initialize import initialize, input_rates
from rsnnctl.provenance import provenance
from rsnnctl.runs.training import generator_for
from sim import artifact
from sim.fast import runs
from sim.metrics import evaluate_run
from sim.network import IntegerNetwork
from sim.trace import Trace
from sim.verify import Report
from sim.verify import verify as _verify

__all__ = [
    "evaluate",
    "export_nir",
    "import_nir",
    "import_snntorch",
    "import_weights",
    "load_model",
    "load_network",
    "load_session",
    "prune",
    "quantize",
    "save_model",
    "save_network",
    "simulate",
    "synthesize",
    "trace",
    "train",
    "verify",
]


def synthesize(
    path: Path | str, *, minutes: float = 5.0, channels: int = 96, seed: int = 1
) -> Path:
    """Write a realistic recording in the published layout; return its path."""
    _synthesize(Path(path), minutes=minutes, n_channels=channels, seed=seed)
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
        epochs: None is the recipe's.
        seed: of everything random; the same gives the same model.
        settings: as `--set`, such as `training.learning_rate=0.01` or `model.preset=big`.
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
    model: RSNN, *, bits: int = 8, session: Session | None = None, **widths: Any
) -> IntegerNetwork:
    """Turn a float model into an integer network.

    Args:
        model: left as it is.
        bits: width of a weight, 2 to 16.
        session: to calibrate on; None is independent spikes.
        widths: other fields of `export.quantization.precision.Precision`, such as `decay_bits`.
    """
    architecture = model.architecture
    streams = (
        calibration.synthetic(architecture.n_inputs, architecture.dt)
        if session is None
        else calibration.from_session(session)
    )
    calibration.check_channels(model, streams)
    facts = provenance("api.quantize", bits=bits, calibration=streams.source, **widths)
    return calibrate(model, Precision(bits=bits, **widths), streams, metadata=facts).network


def simulate(network: IntegerNetwork, raster: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Decode a raster (n_steps, n_inputs) of 0 and 1: (n_steps, n_outputs)."""
    return network.readout.decode(runs.run(network, raster).out)


def trace(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Every state word of every step; `.variables["hidden0.mem"]` is (n_steps, n_neurons)."""
    return runs.run_backend(network, raster)


def verify(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Report:
    """Compare every backend with the reference, word for word; `.differences` should be 0."""
    backends = {"numba": runs.run_backend}
    backends |= exported()
    return _verify(network, [raster], backends)


def evaluate(model: RSNN | IntegerNetwork, session: Session, *, part: str = "test") -> Metrics:
    """NeuroBench's figures for a float model or an integer network.

    Args:
        model: either.
        session: with as many channels.
        part: `train`, `validation`, `test` or `all` of it.
    """
    steps = steps_of(session, part)
    raster, velocity = session.raster[steps], session.velocity[steps]
    if isinstance(model, IntegerNetwork):
        return evaluate_run(model, runs.run(model, raster), velocity)
    return _evaluate_model(model, raster, velocity)


def export_nir(network: IntegerNetwork, path: Path | str, *, reader: str = "exact") -> Path:
    """Write the NIR graph for a reader: `exact`, `norse` or `snntorch`; return its path."""
    nir_format.export_nir(network, Path(path), reader)
    return Path(path)


def import_nir(
    path: Path | str,
    *,
    dt: float | None = None,
    discretization: str = "exact",
    order: str = "at-once",
    reset: str = "zero",
) -> IntegerNetwork | RSNN:
    """Read a NIR graph: an integer network if it carries our contract, else a float model.

    The options are those of `rsnnctl import-nir`; `dt`, in seconds, is needed for a float model.
    """
    graph = read_graph(Path(path), check_types=False)
    if nir_format.carries_contract(graph):
        return nir_format.import_nir(Path(path))
    if dt is None:
        raise RangeError(f"{path} carries no numeric contract; give dt in seconds, such as 0.001")
    return import_graph(graph, TimeStep(dt, discretization), order_of(order, reset))


def import_snntorch(module: nn.Module, *, dt: float, output: str | None = None) -> RSNN:
    """Make a float model of a snnTorch module, which computes in its order (docs/snntorch.md).

    Args:
        module: Linear layers, each followed by Leaky, RLeaky, Synaptic or RSynaptic neurons, made
            in the order of signals.
        dt: seconds a step.
        output: `mem` or `spk` of the last neurons; None: `mem` where they never reset.
    """
    return _import_snntorch(module, dt=dt, output=output)
