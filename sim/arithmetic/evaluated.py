"""Intervals of the terms of a step: which of them fit into how many bits.

Sums of weights count in the unit of the current, in which generated code has them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from sim.arithmetic.intervals import Interval, Intervals, Maybe
from sim.arithmetic.symbols import Term
from sim.layer import Layer


class Evaluated:
    """The interval of any term of a layer's step."""

    def __init__(
        self,
        o: Intervals,
        layer: Layer,
        state: Any,
        source: Interval,
        known: Mapping[Term, Interval | Maybe] | None = None,
    ) -> None:
        """Evaluate over the words `state` and what arrives from below.

        `known` are terms known for other reasons: ranges that they do not leave, and conditions.
        """
        self.state, self.source = state, source
        self._o, self._known = o, known or {}
        self._connections = {k.name: k for k in layer.connections()}
        self._layer = layer
        self.of = cache(self._of)

    def fits(self, term: Term, low: int, high: int) -> bool:
        """Whether a term lies in low..high for every neuron."""
        found = self.of(term)
        if isinstance(found, Maybe):
            return True
        return bool((found.low >= low).all() and (found.high <= high).all())

    def _of(self, term: Term) -> Any:
        known = self._known.get(term)
        if isinstance(known, Maybe):
            return known
        found = self._computed(term)
        if known is None:
            return found
        return Interval(np.maximum(found.low, known.low), np.minimum(found.high, known.high))

    def _not_over(self, where: Term, x: Interval) -> Interval:
        """The value of a `where` whose mask does not hold: a tested value is not over threshold."""
        tested, threshold = where.operands[0].operands
        if where.operands[2] != tested:
            return x
        most = self.of(threshold).high - (self._o.order.fires_when == ">=")
        return Interval(x.low, np.minimum(x.high, most))

    def _computed(self, term: Term) -> Any:
        operands = [self.of(x) if isinstance(x, Term) else x for x in term.operands]
        match term.op:
            case "state":
                return getattr(self.state, operands[0])
            case "source":
                return self.source
            case "delivered":
                found = self._o.delivered(self._connections[operands[0]], operands[1])
                return self._o.scaled(found)
            case "scaled":
                return operands[0]
            case "each":
                x, which, *parts = operands
                senders = [
                    (self._connections[k], s) for k, s in zip(parts[::2], parts[1::2], strict=True)
                ]
                return self._o.each(x, senders)[("least", "most", "each").index(which)]
            case "zero":
                return Interval(*[np.zeros(self._layer.n_neurons, np.int64)] * 2)
            case "add":
                return operands[0] + operands[1]
            case "sub":
                return operands[0] - operands[1]
            case "where" if term.operands[0].op == "over":
                mask, a, b = operands
                return self._o.where(mask, a, self._not_over(term, b))
            case _:
                return getattr(self._o, term.op)(*operands)
