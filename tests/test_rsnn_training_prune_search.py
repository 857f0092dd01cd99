"""The published search over pruned fractions: which are tried, and which one wins."""

import pytest
import torch
from quick_training import SPLIT, fresh_model, quick_session

from rsnn.training.config import PruneConfig
from rsnn.training.prune import magnitude_masks
from rsnn.training.prune_search import Attempt, next_fraction, search
from rsnn.training.recipe import TrainConfig


def tried(fails_from: float, pruning: PruneConfig | None = None) -> list[float]:
    pruning = pruning or PruneConfig()
    attempts = [Attempt(0.0, 1.0, 1.0, True)]
    while (fraction := next_fraction(attempts, pruning)) is not None:
        attempts.append(Attempt(fraction, 1.0, 1.0, fraction < fails_from))
    return [a.fraction for a in attempts[1:]]


@pytest.mark.parametrize(
    ("fails_from", "expected"),
    [
        (0.41, [0.4, 0.5, 0.45]),  # wins: 0.40
        (0.46, [0.4, 0.5, 0.45]),  # wins: 0.45
        (0.51, [0.4, 0.5, 0.6, 0.55]),  # wins: 0.50
        (0.76, [0.4, 0.5, 0.6, 0.7, 0.8, 0.75]),  # wins: 0.75
        (0.99, [0.4, 0.5, 0.6, 0.7, 0.8]),  # wins: 0.80
        (0.31, [0.4, 0.35, 0.3]),  # wins: 0.30
        (0.01, [0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05]),  # none: unpruned
    ],
)
def test_fractions_grow_until_one_costs_too_much_then_finely(fails_from, expected):
    assert tried(fails_from) == expected


def test_steps_and_ends_are_those_of_the_settings():
    pruning = PruneConfig(start=0.2, step=0.2, fine_step=0.1, stop=0.6)
    assert tried(0.99, pruning) == [0.2, 0.4, 0.6]
    assert tried(0.45, pruning) == [0.2, 0.4, 0.6, 0.5]


@pytest.mark.slow
def test_the_largest_fraction_within_tolerance_wins_and_the_model_stays_unpruned():
    session = quick_session()
    model = fresh_model(session)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    seen = []

    def retrained(candidate, fraction):
        masks = magnitude_masks(candidate, fraction)
        with torch.no_grad():
            for name, weight in candidate.connections().items():
                weight.masked_fill_(~masks[name], 0.0)
                if fraction > 0.4:
                    weight.zero_()  # decodes nothing any more

    pruning = PruneConfig(tolerance=0.99)
    with torch.no_grad():
        for head in model.heads:
            head.w_out.mul_(0.0)  # R2 near 0, so that any loss is within tolerance or far beyond
    plain = TrainConfig(kernel="torch")
    best, attempts = search(
        model, session, SPLIT, pruning, plain, retrained, on_attempt=seen.append
    )
    assert tuple(seen) == attempts
    assert attempts[0].fraction == 0.0
    winner = max(a.fraction for a in attempts if a.is_accepted)
    zero = float((best.hidden[0].w_in == 0).float().mean())
    assert zero >= winner - 1e-6
    for name, weight in model.state_dict().items():
        if "w_out" not in name:
            assert torch.equal(weight, before[name]), name
