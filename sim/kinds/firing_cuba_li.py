"""A readout whose integrators also spike: the threshold is taken off, once in a step at most."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError
from sim import step
from sim.kinds.cuba_li import CubaLI
from sim.layer import array


class Firing(NamedTuple):
    """All that a step computes."""

    acc: Any
    start: Any
    asked_syn: Any
    least: Any
    most: Any
    syn: Any
    drive: Any
    decayed: Any
    asked_rise: Any
    rise: Any
    asked_mem: Any
    integrated: Any
    fired: Any
    out: Any

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """The values each word is asked to hold."""
        return {"syn": (self.least, self.most), "out": step.asked_of_integral(o, self)}


@dataclass(frozen=True)
class FiringCubaLI(CubaLI):
    """A CuBa-LI readout whose rows spike too, as those of chips without other readouts.

    Where the integrated `out` is over threshold, `fired` is 1 and the threshold is taken off. What
    is decoded is `out`. Arrays as in `sim.kinds.cuba_li.CubaLI`, and:

    Attributes:
        bias: (rows,) in units of `out`, added to it in each step, or None.
        threshold: (rows,) in units of `out`, at least 1.
    """

    bias: NDArray[np.integer] | None = array("mem", "post", omitted=True)
    threshold: NDArray[np.integer] = array("mem", "post", low=1, omitted=True)

    STATES: ClassVar = {"fired": "", "syn": "syn", "out": "mem"}
    UNNAMED: ClassVar = False
    TUNED: ClassVar = frozenset()
    CHOICES: ClassVar = step.MEMBRANE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold is None:
            raise MismatchError(
                f"a readout of kind {self.kind()} has no `threshold`; give one per row, or use"
                " cuba_li, which does not fire"
            )

    @staticmethod
    def step(o: Any, layer: "CubaLI", old: Any, source: Any) -> Firing:
        """One step from the words `old`: `syn` and `out`."""
        (below,) = layer.connections()
        now = step.synapse(o, [(below, source)], old.syn, "decay_syn")
        drive = old.syn if o.order.current == "previous" else now.syn
        total = step.integral(o, layer, old.out, drive)
        threshold = o.constant("threshold")
        fired = o.over(total.integrated, threshold)
        out = o.where(fired, total.integrated - threshold, total.integrated)
        return Firing(*now, drive, *total, fired, out)


KIND = FiringCubaLI
