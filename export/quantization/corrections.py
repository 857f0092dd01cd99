"""Corrections of a rounded network as a whole, on calibration data.

Each correction is tried, and kept only if it brings the decoded output of held-out streams closer
to the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.quantization.calibration import Calibration, filtered, lag
from export.quantization.precision import Precision
from export.quantization.rounding import round_weights
from export.quantization.units import gain_of, units_of
from rsnn.evaluate import Response
from rsnn.neurons import INITIAL_OUT
from sim.contract import signed_range
from sim.fast import runs
from sim.network import IntegerNetwork

ROUNDS = 6  # rounds of threshold nudging
PULL = 0.15  # exponent with which a round follows the ratio of firing rates
PRIOR = 1e-2  # pull of the readout weights to their old values, as a share of their mean power


@dataclass(frozen=True)
class Correction:
    """A tried correction: R2 on held-out streams without and with it."""

    name: str
    before: float
    after: float

    @property
    def is_kept(self) -> bool:
        return self.after > self.before


def correct(
    network: IntegerNetwork, calibration: Calibration, response: Response, precision: Precision
) -> tuple[IntegerNetwork, tuple[Correction, ...]]:
    """Try every correction in turn; return the network with those that helped, and all tried.

    Args:
        network: the rounded network.
        calibration: the data.
        response: response of the float model to them.
        precision: precision of the readout's weights.
    """
    chosen = calibration.is_fit
    fit, unseen = calibration.part(chosen), calibration.part(~chosen)
    wanted = response.part(chosen)
    target = response.out[~chosen] if unseen.velocity is None else unseen.velocity

    def score(candidate: IntegerNetwork) -> float:
        return unseen.r2(decode(candidate, unseen.raster), target)

    tried = []
    before = score(network)
    ways: dict[str, Callable[[], IntegerNetwork]] = {
        "thresholds": lambda: nudge_thresholds(network, fit, wanted),
        "readout": lambda: refit_readout(network, fit, wanted, precision),
    }
    for name, way in ways.items():
        candidate = way()
        tried.append(Correction(name, before, score(candidate)))
        if tried[-1].is_kept:
            network, before = candidate, tried[-1].after
    return network, tuple(tried)


def decode(network: IntegerNetwork, rasters: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Decoded velocity of streams, (n_streams, n_steps, n_outputs)."""
    return np.stack([network.readout.decode(r.out) for r in runs.run_many(network, rasters)])


def nudge_thresholds(network: IntegerNetwork, fit: Calibration, wanted: Response) -> IntegerNetwork:
    """Raise the thresholds of neurons that fire more often than in floats, lower the others'."""
    targets = [spk.mean((0, 1)) for spk in wanted.spk]
    n_words = fit.raster.shape[0] * fit.raster.shape[1]
    top = signed_range(network.contract.mem_bits)[1]
    for _ in range(ROUNDS):
        counts = sum(run.sent_counts for run in runs.run_many(network, fit.raster)) / n_words
        hidden = []
        for layer, target in zip(network.hidden, targets, strict=True):
            rates, counts = counts[: layer.n_neurons], counts[layer.n_neurons :]
            ratio = np.clip((rates + 1 / n_words) / (target + 1 / n_words), 0.5, 2.0)
            nudged = np.rint(layer.threshold * ratio**PULL)
            moved = np.where(layer.threshold > 0, np.clip(nudged, 1, top), layer.threshold)
            hidden.append(replace(layer, threshold=moved.astype(np.int64)))
        network = replace(network, layers=(*hidden, network.readout))
    return network


def refit_readout(
    network: IntegerNetwork, fit: Calibration, wanted: Response, precision: Precision
) -> IntegerNetwork:
    """Weigh the integer network's own spikes so that they decode to what the float model did.

    Least squares with the old weights as prior; zero weights stay zero. With several heads their
    sum is fitted, each row for its share of the error. Biases keep their values, in new units.
    """
    c, readout = network.contract, network.readout
    done = runs.run_many(network, fit.raster, record=True)
    name = f"{network.layer_names[-2]}.spk"
    spk = np.stack([run.trace.variables[name] for run in done if run.trace is not None])
    late = lag(c.current, c.delays(len(network.layers))[-1])
    gain, unit = gain_of(readout, c), units_of(readout, c)
    fitted, moments = readout.w_out * unit[:, None], []
    missing = wanted.out - np.stack([readout.decode(run.out) for run in done])
    for row in range(readout.n_neurons):
        decay_mem, decay_syn = c.kept(np.array([readout.decay_mem[row], readout.decay_syn[row]]))
        z = filtered(spk, decay_mem, decay_syn, late, adds_first=c.adds_first)
        z = z.reshape(-1, z.shape[2])
        moment = z.T @ z / len(z)
        moments.append(moment)
        free = np.flatnonzero(fitted[row])
        if not free.size:
            continue
        held = moment[np.ix_(free, free)]
        held = held + PRIOR * max(np.trace(held) / free.size, 1e-300) * np.eye(free.size)
        error = missing[..., row % readout.n_outputs].reshape(-1)
        fitted[row, free] += np.linalg.solve(held, z[:, free].T @ error / len(z))
    nothing = np.zeros((1, 0))
    steps = (precision.steps("out"), 1)
    rounded = [
        round_weights(fitted[row : row + 1], nothing, steps, precision, moments[row])
        for row in range(readout.n_neurons)
    ]
    new_unit = np.concatenate([r.grid.unit for r in rounded])
    bias = readout.bias
    if bias is not None:
        current = signed_range(c.syn_bits)
        bias = np.clip(np.rint(bias * (unit / new_unit)), *current).astype(np.int64)
    out_scale = new_unit * gain / 2.0**c.frac_bits
    low, high = signed_range(c.mem_bits)
    published = np.array_equal(np.trunc(INITIAL_OUT / readout.out_scale), readout.initial_out)
    initial = INITIAL_OUT if published else readout.initial_out * readout.out_scale
    return replace(
        network,
        layers=(
            *network.hidden,
            replace(
                readout,
                w_out=np.concatenate([r.w_in for r in rounded]),
                out_scale=out_scale,
                initial_out=np.clip(np.trunc(initial / out_scale), low, high).astype(np.int64),
                bias=bias,
            ),
        ),
    )
