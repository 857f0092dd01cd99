"""The published search for the largest fraction of a network that can be pruned."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.model import RSNN
from rsnn.training.config import PruneConfig
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import score

DIGITS = 6  # of a fraction, so that 0.4 + 0.1 is 0.5


@dataclass(frozen=True)
class Attempt:
    """One pruned and retrained network; fraction 0 is the unpruned one, for comparison.

    `train_r2` and `validation_r2` are without dropout; `is_accepted` says whether `train_r2` is
    within tolerance of the unpruned network's.
    """

    fraction: float
    train_r2: float
    validation_r2: float
    is_accepted: bool


def next_fraction(attempts: Sequence[Attempt], pruning: PruneConfig) -> float | None:
    """The fraction to try next, or None when the search is over.

    It grows by `step` from `start`, until one costs too much; then by `fine_step` from the largest
    accepted one (below `start`: down by `fine_step`), until the next would be one that has failed
    or lies beyond `stop`.

    Args:
        attempts: so far, in order; the unpruned one may be among them.
    """
    tried = [a for a in attempts if a.fraction > 0.0]
    if not tried:
        return pruning.start
    failed = {a.fraction for a in tried if not a.is_accepted}
    accepted = [a.fraction for a in tried if a.is_accepted]
    if accepted:
        step = pruning.fine_step if failed else pruning.step
        following = round(max(accepted) + step, DIGITS)
    else:
        following = round(min(failed) - pruning.fine_step, DIGITS)
    over = following > pruning.stop or following <= 0.0
    return None if over or any(following >= f for f in failed if accepted) else following


def search(
    model: RSNN,
    session: Session,
    split: Split,
    pruning: PruneConfig,
    retraining: TrainConfig,
    retrained: Callable[[RSNN, float], None],
    *,
    on_attempt: Callable[[Attempt], None] | None = None,
) -> tuple[RSNN, tuple[Attempt, ...]]:
    """Prune and retrain with growing fractions, always from the unpruned weights.

    Args:
        model: trained and unpruned; left unchanged.
        pruning: fractions to try, and the tolerated loss.
        retraining: its kernel and device compute the scores.
        retrained: prunes the given copy of the model to a fraction and retrains it, as
            `rsnn.training.prune.prune` does.
        on_attempt: called after every attempt, the unpruned one first.

    Returns:
        The network of the largest accepted fraction (a copy of the unpruned one if none was), and
        all attempts.

    Raises:
        MismatchError, DataError, RsnnError: as in `retrained`.
    """
    best = copy.deepcopy(model)
    attempts: list[Attempt] = []

    def judge(candidate: RSNN, fraction: float) -> bool:
        train_r2 = score(candidate, session, split.train, retraining)
        validation_r2 = score(candidate, session, split.validation, retraining)
        floor = attempts[0].train_r2 * (1.0 - pruning.tolerance) if attempts else train_r2
        attempts.append(Attempt(fraction, train_r2, validation_r2, train_r2 >= floor))
        if on_attempt is not None:
            on_attempt(attempts[-1])
        return attempts[-1].is_accepted

    judge(model, 0.0)
    while (fraction := next_fraction(attempts, pruning)) is not None:
        candidate = copy.deepcopy(model)
        retrained(candidate, fraction)
        if judge(candidate, fraction):
            best = candidate
    return best, tuple(attempts)
