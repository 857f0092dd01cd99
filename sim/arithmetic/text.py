"""A step as text: its equations for people, plain or in LaTeX, under every order at once.

Each intermediate has a line, or one per choice of the contract that it depends on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import chain, product
from typing import Any

import numpy as np

from base.order import BETWEEN_LAYERS, Order, possible_values
from sim.arithmetic.symbols import Term, equations
from sim.layer import OWN, Layer


@dataclass(frozen=True)
class Dialect:
    """How an operation is written; `{}` are its operands."""

    decayed: str = "D({}, {})"
    fit: str = "{1}({0})"
    over: str = "{} > {}"
    where: str = "{1} where {0}, else {2}"
    scaled: str = "({} << frac_bits)"
    positive: str = "{} > 0"
    larger: str = "max({}, {})"
    count: str = "n({}, {})"
    each: str = "{1}({0})"
    less: str = "{} - {} * {}"
    add: str = "{} + {}"
    sub: str = "{} - {}"
    shifted: str = "({} << {})"
    sum: str = "sum_{0} {1} {2}_{0}"
    name: str = "{}"
    primed: str = "{}'"
    underscore: str = "_"

    def called(self, name: str, *, primed: bool = False) -> str:
        """A name as it is written."""
        form = self.primed if primed else self.name
        return form.format(name.replace("_", self.underscore))


PLAIN = Dialect()
LATEX = Dialect(
    fit=r"\mathrm{{{1}}}({0})",
    larger=r"\max({}, {})",
    less=r"{} - {} \cdot {}",
    where=r"{1} \text{{ where }} {0} \text{{, else }} {2}",
    scaled=r"{} \cdot 2^{{\mathit{{frac\_bits}}}}",
    shifted=r"{} 2^{{{}}}",
    sum=r"\sum_{0} {1} \, \mathit{{{2}}}_{0}",
    name=r"\mathit{{{}}}",
    primed=r"\mathit{{{}}}'",
    underscore=r"\_",
)

NOTATION = """\
In equations, `D(x, d) = x * d / 2^decay_frac`, rounded as `rounding` says, or, where `decay` is
`shift`, x - floor(x / 2^d), at least 1 less if x > 0; `syn()` and `mem()` are the overflow rules of
the two state words; a primed state is that after the step; `>` is `>=` where `fires_when` says so;
`x_j` is a spike of `delay_steps` before, unless `inputs_at_once` or `readout_delayed` says
otherwise, `spk_k` one of the step before; `n(x, th)` is how often th can be taken off x while
x > th, at most `max_spikes` times; `each(x)` is x after every spike of the step has been added to
it by itself, by `syn()` each time, and `least(x)` and `most(x)` are the least and the most that
`syn()` is given meanwhile.
"""
_PART = "\0"


@dataclass(frozen=True)
class _Text:
    """An expression with a `_PART` for each part, which may be called by several names."""

    form: str
    parts: tuple[tuple[str, ...], ...] = ()


def lines(kind: type[Layer], dialect: Dialect = PLAIN) -> list[tuple[str, str, str]]:
    """The equations of a kind: name, expression and the condition under which it holds.

    The condition is empty where there is none.
    """
    layer = _complete(kind)
    values = possible_values(Order)
    known = {
        item.name: tuple(value for value in values[item.name] if kind.computes(item, value))
        for item in fields(Order)
        if item.name not in BETWEEN_LAYERS
    }
    orders = [dict(zip(known, values, strict=True)) for values in product(*known.values())]
    written = [_written(layer, Order(**order), dialect) for order in orders]
    found = []
    for name in written[0]:
        texts = _settled([text[name] for text in written])
        deciding = [field for field in known if _depends(orders, texts, field)]
        cases: dict[str, list[str]] = {}
        for order, text in zip(orders, texts, strict=True):
            condition = ", ".join(_condition(field, order[field]) for field in deciding)
            if condition not in cases.setdefault(text, []):
                cases[text].append(condition)
        found += [(name, text, " or ".join(conditions)) for text, conditions in cases.items()]
    return found


def plain(kind: type[Layer]) -> str:
    """The equations of a kind, one per line; conditions of a name are in a column."""
    rows = lines(kind)
    width = max(len(name) for name, _, _ in rows)
    longest: dict[str, int] = {}
    for name, text, _ in rows:
        longest[name] = max(longest.get(name, 0), len(text))
    written, before = [], ""
    for name, text, condition in rows:
        line = f"{'' if name == before else name:<{width}} = {text}"
        column = width + longest[name] + 5
        written.append(f"{line:<{column}}{condition}".rstrip() if condition else line)
        before = name
    return "\n".join(written)


def latex(kind: type[Layer]) -> str:
    """The equations of a kind for LaTeX's `align*`."""
    rows = []
    for name, text, condition in lines(kind, LATEX):
        remark = rf" && \text{{{condition}}}".replace("_", r"\_") if condition else ""
        rows.append(rf"{name} &= {text}{remark} \\")
    return "\n".join(rows)


def _complete(kind: type[Layer]) -> Layer:
    """A layer of one neuron that has every array."""
    values: dict[str, Any] = {
        name: np.ones((1,) * len(declared.axes), np.int64)
        for name, declared in kind.declared().items()
    }
    return kind(**values)


def _written(layer: Layer, order: Order, dialect: Dialect) -> dict[str, _Text]:
    """Each intermediate's expression in terms of those before it, by the name it is given."""
    named = equations(layer, order)
    states = {id(named[state]): state for state in layer.STATES}
    new = {id(term) for term in named.values()} & set(states)
    labels: dict[int, tuple[str, ...]] = {}
    texts: dict[str, _Text] = {}
    for name, term in named.items():
        is_new = id(term) in new  # when it is met first, a state is called by its own name
        new.discard(id(term))
        own = dialect.called(states[id(term)] if is_new else name, primed=is_new)
        if name not in layer.STATES or is_new:
            before = labels.get(id(term), ())
            if before:
                held = (dialect.called(term.operands[0]),) if term.op == "state" else ()
                texts[own] = _Text(_PART, ((*held, *before),))
            else:
                texts[own] = _expression(layer, term, labels, dialect)
            labels[id(term)] = (*before, own)
    return texts


def _expression(
    layer: Layer, term: Term, labels: Mapping[int, tuple[str, ...]], d: Dialect
) -> _Text:
    """A term, in which terms that have labels are called by one of them."""
    if term.op == "zero":
        return _Text("0")
    if term.op == "number" and isinstance(term.operands[0], int):
        return _Text(str(term.operands[0]))
    if term.op in ("state", "constant", "number"):
        return _Text(_PART, ((d.called(term.operands[0]),),))
    if term.op == "delivered":
        return _Text(_PART, ((_sum(layer, term.operands[0], d),),))
    operands = []
    for operand in term.operands[: 2 if term.op == "each" else None]:
        if isinstance(operand, str):
            operands.append(_Text(operand if term.op in ("fit", "each") else d.called(operand)))
        elif id(operand) in labels:
            own = () if operand.op != "state" else (d.called(operand.operands[0]),)
            operands.append(_Text(_PART, ((*labels[id(operand)], *own),)))
        else:
            operands.append(_expression(layer, operand, labels, d))
    if term.op == "add" and operands[0].form == "0":
        return operands[1]
    for i, operand in enumerate(term.operands[1:], 1):
        inner = ("where", "add", "sub") if term.op == "sub" else ("where",)
        if term.op in ("add", "sub") and operand.op in inner and id(operand) not in labels:
            operands[i] = _Text(f"({operands[i].form})", operands[i].parts)
    form = getattr(d, term.op)
    return _joined(form, operands)


def _joined(form: str, operands: list[_Text]) -> _Text:
    """One expression of several; the parts stay in the order in which they are written."""
    order = [int(found) for found in re.findall(r"(?<!{){(\d)}", form)] or range(len(operands))
    text = form.format(*(operand.form for operand in operands))
    return _Text(text, tuple(part for i in order for part in operands[i].parts))


def _settled(texts: list[_Text]) -> list[str]:
    """Each text with names chosen so that as many as possible are the same under every order."""
    common: dict[str, list[list[str]]] = {}
    for text in texts:
        known = common.setdefault(text.form, [list(part) for part in text.parts])
        for names, part in zip(known, text.parts, strict=True):
            names[:] = [name for name in names if name in part]
    settled = []
    for text in texts:
        pieces = text.form.split(_PART)
        names = [(n or p)[0] for n, p in zip(common[text.form], text.parts, strict=True)]
        settled.append("".join(chain.from_iterable(zip(pieces, [*names, ""], strict=True))))
    return settled


def _sum(layer: Layer, name: str, d: Dialect) -> str:
    """What arrives through a connection."""
    shift, source = next((s, source) for n, s, source in layer.CONNECTIONS if n == name)
    weight = d.called(name)
    if shift:
        weight = d.shifted.format(weight, d.called(shift))
    own = source == OWN
    return d.sum.format("k" if own else "j", weight, "spk" if own else "x")


def _depends(orders: list[dict[str, Any]], texts: list[str], field: str) -> bool:
    """Whether a text changes with a field alone."""
    by_others: dict[tuple[Any, ...], set[str]] = {}
    for order, text in zip(orders, texts, strict=True):
        others = tuple(value for name, value in order.items() if name != field)
        by_others.setdefault(others, set()).add(text)
    return any(len(found) > 1 for found in by_others.values())


def _condition(field: str, value: object) -> str:
    if isinstance(value, bool):
        return field if value else f"not {field}"
    return f"{field} == {value}"
