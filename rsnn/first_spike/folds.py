"""Parts of samples in which classes keep their shares."""

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, RangeError


def stratified_folds(labels: NDArray[np.integer], n_folds: int) -> list[NDArray[np.int64]]:
    """The numbers of the samples of each fold, ascending; as scikit-learn's without shuffling.

    Args:
        labels: class of each sample, (n_samples,).
        n_folds: at least 2.

    Raises:
        RangeError: below 2 folds.
        DataError: a class has fewer samples than there are folds.
    """
    if n_folds < 2:
        raise RangeError(f"`folds` is {n_folds}; at least 2 are needed")
    present, first, counts = np.unique(labels, return_index=True, return_counts=True)
    if counts.min(initial=n_folds) < n_folds:
        raise DataError(
            f"class {present[counts.argmin()]} has {counts.min()} samples; {n_folds} folds need as"
            " many of each class"
        )
    fold_of = np.empty(len(labels), np.int64)
    rank = np.argsort(np.argsort(first))  # classes in the order in which they first occur
    ordered = np.sort(rank[np.searchsorted(present, labels)])
    shares = [np.bincount(ordered[k::n_folds], minlength=len(present)) for k in range(n_folds)]
    for label, place in zip(present, rank, strict=True):
        sizes = [share[place] for share in shares]
        fold_of[labels == label] = np.repeat(np.arange(n_folds), sizes)
    return [np.flatnonzero(fold_of == k) for k in range(n_folds)]


def stratified_split(
    labels: NDArray[np.integer], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of the samples to train on and to validate on, both ascending.

    Args:
        labels: class of each sample, (n_samples,).
        share: of each class that is for validation, rounded; at least one sample of each class.
        seed: of the choice.

    Raises:
        DataError: a class has a single sample.
    """
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        if len(mine) < 2:
            raise DataError(f"class {label} has a single sample; a split needs at least 2 of each")
        chosen.append(generator.permutation(mine)[: max(1, round(share * len(mine)))])
    validation = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(labels)), validation), validation
