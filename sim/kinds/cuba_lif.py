"""A hidden layer of current-based leaky integrate-and-fire neurons, in integers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sim import step
from sim.layer import BELOW, OWN, Layer, array


@dataclass(frozen=True)
class CubaLIF(Layer):
    """A hidden layer of current-based leaky integrate-and-fire neurons, in integers.

    Equations: `sim.step.hidden`. Per neuron unless said:

    Attributes:
        w_in: (post, pre) weights of what comes from below.
        w_rec: (post, post) recurrent weights, or None.
        e_in, e_rec: (post,) left shift of the row of `w_in` and `w_rec`, 0..15.
        decay_syn, decay_mem: (post,) decay factors, 0..2^decay_frac.
        threshold: (post,) in units of `mem`.
        bias: (post,) in units of `syn`, added in each step, or None.
    """

    w_in: NDArray[np.integer] = array("weight", "post", "pre")
    w_rec: NDArray[np.integer] | None = array("weight", "post", "post", optional=True)
    e_in: NDArray[np.integer] = array("shift", "post")
    e_rec: NDArray[np.integer] = array("shift", "post")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    threshold: NDArray[np.integer] = array("mem", "post")
    bias: NDArray[np.integer] | None = array("syn", "post", omitted=True)

    STATES: ClassVar = {"spk": "", "syn": "syn", "mem": "mem"}
    CONNECTIONS: ClassVar = (("w_in", "e_in", BELOW), ("w_rec", "e_rec", OWN))
    UNNAMED: ClassVar = True
    TUNED: ClassVar = frozenset({"numba", "nir", "c", "verilog", "bounds", "gradient"})

    @staticmethod
    def step(o: Any, layer: "CubaLIF", old: Any, source: Any) -> step.Hidden:
        """`sim.step.hidden`."""
        return step.hidden(o, layer, old, source)


KIND = CubaLIF
