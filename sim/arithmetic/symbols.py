"""Symbols: over these a step is its own equations, from which source in any language is written.

A term is an operation on other terms; equal terms are one, so nothing is computed twice, and what
no wanted value depends on is never reached. Terms that the step gives a name keep it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from base.order import Order
from sim.layer import Connection, Layer


@dataclass(frozen=True)
class Term:
    """An operation and what it is applied to: terms and names.

    Operations: `state NAME`, `source`, `delivered CONNECTION source`, `scaled x`, `constant NAME`,
    `decayed x NAME`, `fit x WORD`, `over x threshold`, `where mask a b`, `zero`, `number N` (or the
    name of a field of the contract), `positive x`, `larger a b`, `count x threshold`,
    `less x n threshold`, `each x VALUE CONNECTION sent ..` (VALUE is `least`, `most` or `each`),
    `add a b`, `sub a b`.
    """

    op: str
    operands: tuple[Any, ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.op, self.operands))

    def __add__(self, other: "Term") -> "Term":
        return Term("add", (self, other))

    def __sub__(self, other: "Term") -> "Term":
        return Term("sub", (self, other))

    def below(self) -> Iterator["Term"]:
        """Every term that this one is computed from."""
        for operand in self.terms():
            yield operand
            yield from operand.below()

    def terms(self) -> Iterator["Term"]:
        """The operands that are terms."""
        return (operand for operand in self.operands if isinstance(operand, Term))


class Symbols:
    """The operations of `sim/step.py` on terms."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def delivered(self, connection: Connection, source: Term) -> Term:
        """What arrives through a connection, by its name."""
        return Term("delivered", (connection.name, source))

    def scaled(self, acc: Term) -> Term:
        """Sums of weights in the unit of the current."""
        return Term("scaled", (acc,))

    def constant(self, name: str) -> Term:
        """An array of the layer."""
        return Term("constant", (name,))

    def decayed(self, x: Term, name: str) -> Term:
        """`D(x, name)`."""
        return Term("decayed", (x, name))

    def fit(self, x: Term, word: str) -> Term:
        """`syn(x)` or `mem(x)`."""
        return Term("fit", (x, word))

    def over(self, x: Term, threshold: Term) -> Term:
        """`x > threshold`, or `>=`."""
        return Term("over", (x, threshold))

    def where(self, mask: Term, a: Term, b: Term) -> Term:
        """`a` where the mask holds, else `b`."""
        return Term("where", (mask, a, b))

    def number(self, what: int | str) -> Term:
        """A whole number, or the contract's field of that name."""
        return Term("number", (what,))

    def positive(self, x: Term) -> Term:
        """`x > 0`."""
        return Term("positive", (x,))

    def larger(self, a: Term, b: Term) -> Term:
        """`max(a, b)`."""
        return Term("larger", (a, b))

    def each(self, x: Term, senders: list[tuple[Connection, Term]]) -> tuple[Term, Term, Term]:
        """`least(x)`, `most(x)` and `each(x)`."""
        parts = [part for connection, sent in senders for part in (connection.name, sent)]
        least, most, word = (Term("each", (x, n, *parts)) for n in ("least", "most", "each"))
        return least, most, word

    def count(self, x: Term, threshold: Term) -> Term:
        """`n(x, threshold)`."""
        return Term("count", (x, threshold))

    def less(self, x: Term, n: Term, threshold: Term) -> Term:
        """`x - n * threshold`."""
        return Term("less", (x, n, threshold))

    def zero(self, x: Term) -> Term:
        """0."""
        return Term("zero")


def equations(layer: Layer, order: Order) -> dict[str, Term]:
    """Every intermediate of a layer's step by name, in the order of computation.

    Old states are `state NAME`, what arrives from below is `source`.
    """
    update = _update(layer, order)
    return {**update._asdict(), **{name: getattr(update, name) for name in layer.STATES}}


def asked(layer: Layer, order: Order) -> dict[str, tuple[Term, ...]]:
    """What each word of a layer is asked to hold."""
    found: dict[str, tuple[Term, ...]] = _update(layer, order).asked(Symbols(order))
    return found


def _update(layer: Layer, order: Order) -> Any:
    old = layer.words()(*(Term("state", (name,)) for name in layer.STATES))
    return layer.step(Symbols(order), layer, old, Term("source"))


def simplified(named: Mapping[str, Term]) -> dict[str, Term]:
    """The same values without additions of 0 and without fitting 0 into a word."""

    @cache
    def simple(term: Term) -> Term:
        operands = tuple(simple(x) if isinstance(x, Term) else x for x in term.operands)
        if term.op == "add" and operands[0].op == "zero":
            return operands[1]
        if term.op == "fit" and operands[0].op == "zero":
            return operands[0]
        return Term(term.op, operands)

    return {name: simple(term) for name, term in named.items()}


def statements(
    named: Mapping[str, Term],
    wanted: Iterable[str],
    write: Callable[[Term, Mapping[Term, str]], str],
) -> Iterator[tuple[str, str]]:
    """Assignments that compute wanted values, each name and its expression, in order.

    Args:
        named: the terms by name.
        wanted: names of the terms needed; others are written only where these depend on them.
        write: (term, names of other terms) -> the term's expression.
    """
    names: dict[Term, str] = {}
    for name, term in named.items():
        if term.op not in ("state", "source", "constant", "zero", "number"):
            names.setdefault(term, name)
    done: set[Term] = set()

    def needed(term: Term) -> Iterator[tuple[str, str]]:
        if term in done:
            return
        done.add(term)
        for operand in () if term.op == "each" else term.terms():  # they are read before
            yield from needed(operand)
        if term in names:
            others = {other: name for other, name in names.items() if other != term}
            yield names[term], write(term, others)

    for name in wanted:
        yield from needed(named[name])


def one_by_one(named: Mapping[str, Term]) -> list[Term]:
    """The terms to which spikes are added one after the other."""
    found = (part for term in named.values() for part in (term, *term.below()))
    every = (term for term in found if term.op == "each" and term.operands[1] == "each")
    return list(dict.fromkeys(every))


def held_in(term: Term) -> str:
    """The name of the first connection through which spikes come one after the other."""
    return str(term.operands[2])
