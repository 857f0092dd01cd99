"""A CuBa-LIF layer whose thresholds rise with each spike and fall back, in integers."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim import step
from sim.layer import BELOW, OWN, Layer, array


class Adaptive(NamedTuple):
    """All that a step computes: that of a CuBa-LIF layer, then the adaptation."""

    acc: Any
    asked_syn: Any
    syn: Any
    drive: Any
    decayed: Any
    asked_sum: Any
    integrated: Any
    asked_reset: Any
    cleared: Any
    was_over: Any
    tested: Any
    fires: Any
    resets: Any
    mem: Any
    asked_adapt: Any
    adapt: Any

    @property
    def spk(self) -> Any:
        return self.fires

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """The values each word is asked to hold."""
        return step.asked_of(o, self) | {"adapt": (self.asked_adapt,)}


@dataclass(frozen=True)
class AdaptiveCubaLIF(Layer):
    """A CuBa-LIF layer with adaptive thresholds, after Bellec et al. (2018), in integers.

    `threshold + adapt` stands wherever a CuBa-LIF has its threshold, `adapt` from before the step.
    Per neuron unless said:

    Attributes:
        w_in: (post, pre) weights of what comes from below.
        w_rec: (post, post) recurrent weights, or None.
        e_in, e_rec: (post,) left shift of the row of `w_in` and `w_rec`, 0..15.
        decay_syn, decay_mem, decay_threshold: (post,) decay factors, 0..2^decay_frac;
            `decay_threshold` is that of `adapt`.
        threshold: (post,) in units of `mem`.
        threshold_step: (post,) increase of `adapt` per spike, in units of `mem`, at least 0.
        bias: (post,) in units of `syn`, added in each step, or None.
    """

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    w_rec: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    e_in: NDArray[np.integer] = array("shift", "post")
    e_rec: NDArray[np.integer] = array("shift", "post")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    decay_threshold: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post")
    threshold_step: NDArray[np.integer] = array("mem", "post", low=0)
    bias: NDArray[np.integer] | None = array("syn", "post", omitted=True)

    STATES: ClassVar = {"spk": "", "syn": "syn", "mem": "mem", "adapt": "mem"}
    CONNECTIONS: ClassVar = (("w_in", "e_in", BELOW), ("w_rec", "e_rec", OWN))

    @staticmethod
    def step(o: Any, layer: "AdaptiveCubaLIF", old: Any, source: Any) -> Adaptive:
        """One step from the words `old`: `spk`, `syn`, `mem` and `adapt`."""
        syn = step.current(o, layer, old, source)
        mem = step.membrane(o, old.mem, syn.drive, o.constant("threshold") + old.adapt)
        rise = o.where(mem.fires, o.constant("threshold_step"), o.zero(old.adapt))
        asked = o.decayed(old.adapt, "decay_threshold") + rise
        return Adaptive(*syn, *mem, asked, o.fit(asked, "mem"))


KIND = AdaptiveCubaLIF
