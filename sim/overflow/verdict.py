"""Can a state overflow? Proved that it cannot, shown that it does, or reported as open."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arithmetic.ranges import UNBOUNDED
from sim.bounds.layers import LayerBounds, bits_for, state_bounds
from sim.network import IntegerNetwork
from sim.overflow.witness import Witness, drive, words_of

ROUNDS = 12  # of changes tried for a neuron where suggestions do not suffice
TRIED = 4  # neurons of a state for which they are tried
IN_VAIN = 64  # neurons of a state, the farthest bounds first, after which no more are searched


@dataclass(frozen=True)
class Verdict:
    """The verdict on one state of one layer, at the widths of the contract.

    Attributes:
        layer, variable: the state; the variable is `syn`, `mem` or `out`.
        width: width of its word, in bits.
        needed: least width in which no overflow is possible, if all words are as wide as they
            need to be; 64 if none is known.
        low, high: range that any of its words can be asked to hold; None if unbounded.
        overflows: a witness for each neuron that was made to overflow.
        open: neurons for which neither was shown, or that were not searched because too many
            came before them.
        farthest: of the neurons in `open`, what one was driven to, the nearest to overflow; None
            if there are none.
    """

    layer: str
    variable: str
    width: int
    needed: int
    low: int | None
    high: int | None
    overflows: tuple[Witness, ...]
    open: tuple[int, ...]
    farthest: int | None

    @property
    def cannot_overflow(self) -> bool:
        return not self.overflows and not self.open

    def row(self) -> dict[str, Any]:
        """The verdict as a row of a table, with values that JSON can hold."""
        return {
            "state": f"{self.layer}.{self.variable}",
            "range": {"min": self.low, "max": self.high},
            "bits_needed": self.needed,
            "width": self.width,
            "cannot_overflow": self.cannot_overflow,
            "overflowing": len(self.overflows),
            "not_excluded": len(self.open),
            "farthest": self.farthest,
        }


def verdicts(network: IntegerNetwork, *, rounds: int = ROUNDS, seed: int = 1) -> list[Verdict]:
    """Judge every state of every layer.

    Args:
        network: the network.
        rounds: rounds of a dozen changes each, for the few neurons of a state that come nearest;
            only where no neuron of it overflows on the inputs that the weights suggest.
        seed: seed of the changes.
    """
    bounds, unlimited = state_bounds(network), state_bounds(network, unlimited=True)
    found = []
    for name, layer in network.named_layers():
        for variable in words_of(layer):
            word = layer.STATES[variable]
            needed = bits_for(
                *unlimited[name].range_of(variable), symmetric=network.contract.is_symmetric(word)
            )
            most = int(needed.max())
            found.append(_judged(network, name, variable, word, most, bounds[name], rounds, seed))
    return found


def _judged(
    network: IntegerNetwork,
    layer: str,
    variable: str,
    word: str,
    needed: int,
    bounds: LayerBounds,
    rounds: int,
    seed: int,
) -> Verdict:
    first, end = ends = network.contract.range_of(word)
    low, high = bounds.range_of(variable)
    excess = np.maximum(first - low, high - end)
    doubtful = [
        neuron for neuron in np.argsort(-excess, kind="stable").tolist() if excess[neuron] > 0
    ]

    def sides(neuron: int) -> Iterator[str]:
        if low[neuron] < first:
            yield "low"
        if high[neuron] > end:
            yield "high"

    def driven(neuron: int, rounds: int) -> Witness:
        """The first side that overflows, or the one that comes nearest."""
        best: Witness | None = None
        for side in sides(neuron):
            witness = drive(
                network,
                layer,
                variable,
                neuron,
                side,
                rounds=rounds,
                seed=seed,
                within_word=True,
            )
            if _overflows(witness, ends):
                return witness
            if best is None or abs(witness.value) > abs(best.value):
                best = witness
        assert best is not None  # because some side is in doubt
        return best

    witnesses = {}
    in_vain = 0
    for neuron in doubtful:
        if in_vain < IN_VAIN:
            witnesses[neuron] = driven(neuron, 0)
            in_vain += not _overflows(witnesses[neuron], ends)
    if rounds and not any(_overflows(w, ends) for w in witnesses.values()):
        nearest = sorted(witnesses, key=lambda neuron: -abs(witnesses[neuron].value))
        for neuron in nearest[:TRIED]:
            witnesses[neuron] = driven(neuron, rounds)
            if _overflows(witnesses[neuron], ends):
                break
    short = [w for w in witnesses.values() if not _overflows(w, ends)]
    return Verdict(
        layer=layer,
        variable=variable,
        width=network.contract.bits_of(word),
        needed=needed,
        low=None if low.min() <= -UNBOUNDED else int(low.min()),
        high=None if high.max() >= UNBOUNDED else int(high.max()),
        overflows=tuple(
            witnesses[neuron] for neuron in sorted(witnesses) if _overflows(witnesses[neuron], ends)
        ),
        open=tuple(sorted({w.neuron for w in short} | (set(doubtful) - set(witnesses)))),
        farthest=max((w.value for w in short), key=abs, default=None),
    )


def _overflows(witness: Witness, ends: tuple[int, int]) -> bool:
    first, end = ends
    return not first <= witness.value <= end
