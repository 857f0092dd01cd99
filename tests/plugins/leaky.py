"""A leaky integrate-and-fire layer without synaptic current: spikes go straight to its membrane."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.layer import BELOW, Layer, array


class Update(NamedTuple):
    """All that a step computes."""

    acc: Any
    asked_mem: Any
    integrated: Any
    spk: Any
    mem: Any

    def asked(self, o: Any) -> dict[str, tuple[Any, ...]]:
        """What each word is asked to hold."""
        return {"mem": (self.asked_mem,)}


@dataclass(frozen=True)
class Leaky(Layer):
    """Weights (post, pre), and decay and threshold of each membrane (post,)."""

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post")

    STATES: ClassVar = {"spk": "", "mem": "mem"}
    CONNECTIONS: ClassVar = (("w_in", "", BELOW),)

    @staticmethod
    def step(o: Any, layer: "Leaky", old: Any, source: Any) -> Update:
        """One step from the words `old`: `spk` and `mem`, which a spike sets to 0."""
        acc = o.delivered(layer.connections()[0], source)
        asked = o.decayed(old.mem, "decay_mem") + o.scaled(acc)
        integrated = o.fit(asked, "mem")
        fires = o.over(integrated, o.constant("threshold"))
        mem = o.where(fires, o.zero(integrated), integrated)
        return Update(acc, asked, integrated, fires, mem)


KIND = Leaky
