"""A CuBa-LIF layer with two synaptic currents per neuron and several spikes in a step."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim import step
from sim.layer import BELOW, OWN, Layer, array


class TwoCurrents(NamedTuple):
    """All that a step computes; `spk` is a count."""

    acc: Any
    start: Any
    asked_syn: Any
    least: Any
    most: Any
    syn: Any
    acc2: Any
    start2: Any
    asked_syn2: Any
    least2: Any
    most2: Any
    syn2: Any
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
        return {
            "syn": (self.least, self.most),
            "syn2": (self.least2, self.most2),
            "mem": step.asked_of_integral(o, self),
        }


@dataclass(frozen=True)
class TwoSynapseCubaLIF(Layer):
    """`multi_spike_cuba_lif` with a second synaptic current, of weights and decays of its own.

    The membrane integrates the sum of both, and the bias. Per neuron unless said:

    Attributes:
        w_in, w_in2: (post, pre) weights of what comes from below, by current.
        w_rec, w_rec2: (post, post) recurrent weights, or None.
        e_in, e_in2, e_rec, e_rec2: (post,) left shift of the row of each, 0..15.
        decay_syn, decay_syn2, decay_mem: (post,) decays, factors or shifts.
        threshold: (post,) in units of `mem`, at least 1.
        bias: (post,) in units of `mem`, added to the membrane in each step, or None.
    """

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    w_in2: NDArray[np.integer] = array("weight", "post", "pre")
    w_rec: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    w_rec2: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    e_in: NDArray[np.integer] = array("shift", "post")
    e_in2: NDArray[np.integer] = array("shift", "post")
    e_rec: NDArray[np.integer] = array("shift", "post")
    e_rec2: NDArray[np.integer] = array("shift", "post")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_syn2: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post", low=1)
    bias: NDArray[np.integer] | None = array("mem", "post", omitted=True)

    STATES: ClassVar = {"spk": "", "syn": "syn", "syn2": "syn", "mem": "mem"}
    CONNECTIONS: ClassVar = (
        ("w_in", "e_in", BELOW),
        ("w_in2", "e_in2", BELOW),
        ("w_rec", "e_rec", OWN),
        ("w_rec2", "e_rec2", OWN),
    )
    CHOICES: ClassVar = step.COUNTING
    COUNTS: ClassVar = True

    @staticmethod
    def step(o: Any, layer: "TwoSynapseCubaLIF", old: Any, source: Any) -> TwoCurrents:
        """One step from the words `old`: `spk`, `syn`, `syn2` and `mem`."""
        sent = {k.name: (k, source if k.source == BELOW else old.spk) for k in layer.connections()}

        def synapse(mark: str, held: Any) -> step.Synapse:
            senders = [sent[name] for name in ("w_in" + mark, "w_rec" + mark) if name in sent]
            return step.synapse(o, senders, held, "decay_syn" + mark)

        first, second = synapse("", old.syn), synapse("2", old.syn2)
        is_previous = o.order.current == "previous"
        drive = old.syn + old.syn2 if is_previous else first.syn + second.syn
        return TwoCurrents(*first, *second, drive, *step.counted(o, layer, old.mem, drive))


KIND = TwoSynapseCubaLIF
