"""A CuBa-LIF layer whose neurons may spike several times in a step, in integers."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim import step
from sim.layer import BELOW, OWN, Layer, array


class Counted(NamedTuple):
    """All that a step computes; `spk` is a count."""

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
    spk: Any
    mem: Any

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """The values each word is asked to hold."""
        return {"syn": (self.least, self.most), "mem": step.asked_of_integral(o, self)}


@dataclass(frozen=True)
class MultiSpikeCubaLIF(Layer):
    """A CuBa-LIF layer whose neurons spike as often as the threshold is in the membrane.

    Each spike takes the threshold off the membrane after overflow, at most `max_spikes` times; what
    is sent is the count. Per neuron unless said:

    Attributes:
        w_in: (post, pre) weights of what comes from below.
        w_rec: (post, post) recurrent weights, or None.
        e_in, e_rec: (post,) left shift of the row of `w_in` and `w_rec`, 0..15.
        decay_syn, decay_mem: (post,) decays, factors or shifts.
        threshold: (post,) in units of `mem`, at least 1.
        bias: (post,) in units of `mem`, added to the membrane in each step, or None.
    """

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    w_rec: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    e_in: NDArray[np.integer] = array("shift", "post")
    e_rec: NDArray[np.integer] = array("shift", "post")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post", low=1)
    bias: NDArray[np.integer] | None = array("mem", "post", omitted=True)

    STATES: ClassVar = {"spk": "", "syn": "syn", "mem": "mem"}
    CONNECTIONS: ClassVar = (("w_in", "e_in", BELOW), ("w_rec", "e_rec", OWN))
    CHOICES: ClassVar = step.COUNTING
    COUNTS: ClassVar = True

    @staticmethod
    def step(o: Any, layer: "MultiSpikeCubaLIF", old: Any, source: Any) -> Counted:
        """One step from the words `old`: `spk`, `syn` and `mem`."""
        below, *own = layer.connections()
        senders = [(below, source), *((connection, old.spk) for connection in own)]
        now = step.synapse(o, senders, old.syn, "decay_syn")
        drive = old.syn if o.order.current == "previous" else now.syn
        return Counted(*now, drive, *step.counted(o, layer, old.mem, drive))


KIND = MultiSpikeCubaLIF
