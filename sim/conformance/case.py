"""What a conformance case is, and the contracts that cases share."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from numpy.typing import NDArray

from sim.contract import PAPER, NumericContract
from sim.network import IntegerNetwork

ALTERNATIVES = {  # the choices of the first version, in the order on which its cases depend
    "current": "new",
    "fires_on": "new_membrane",
    "fires_when": ">=",
    "reset": "subtract",
    "reset_drops_input": False,
    "rounding": "floor",
    "overflow_syn": "wrap",
    "overflow_mem": "wrap",
}


@dataclass(frozen=True)
class Case:
    """A network, its input, and the mistakes it reveals.

    Attributes:
        name: short, valid as a file name.
        what: the mistakes, in words.
        network: the network.
        raster: inputs (n_steps, n_inputs), uint8, or int8 where they are signed.
    """

    name: str
    what: str
    network: IntegerNetwork
    raster: NDArray[Any]


def covering_contracts() -> list[NumericContract]:
    """Six contracts, `PAPER` first, in which any two choices occur in all four combinations.

    Each choice departs from `PAPER` in another 3 of 5 contracts, and any two sets of 3 out of 5
    meet: Kleitman and Spencer, Discrete Mathematics 6 (1973).
    """
    departs = dict(zip(ALTERNATIVES, combinations(range(5), 3), strict=False))
    others = [
        {name: value for name, value in ALTERNATIVES.items() if i in departs[name]}
        for i in range(5)
    ]
    return [PAPER, *(replace(PAPER, **changes) for changes in others)]  # type: ignore[arg-type]
