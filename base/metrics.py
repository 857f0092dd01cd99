"""NeuroBench's figures, computed from a finished run: one definition for floats and for integers.

Definitions are those of NeuroBench 2.3 (Yik et al. 2025), which counts one sample per time step.
Spikes still in transit after the last step have reached no connection and do not count.
All but R2, which NeuroBench sums in float32, equal its figures to the last bit. Last, the share of
right answers, for networks that give answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, MismatchError


@dataclass(frozen=True)
class Metrics:
    """One row of NeuroBench's table.

    `footprint` is in bytes; `connection_sparsity` (rounded to four decimals, as NeuroBench does)
    and `activation_sparsity` are shares of zeros; `dense`, `effective_macs` and `effective_acs`
    are operations per step; `r2` is averaged over the coordinates.
    """

    n_steps: int
    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    dense: float
    effective_macs: float
    effective_acs: float
    r2: float


@dataclass(frozen=True)
class Connection:
    """A weight matrix (post, pre) as present or absent weights, and the spikes it received.

    `spike_counts` (n_pre,) counts the spikes of each presynaptic unit that have arrived;
    `multiplied` (n_pre,) those among them of steps with a value beyond -1..1, in which NeuroBench
    counts multiplications, or None for none.
    """

    mask: NDArray[np.bool_]
    spike_counts: NDArray[np.int64]
    multiplied: NDArray[np.int64] | None = None

    def operations(self, counts: NDArray[np.int64] | None) -> int:
        """Present weights that `counts` (n_pre,) values met."""
        return 0 if counts is None else int(self.mask.sum(0, dtype=np.int64) @ counts)


def measure(
    connections: Sequence[Connection],
    *,
    hidden_spikes: int,
    hidden_units: int,
    n_steps: int,
    footprint: int,
    r2: float,
) -> Metrics:
    """Put NeuroBench's figures together.

    Args:
        connections: every weight matrix of the network.
        hidden_spikes: spikes of all hidden units over all steps.
        hidden_units: number of hidden units.
        n_steps: length of the run.
        footprint: bytes of all parameters.
        r2: result of `r2_score`, or NaN where there is no target.
    """
    n_weights = sum(c.mask.size for c in connections)
    n_zero = sum(c.mask.size - int(np.count_nonzero(c.mask)) for c in connections)
    operations = sum(c.operations(c.spike_counts) for c in connections)
    multiplied = sum(c.operations(c.multiplied) for c in connections)
    n_states = hidden_units * n_steps
    silent = (n_states - hidden_spikes) / n_states if n_states else 0.0
    return Metrics(
        n_steps=n_steps,
        footprint=footprint,
        # NeuroBench divides in float32, which decides ties of the fourth decimal
        connection_sparsity=round(float(np.float32(n_zero) / np.float32(n_weights)), 4),
        # NeuroBench weighs its one batch with n_steps / n_steps, which can move the last bit
        activation_sparsity=silent * n_steps / n_steps,
        dense=float(n_weights),
        effective_macs=multiplied / n_steps,
        effective_acs=(operations - multiplied) / n_steps,
        r2=r2,
    )


def mean_metrics(rows: Sequence[Metrics]) -> Metrics:
    """Combine the rows of several sessions into one, as the published totals do.

    `n_steps` is summed; every other column is the plain mean of the sessions, whatever their
    length (`footprint` to the nearest byte).

    Raises:
        DataError: there are no rows.
    """
    if not rows:
        raise DataError("there are 0 sessions to average; evaluate at least 1")
    means: dict[str, Any] = {
        f.name: float(np.mean([getattr(row, f.name) for row in rows])) for f in fields(Metrics)
    }
    n_steps = sum(row.n_steps for row in rows)
    return Metrics(**means | {"n_steps": n_steps, "footprint": round(means["footprint"])})


def r2_score(decoded: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """Coefficient of determination, 1 - SSE/SST per coordinate, averaged over coordinates.

    NaN, for undefined, where a coordinate of the target never changes.

    Args:
        decoded: (n_steps, n_outputs).
        target: (n_steps, n_outputs), in the same unit.

    Raises:
        MismatchError: the shapes differ.
    """
    check_shapes(decoded.shape, target.shape)
    target = np.asarray(target, np.float64)
    sse = ((np.asarray(decoded, np.float64) - target) ** 2).sum(0)
    sst = ((target - target.mean(0)) ** 2).sum(0)
    return r2_of(sse, sst, (target != target[:1]).any(0))


def r2_of(sse: NDArray[np.floating], sst: NDArray[np.floating], moves: NDArray[np.bool_]) -> float:
    """R2 from the sums of squared errors and squared deviations of coordinates, (n_outputs,).

    NaN, for undefined, unless each coordinate of the target `moves`; the deviations of one that
    does not are 0 or, by rounding, nearly so.
    """
    return float(np.mean(1.0 - sse / np.where(moves, sst, np.nan)))


def check_shapes(decoded: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Refuse a target of another shape (n_steps, n_outputs) than what is decoded.

    Raises:
        MismatchError: the shapes differ.
    """
    if decoded != target:
        raise MismatchError(
            f"the target has shape {target}, what is decoded {decoded}; cut both from the same"
            " steps, with one target signal per output"
        )


def wilson(right: int, trials: int) -> tuple[float, float]:
    """Wilson's interval of a share, at 95 %."""
    from scipy.stats import binomtest  # only now, because it takes a second to import

    found = binomtest(right, trials).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def accuracy(right: int, trials: int) -> dict[str, float]:
    """Share of what was right, and the ends of Wilson's interval, as values for JSON."""
    low, high = wilson(right, trials)
    return {"accuracy": right / trials, "low": low, "high": high}
