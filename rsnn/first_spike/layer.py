"""The forward pass of a layer of neurons that fire once: the definition, in plain numpy.

Exact semantics, for each group of events at the same time t:

    V_j = V_j exp(-(t - t_before) / tau)         without leak: V_j
    V_j = V_j + sum of w_ji over the group
    V_j > theta_j and j has not fired:           t_j = t, and V_j stays as it is

A neuron that never fires has t_j = t_max and the V_j of the end. Published semantics compare when
the next event is looked at: never after the last event, but also before it within its group; and
with leak after V_j has decayed to the next event's time.
"""

import numpy as np
from numpy.typing import NDArray


def decays(leak_tau: float, t_max: int) -> NDArray[np.float64]:
    """Factor of V after each number of ticks, (t_max + 1,); empty without leak.

    Args:
        leak_tau: time constant in units of `t_max`; 0 for no leak.
        t_max: ticks of a sample.
    """
    if leak_tau == 0:
        return np.empty(0)
    return np.exp(-np.arange(t_max + 1) / t_max / leak_tau)


def forward(
    w: NDArray[np.float64],
    threshold: NDArray[np.float64],
    index: NDArray[np.integer],
    tick: NDArray[np.integer],
    t_max: int,
    decay: NDArray[np.float64],
    *,
    published: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ticks of the first spikes and potentials at them, or at the end if silent, both (n,).

    Args:
        w: weights, (n, n_inputs).
        threshold: of each neuron, (n,).
        index, tick: events, sorted by tick.
        t_max: the tick of neurons that are silent.
        decay: as `decays` gives it.
        published: published semantics.
    """
    n, last = len(w), len(tick) - 1
    spikes, v = np.full(n, t_max, np.int64), np.zeros(n)
    silent = np.ones(n, bool)
    for q, (i, now) in enumerate(zip(index, tick, strict=True)):
        v[silent] += w[silent, i]
        after = tick[q + 1] if q < last else now
        if published:
            if len(decay):
                v[silent] *= decay[after - now]
            is_checked = q < last and (after > now or q == last - 1)
        else:
            is_checked = q == last or after > now
        if is_checked:
            fires = silent & (v > threshold)
            spikes[fires] = now
            silent &= ~fires
        if len(decay) and not published:
            v[silent] *= decay[after - now]
    return spikes, v


def order(spikes: NDArray[np.int64], v: NDArray[np.float64]) -> NDArray[np.intp]:
    """Neurons, the winner first: by earlier spike, then higher potential, then lower index."""
    return np.lexsort((-v, spikes))
