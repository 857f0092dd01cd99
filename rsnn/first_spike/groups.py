"""Groups of neurons per class: competition within a class, and thresholds that balance it."""

import numpy as np
from numpy.typing import NDArray

from rsnn.first_spike.layer import order
from rsnn.first_spike.rules import Rule


def classes(n: int, n_classes: int) -> NDArray[np.int64]:
    """The class of each neuron, (n,): groups of n / C neurons follow each other."""
    return np.arange(n) // (n // n_classes)


def is_target(n: int, rule: Rule) -> NDArray[np.bool_]:
    """Which neurons are target neurons, (n,): the first `n_nontarget` of each class are not."""
    return np.arange(n) % (n // rule.n_classes) >= rule.n_nontarget


def winners(spikes: NDArray[np.int64], v: NDArray[np.float64], n_classes: int) -> NDArray[np.bool_]:
    """Which neurons are the first of their class, (n,)."""
    n = len(spikes)
    found, of_class = np.zeros(n, bool), classes(n, n_classes)
    ordered = order(spikes, v)
    for c in range(n_classes):
        found[ordered[of_class[ordered] == c][0]] = True
    return found


def in_training(
    rule: Rule, threshold: NDArray[np.float64], adapted: NDArray[np.float64], label: int
) -> NDArray[np.float64]:
    """The thresholds for a training sample, (n,).

    Args:
        rule: of two thresholds, the adapted one is for target neurons of the sample's class.
        threshold: those of tests, (n,).
        adapted: those that regulation changes, (n,).
        label: class of the sample.
    """
    if not rule.two_thresholds:
        return adapted
    n = len(threshold)
    own = (classes(n, rule.n_classes) == label) & is_target(n, rule)
    return np.where(own, adapted, threshold)


def regulate(
    rule: Rule,
    rate: float,
    threshold: NDArray[np.float64],
    adapted: NDArray[np.float64],
    spikes: NDArray[np.int64],
    v: NDArray[np.float64],
    label: int,
) -> None:
    """Raise the adapted threshold of a class's first target neuron and lower the others', in place.

    Of m of them, the first gets rate (m - 1) / m, the others -rate / m. Of two thresholds, the
    adapted ones do not fall below the lowest of the layer.

    Args:
        rule, threshold, adapted, label: as in `in_training`.
        rate: how much.
        spikes, v: of all neurons, (n,).
    """
    n = len(threshold)
    mine = np.flatnonzero((classes(n, rule.n_classes) == label) & is_target(n, rule))
    m = len(mine)
    if m < 2 or rate <= 0:
        return
    first = mine[order(spikes[mine], v[mine])[0]]
    others = mine[mine != first]
    adapted[first] += rate * (m - 1) / m
    adapted[others] -= rate / m
    if rule.two_thresholds:
        adapted[mine] = np.maximum(adapted[mine], threshold.min())
