"""A LIF layer whose synaptic currents rise and fall, with a refractory period, in integers."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.layer import BELOW, OWN, Layer, array


class Update(NamedTuple):
    """All that a step computes; `fires` is the spike."""

    acc: Any
    asked_rise: Any
    rise: Any
    asked_syn: Any
    syn: Any
    drive: Any
    given: Any
    decayed: Any
    asked_sum: Any
    integrated: Any
    waits: Any
    tested: Any
    fires: Any
    mem: Any
    asked_wait: Any
    wait: Any

    @property
    def spk(self) -> Any:
        return self.fires

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """The values each word is asked to hold; the sum of a neuron that waits is dropped."""
        summed = o.where(self.waits, self.tested, self.asked_sum)
        return {
            "rise": (self.asked_rise,),
            "syn": (self.asked_syn,),
            "mem": (summed,),
            "wait": (self.asked_wait,),
        }


@dataclass(frozen=True)
class DoubleExpLIF(Layer):
    """A LIF layer with double-exponential synapses and a refractory period, in integers.

    The spiking networks that rate networks are mapped to (Kim, Li, Sejnowski 2019), with their
    membranes counted from the reset. Recurrent spikes pass two filters, `rise` and then `syn`;
    inputs go to the membrane directly. After a spike a neuron integrates nothing for
    `refractory_steps` steps, which `wait` counts down. Per neuron unless said:

    Attributes:
        w_direct: (post, pre) weights of what comes from below.
        w_rec: (post, post) recurrent weights, or None.
        e_direct, e_rec: (post,) left shift of the row of `w_direct` and `w_rec`, 0..15.
        decay_rise, decay_syn, decay_mem: (post,) decay factors, 0..2^decay_frac.
        threshold: (post,) in units of `mem`.
        bias: (post,) in units of `mem`, added to the membrane in each step, or None.
        initial_mem: (post,) value of `mem` before the first step, or None for 0.
    """

    w_direct: NDArray[np.integer] = array("weight", "post", "pre")
    w_rec: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    e_direct: NDArray[np.integer] = array("shift", "post")
    e_rec: NDArray[np.integer] = array("shift", "post")
    decay_rise: NDArray[np.integer] = array("decay", "post")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post")
    bias: NDArray[np.integer] | None = array("mem", "post", omitted=True)
    initial_mem: NDArray[np.integer] | None = array("mem", "post", omitted=True)

    STATES: ClassVar = {"spk": "", "rise": "syn", "syn": "syn", "mem": "mem", "wait": "mem"}
    INITIAL: ClassVar = {"mem": "initial_mem"}
    CONNECTIONS: ClassVar = (("w_direct", "e_direct", BELOW), ("w_rec", "e_rec", OWN))
    CHOICES: ClassVar = {
        "refractory_steps": range(256),
        "fires_on": ("new_membrane",),
        "reset": ("zero",),
        "reset_drops_input": (True,),
        "reset_delay": (False,),
    }

    @staticmethod
    def step(o: Any, layer: "DoubleExpLIF", old: Any, source: Any) -> Update:
        """One step from the words `old`: `spk`, `rise`, `syn`, `mem` and `wait`.

        Source: Kim, Li, Sejnowski, PNAS 116:22811 (2019), and its code, with m = v - v_reset.
        """
        below, *others = layer.connections()
        acc = o.zero(old.rise)
        for connection in others:
            acc = acc + o.delivered(connection, old.spk)
        asked_rise = o.decayed(old.rise, "decay_rise") + o.scaled(acc)
        rise = o.fit(asked_rise, "syn")
        asked_syn = o.decayed(old.syn, "decay_syn") + old.rise
        syn = o.fit(asked_syn, "syn")
        drive = old.syn if o.order.current == "previous" else syn
        given = o.delivered(below, source)
        decayed = o.decayed(old.mem, "decay_mem")
        asked_sum = decayed + drive + o.scaled(given)
        if layer.bias is not None:
            asked_sum = asked_sum + o.constant("bias")
        integrated = o.fit(asked_sum, "mem")
        waits = o.positive(old.wait)
        tested = o.where(waits, old.mem, integrated)
        fires = o.over(tested, o.constant("threshold"))
        mem = o.where(fires, o.zero(tested), tested)
        left = o.larger(old.wait - o.number(1), o.zero(old.wait))
        asked_wait = o.where(fires, o.number("refractory_steps"), left)
        wait = o.fit(asked_wait, "mem")
        return Update(
            *(acc, asked_rise, rise, asked_syn, syn, drive, given, decayed, asked_sum, integrated),
            *(waits, tested, fires, mem, asked_wait, wait),
        )


KIND = DoubleExpLIF
