"""What an integer network costs: NeuroBench's figures, and the bits that are really stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.metrics import Connection, Metrics, measure, r2_score
from sim.fast.runs import Run
from sim.fast.simulator import Simulator
from sim.network import CubaLIF, IntegerNetwork


@dataclass(frozen=True)
class Storage:
    """Bits of a network's parameters.

    Attributes:
        dense_bits: every weight, zeros included, at `weight_bits`, and every other parameter.
        sparse_bits: the same with a bitmap of present weights and only those stored.
    """

    dense_bits: int
    sparse_bits: int

    @property
    def stored_bits(self) -> int:
        """The smaller of the two."""
        return min(self.dense_bits, self.sparse_bits)

    @property
    def encoding(self) -> str:
        """How the smaller one is stored."""
        return "dense" if self.dense_bits <= self.sparse_bits else "bitmap"


def storage(network: IntegerNetwork) -> Storage:
    """Count the bits that a network's parameters need, index overhead included.

    A decay takes `decay_frac` bits (one more where some decay is unity), a threshold or an initial
    value `mem_bits`, a bias `syn_bits`, a shift as many as the largest one needs; `out_scale` is a
    float64 outside.
    """
    c = network.contract
    other = 0
    for layer in network.layers:
        unity = max(int(layer.decay_syn.max()), int(layer.decay_mem.max())) >> c.decay_frac
        other += layer.n_neurons * (2 * (c.decay_frac + unity) + c.mem_bits)
        if layer.bias is not None:
            other += layer.n_neurons * c.syn_bits
        if isinstance(layer, CubaLIF):
            shifts = int(layer.e_in.max()).bit_length() + int(layer.e_rec.max()).bit_length()
            other += layer.n_neurons * shifts
    weights = network.connections().values()
    n_weights = sum(w.size for w in weights)
    n_present = sum(int(np.count_nonzero(w)) for w in weights)
    return Storage(
        dense_bits=other + n_weights * c.weight_bits,
        sparse_bits=other + n_weights + n_present * c.weight_bits,
    )


@dataclass
class RunningR2:
    """The coefficient of determination (`base.metrics.r2_score`) of a stream in blocks.

    Of a stream in one block it is the same to the last bit; of several, sums round elsewhere.
    Means and squares are merged as by Chan, Golub and LeVeque (1983).
    """

    _n_steps: int = 0
    _mean: Any = 0.0
    _squares: Any = 0.0
    _errors: Any = 0.0

    def add(self, decoded: NDArray[np.floating], target: NDArray[np.floating]) -> None:
        """Take a block of decoded values and of their targets, (n_steps, n_outputs) each."""
        target = np.asarray(target, np.float64)
        n_steps = self._n_steps + len(target)
        mean = target.mean(0)
        moved = mean - self._mean
        self._errors = self._errors + ((np.asarray(decoded, np.float64) - target) ** 2).sum(0)
        self._squares = self._squares + ((target - mean) ** 2).sum(0)
        self._squares += moved**2 * (self._n_steps * len(target) / n_steps)
        self._mean = self._mean + moved * (len(target) / n_steps)
        self._n_steps = n_steps

    @property
    def value(self) -> float:
        """Averaged over coordinates; NaN before the first block."""
        if not self._n_steps:
            return float("nan")
        return float(np.mean(1.0 - self._errors / self._squares))


def evaluate_run(
    network: IntegerNetwork, run: Run, velocity: NDArray[np.floating] | None
) -> Metrics:
    """NeuroBench's figures of a finished run.

    Args:
        network: the network that ran.
        run: what `kernels.run` returned.
        velocity: target (n_steps, n_outputs), or None: then `r2` is NaN.
    """
    decoded = network.readout.decode(run.out)
    r2 = float("nan") if velocity is None else r2_score(decoded, velocity)
    return evaluate_counts(network, run, n_steps=len(run.out), r2=r2)


def evaluate_counts(
    network: IntegerNetwork, counted: Run | Simulator, *, n_steps: int, r2: float
) -> Metrics:
    """NeuroBench's figures from the counts of a run, or of a simulator that has done its steps."""
    below = counted.input_counts
    connections = []
    start = 0
    for layer in network.hidden:
        own = slice(start, start + layer.n_neurons)
        start = own.stop
        connections.append(Connection(layer.w_in != 0, below))
        if layer.w_rec is not None:
            connections.append(Connection(layer.w_rec != 0, counted.returned_counts[own]))
        below = counted.sent_counts[own]
    connections.append(Connection(network.readout.w_out != 0, below))
    return measure(
        connections,
        hidden_spikes=counted.hidden_spikes,
        hidden_units=start,
        n_steps=n_steps,
        footprint=-(-storage(network).dense_bits // 8),
        r2=r2,
    )
