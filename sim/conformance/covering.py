"""Few contracts in which any two choices meet, so that no combination of two goes untried."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import combinations, product
from typing import Any

from sim.contract import PAPER, NumericContract, choices, numbers

Choices = Mapping[str, tuple[Any, ...]]


def later_versions(version: int) -> list[int]:
    """The versions of the numeric contract after `version` that introduced a choice."""
    introduced = _introduced()
    return sorted({introduced[name] for name in choices() if introduced[name] > version})


def known_in(version: int) -> dict[str, tuple[Any, ...]]:
    """The choices that a version of the numeric contract has, the default of each first."""
    introduced = _introduced()
    return {name: values for name, values in choices().items() if introduced[name] <= version}


def numbers_since(version: int) -> dict[str, tuple[int, ...]]:
    """The numeric fields of every kind that a version introduced, and their values."""
    introduced = _introduced()
    opt_in = {item.name for item in fields(NumericContract) if "opt_in" in item.metadata}
    return {
        name: values
        for name, values in numbers().items()
        if introduced[name] == version and name not in opt_in
    }


def covering(known: Choices, met: Sequence[NumericContract] = ()) -> list[NumericContract]:
    """Contracts that have, with those in `met`, any two values of any two of the fields `known`.

    Greedy: each begins with the first two values that have not met, and takes of every other field
    the value that lets most of the rest meet.
    """
    pairs = [
        pair
        for a, b in combinations(known, 2)
        for pair in product(product([a], known[a]), product([b], known[b]))
        if not any(_has(contract, pair) for contract in met)
    ]
    found = []
    while pairs:
        chosen = dict(pairs[0])
        for name, values in known.items():
            if name not in chosen:
                gains = {v: sum(_adds(chosen, name, v, pair) for pair in pairs) for v in values}
                chosen[name] = max(values, key=gains.__getitem__)
        found.append(replace(PAPER, **chosen))
        pairs = [pair for pair in pairs if not _has(found[-1], pair)]
    return found


def _introduced() -> dict[str, int]:
    """The version that introduced each field, or made it a choice."""
    return {
        item.name: item.metadata.get("choice_since", item.metadata.get("since", 1))
        for item in fields(NumericContract)
    }


def _has(contract: NumericContract, pair: tuple[tuple[str, Any], ...]) -> bool:
    return all(getattr(contract, name) == value for name, value in pair)


def _adds(chosen: Mapping[str, Any], name: str, value: Any, pair: tuple[Any, ...]) -> bool:
    """Whether two values meet once `name` has a value, given those chosen before."""
    return (name, value) in pair and all(n == name or chosen.get(n) == v for n, v in pair)
