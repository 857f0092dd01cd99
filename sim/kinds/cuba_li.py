"""The readout: heads of current-based leaky integrators, in integers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError
from sim import step
from sim.layer import BELOW, Layer, array


@dataclass(frozen=True)
class CubaLI(Layer):
    """The readout: heads of current-based leaky integrators, in integers.

    Equations: `sim.step.readout`. Rows are ordered head by head: row `h * n_outputs + k` is output
    k of head h.

    Attributes:
        w_out: (n_heads * n_outputs, pre) weights.
        decay_syn, decay_mem: (rows,) decay factors.
        initial_out: (rows,) value of `out` before the first step.
        out_scale: (rows,) float64; `out * out_scale` is in the unit of the training target.
        n_heads: heads whose outputs are averaged.
        bias: (rows,) in units of `syn`, added in each step, or None.
        e_out: (rows,) left shift of the row of `w_out`, 0..15, or None for none.
    """

    w_out: NDArray[np.integer] = array("weight", "post", "pre")
    decay_syn: NDArray[np.integer] = array("decay", "post")
    decay_mem: NDArray[np.integer] = array("decay", "post")
    initial_out: NDArray[np.integer] = array("mem", "post")
    out_scale: NDArray[np.float64] = array("scale", "post")
    n_heads: int = 1
    bias: NDArray[np.integer] | None = array("syn", "post", omitted=True)
    e_out: NDArray[np.integer] | None = array(
        "shift", "post", omitted=True, tuned=frozenset({"numba", "bounds", "nir"})
    )

    STATES: ClassVar = {"syn": "syn", "out": "mem"}
    INITIAL: ClassVar = {"out": "initial_out"}
    CONNECTIONS: ClassVar = (("w_out", "e_out", BELOW),)
    UNNAMED: ClassVar = True
    TUNED: ClassVar = frozenset({"numba", "nir", "c", "verilog", "bounds", "gradient"})

    def __post_init__(self) -> None:
        if self.n_heads < 1 or self.n_neurons % self.n_heads:
            raise MismatchError(
                f"readout has {self.n_neurons} rows, which {self.n_heads} heads cannot share"
                " equally"
            )

    @property
    def n_outputs(self) -> int:
        return self.n_neurons // self.n_heads

    @staticmethod
    def step(o: Any, layer: "CubaLI", old: Any, source: Any) -> Any:
        """`sim.step.readout`."""
        return step.readout(o, layer, old, source)

    def reading(self) -> list[str]:
        """How to decode `out`, in lines of a comment."""
        rows = [f"row {i}: {scale.hex()}" for i, scale in enumerate(self.out_scale.tolist())]
        return ["Decoded values are the", "mean over heads of out * scale:", *rows]

    def decode(self, out: NDArray[np.integer]) -> NDArray[np.float64]:
        """Turn `out` words (n_steps, rows) into decoded values (n_steps, n_outputs).

        The mean over heads of `out * out_scale`, summed in head order: the one place where floats
        return.
        """
        scaled = out * self.out_scale
        if self.n_heads == 1:  # for closed loops, where every numpy call counts
            return scaled
        scaled = scaled.reshape(len(out), self.n_heads, self.n_outputs)
        total = scaled[:, 0]
        for head in range(1, self.n_heads):
            total = total + scaled[:, head]
        return total / self.n_heads


KIND = CubaLI
