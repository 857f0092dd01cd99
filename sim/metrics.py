"""The cost of an integer network: NeuroBench's figures, and the bits actually stored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.metrics import Connection, Metrics, check_shapes, measure, r2_of, r2_score
from sim.contract import NumericContract
from sim.fast.runs import Run
from sim.fast.simulator import Simulator
from sim.layer import BELOW, OWN, Layer
from sim.network import IntegerNetwork


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
        """Bits in the smaller of the two forms."""
        return min(self.dense_bits, self.sparse_bits)

    @property
    def encoding(self) -> str:
        """The form of storage that is smaller: `dense` or `bitmap`."""
        return "dense" if self.dense_bits <= self.sparse_bits else "bitmap"


def storage(network: IntegerNetwork) -> Storage:
    """Count the bits that a network's parameters need, index overhead included.

    A decay takes `decay_frac` bits (one more where some decay is unity), or the 4 of a shift; a
    threshold or an initial value `mem_bits`, a bias `syn_bits`, a left shift as many as the largest
    one needs; `out_scale` is a float64 outside.
    """
    c = network.contract
    other = sum(
        array.size * _width(layer, declared.content, array, c)
        for layer in network.layers
        for name, array in layer.arrays()
        if (declared := layer.declared()[name]).content != "weight"
    )
    weights = network.connections().values()
    n_weights = sum(w.size for w in weights)
    n_present = sum(int(np.count_nonzero(w)) for w in weights)
    return Storage(
        dense_bits=other + n_weights * c.weight_bits,
        sparse_bits=other + n_weights + n_present * c.weight_bits,
    )


def _width(layer: Layer, content: str, array: NDArray[Any], c: NumericContract) -> int:
    """Bits of each value of an array."""
    if content == "decay":
        return (c.largest_decay - 1 + layer.has_unity(c)).bit_length()
    shift = int(array.max()).bit_length() if content == "shift" else 0
    return {"syn": c.syn_bits, "mem": c.mem_bits, "shift": shift, "scale": 0}[content]


@dataclass
class RunningR2:
    """The coefficient of determination (`base.metrics.r2_score`) of a stream in blocks.

    For a stream in one block it is the same to the last bit; for several, sums round differently.
    Means and squares are merged as by Chan, Golub and LeVeque (1983).
    """

    _n_steps: int = 0
    _mean: Any = 0.0
    _squares: Any = 0.0
    _errors: Any = 0.0
    _first: Any = None
    _moves: Any = False

    def add(self, decoded: NDArray[np.floating], target: NDArray[np.floating]) -> None:
        """Take a block of decoded values and of their targets, (n_steps, n_outputs) each.

        Raises:
            MismatchError: the shapes differ.
        """
        check_shapes(decoded.shape, target.shape)
        target = np.asarray(target, np.float64)
        n_steps = self._n_steps + len(target)
        self._first = target[:1] if self._first is None else self._first
        self._moves = self._moves | (target != self._first).any(0)
        mean = target.mean(0)
        moved = mean - self._mean
        self._errors = self._errors + ((np.asarray(decoded, np.float64) - target) ** 2).sum(0)
        self._squares = self._squares + ((target - mean) ** 2).sum(0)
        self._squares += moved**2 * (self._n_steps * len(target) / n_steps)
        self._mean = self._mean + moved * (len(target) / n_steps)
        self._n_steps = n_steps

    @property
    def value(self) -> float:
        """R2 averaged over coordinates; NaN before the first block, and as in `r2_score`."""
        if not self._n_steps:
            return float("nan")
        return r2_of(self._errors, self._squares, self._moves)


def evaluate_run(
    network: IntegerNetwork, run: Run, velocity: NDArray[np.floating] | None
) -> Metrics:
    """NeuroBench's figures of a finished run.

    Args:
        network: the network that ran.
        run: the result of `runs.run`.
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
    multiplied = counted.multiplied_counts
    connections = []
    start = 0
    for layer in network.layers:
        own = slice(start, start + layer.n_neurons)
        counts = {
            BELOW: (below, multiplied),
            OWN: (counted.returned_counts[own], counted.returned_multiplied[own]),
        }
        connections += [Connection(k.weights != 0, *counts[k.source]) for k in layer.connections()]
        if layer is not network.readout:
            start, below, multiplied = (
                own.stop,
                counted.sent_counts[own],
                counted.sent_multiplied[own],
            )
    return measure(
        connections,
        hidden_spikes=counted.hidden_spikes,
        hidden_units=start,
        n_steps=n_steps,
        footprint=-(-storage(network).dense_bits // 8),
        r2=r2,
    )
