"""A readout of integrate-and-fire neurons of which the first to spike decides, in integers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.ranges import Range
from sim.contract import NumericContract, signed_range
from sim.layer import BELOW, Layer, array


class Update(NamedTuple):
    """All that a step computes; `fires` is the spike."""

    acc: Any
    decayed: Any
    asked_v: Any
    integrated: Any
    room: Any
    is_open: Any
    hit: Any
    fires: Any
    fired: Any
    v: Any
    left: Any
    goes_on: Any
    t: Any
    lead: Any
    ahead: Any
    asked_out: Any
    out: Any

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """The values each word is asked to hold; the sum of a neuron that has fired is dropped."""
        return {
            "v": (o.where(self.is_open, self.asked_v, self.v),),
            "t": (self.t,),
            "lead": (self.lead,),
            "out": (self.asked_out,),
        }


@dataclass(frozen=True)
class FirstSpike(Layer):
    """Integrate-and-fire neurons that spike once at most; the first one's class is the decision.

    A sample is a run from the initial state of as many steps as `lead_start` has `lead_step`. A
    neuron integrates until it fires or the sample ends. `out` orders the neurons: the earlier the
    higher, and of those that fire in one step, as of those that stay silent, the one with the
    higher potential `v`. Of equals, the first neuron is first. Per neuron:

    Attributes:
        w_in: (post, pre) weights of the inputs, all in one unit, as potentials are compared.
        decay_mem: (post,) decay factors, 2^decay_frac without a leak.
        threshold: (post,) in units of `v`.
        lead_step: (post,) the decrease of `lead` per step: a power of 2 above the range of `v`.
        lead_start: (post,) the steps of a sample times `lead_step`.
        label: (post,) the class of each neuron, from 0.
        n_heads: 1.
    """

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post")
    lead_step: NDArray[np.integer] = array("mem", "post", low=1)
    lead_start: NDArray[np.integer] = array("mem", "post", low=1)
    label: NDArray[np.integer] = array("mem", "post", low=0)
    n_heads: int = 1

    STATES: ClassVar = {"fired": "", "v": "mem", "t": "mem", "lead": "mem", "out": "mem"}
    INITIAL: ClassVar = {"lead": "lead_start"}
    CONNECTIONS: ClassVar = (("w_in", "", BELOW),)
    ALONE: ClassVar = True
    TUNED: ClassVar = frozenset({"events"})

    @property
    def n_outputs(self) -> int:
        return 1

    @staticmethod
    def step(o: Any, layer: "FirstSpike", old: Any, source: Any) -> Update:
        """One step from the words `old`: `fired`, `v`, `t`, `lead` and `out`.

        Source: the exact semantics of Goupy, Tirilly, Bilasco (NeurIPS 2024), a step per time.
        """
        (below,) = layer.connections()
        acc = o.delivered(below, source)
        decayed = o.decayed(old.v, "decay_mem")
        asked_v = decayed + o.scaled(acc)
        integrated = o.fit(asked_v, "mem")
        room = o.where(o.positive(old.fired), o.zero(old.lead), old.lead)
        is_open = o.positive(room)
        hit = o.where(o.over(integrated, o.constant("threshold")), room, o.zero(room))
        fires = o.positive(hit)
        fired = o.where(fires, o.number(1), old.fired)
        v = o.where(is_open, integrated, old.v)
        left = o.where(fires, o.zero(room), room)
        goes_on = o.positive(left)
        t = o.where(goes_on, old.t + o.number(1), old.t)
        less = o.larger(old.lead - o.constant("lead_step"), o.zero(old.lead))
        lead = o.where(goes_on, less, old.lead)
        ahead = o.where(o.positive(fired), lead, o.zero(lead))
        asked_out = v + ahead
        out = o.fit(asked_out, "mem")
        return Update(
            *(acc, decayed, asked_v, integrated, room, is_open, hit, fires, fired, v, left),
            *(goes_on, t, lead, ahead, asked_out, out),
        )

    def limits(self, contract: NumericContract) -> Mapping[str, Range]:
        """Each input comes once: a potential is at most all positive weights, with no decay.

        A decay moves it towards 0, or by rounding not away from it; so sums of weights so far, of
        either sign, bound it at any time. `t` counts the steps of a sample.
        """
        steps = -(-self.lead_start // self.lead_step)
        found = {"t": Range(np.zeros_like(steps), steps)}
        if contract.inputs_once:
            (below,) = self.connections()
            low, high = (sign * below.pushes(sign).sum(1) for sign in (-1, 1))
            ends = Range(low << contract.frac_bits, high << contract.frac_bits)
            word = signed_range(contract.mem_bits)
            fits = (ends.low >= word[0]) & (ends.high <= word[1])
            if contract.overflow_mem == "saturate" or fits.all():
                found["asked_v"] = ends
        return found

    def reading(self) -> list[str]:
        """How to decode `out`, in lines of a comment."""
        rows = [f"row {i}: class {label}" for i, label in enumerate(self.label.tolist())]
        return ["After a sample, the", "class is that of the row with the largest word:", *rows]

    def decode(self, out: NDArray[np.integer]) -> NDArray[np.float64]:
        """The class that each row of `out` words (n_steps, rows) decides on, (n_steps, 1)."""
        classes: NDArray[np.float64] = self.label[out.argmax(1)][:, None].astype(np.float64)
        return classes


KIND = FirstSpike
