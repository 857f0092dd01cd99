"""The rate network: its arrays, and what it computes.

    x[t] = (1 - 1/tau) x[t-1] + (1/tau) (W r[t-1] + w_in u[t-1]) + noise[t]
    r[t] = phi(x[t])
    o[t] = w_out . r[t] + b_out

W is `w` without what is below 0, times the sign of the sending unit, times a mask. Equations 1 to 5
of Kim et al. (2019), in the steps of the published code: noise is outside the factor 1/tau.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.checks import check_choice
from base.errors import DataError, MismatchError, RangeError
from rsnn.rate.activation import activate
from rsnn.rate.names import ACTIVATIONS

DT = 0.005  # s, a step
START_NOISE, STEP_NOISE = 0.01, 0.1  # standard deviations of x[0], and of what each step adds


@dataclass(frozen=True)
class RateNetwork:
    """A rate network as it was trained; arrays are read-only.

    Attributes:
        w: recurrent weights before sign and mask, (n_units, n_units) float32, axes [post, pre].
        sign: +1 of excitatory and -1 of inhibitory units, (n_units,) int8.
        is_sst: inhibitory units that no inhibitory unit reaches, (n_units,) bool.
        w_in: (n_units, n_inputs) float32.
        w_out: (n_units,) float32.
        b_out: of the output.
        tau_param: (n_units,) float32; its sigmoid leads from the lower to the upper end of `taus`.
        taus: range of the time constants in steps of 5 ms; both ends are equal where they are
            fixed.
        activation: one of `rsnn.rate.names.ACTIVATIONS`.
        dale: whether a unit excites or inhibits only, so that entries of `w` below 0 count as 0.
        task: name of the task that it was trained on; empty if that is not known.

    Raises:
        MismatchError: shapes that do not fit each other.
        DataError: values that are not finite, or that are no sign.
        RangeError: no such activation, or time constants below 1 step.
    """

    w: NDArray[np.float32]
    sign: NDArray[np.int8]
    is_sst: NDArray[np.bool_]
    w_in: NDArray[np.float32]
    w_out: NDArray[np.float32]
    b_out: float
    tau_param: NDArray[np.float32]
    taus: tuple[float, float]
    activation: str = "sigmoid"
    dale: bool = True
    task: str = ""

    def __post_init__(self) -> None:
        kinds = {"sign": np.int8, "is_sst": np.bool_}
        names = ("w", "sign", "is_sst", "w_in", "w_out", "tau_param")
        for name in names:
            array: np.ndarray = np.array(
                getattr(self, name), kinds.get(name, np.float32), order="C"
            )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        n = len(self.w_out) if self.w_out.ndim == 1 else 0
        if n < 1 or self.w_in.ndim != 2:
            raise MismatchError(
                f"`w_out` is {self.w_out.shape} and `w_in` {self.w_in.shape}; (n_units,) with at"
                " least 1 unit and (n_units, n_inputs) are needed"
            )
        shapes = {"w": (n, n), "w_in": (n, self.w_in.shape[1])}
        for name in names:
            array, wanted = getattr(self, name), shapes.get(name, (n,))
            if array.shape != wanted:
                raise MismatchError(
                    f"`{name}` is {array.shape}; {wanted} fits the {n} units of `w_out`"
                )
            if not np.isfinite(array).all():
                raise DataError(f"`{name}` has values that are NaN or infinite; train again")
        if not np.isfinite(self.b_out):
            raise DataError(f"`b_out` is {self.b_out}; a finite number is needed")
        if not np.isin(self.sign, (-1, 1)).all():
            raise DataError("`sign` has values other than -1 and 1; each unit has one of them")
        if (self.is_sst & (self.sign > 0)).any():
            raise DataError("`is_sst` marks an excitatory unit; SST units are inhibitory")
        low, high = self.taus
        if not 1 <= low <= high < np.inf:
            raise RangeError(
                f"`taus` is {low:g}..{high:g} steps; at least 1 step of 5 ms is needed, and the"
                " lower end first"
            )
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def n_units(self) -> int:
        """Recurrent units."""
        return len(self.w_out)

    @property
    def n_inputs(self) -> int:
        """Input channels."""
        return self.w_in.shape[1]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Connections that may be, (n_units, n_units): none from inhibitory to SST units."""
        return ~(self.is_sst[:, None] & (self.sign < 0)[None, :])

    @property
    def recurrent(self) -> NDArray[np.float64]:
        """W, the weights as they act, (n_units, n_units) float64, axes [post, pre]."""
        size = np.maximum(self.w, 0) if self.dale else self.w
        return size.astype(np.float64) * self.sign * self.mask

    @property
    def tau(self) -> NDArray[np.float64]:
        """Time constants, (n_units,) in steps of 5 ms."""
        return time_constants(self.tau_param, self.taus)


def time_constants(param: NDArray[np.floating], taus: tuple[float, float]) -> NDArray[np.float64]:
    """Between the ends of `taus`, where the sigmoid of `param` leads; in steps, (n_units,)."""
    low, high = taus
    return low + (high - low) / (1 + np.exp(-param.astype(np.float64)))


def draw_noise(n_steps: int, n_units: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """x[0] and what later steps add, (n_steps, n_units), as in training and evaluation."""
    noise = generator.standard_normal((n_steps, n_units)) * STEP_NOISE
    noise[0] *= START_NOISE / STEP_NOISE
    return noise


def run(
    network: RateNetwork, u: NDArray[np.floating], noise: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute one trial in double precision; this is the definition.

    Args:
        network: the network.
        u: inputs, (n_steps, n_inputs); the last row has no effect.
        noise: x[0], then what each step adds, (n_steps, n_units); see `draw_noise`.

    Returns:
        x, (n_steps, n_units), and the outputs after each update, (n_steps - 1,).
    """
    recurrent, share = network.recurrent, 1 / network.tau
    x = np.array(noise, np.float64)
    outputs = np.empty(len(x) - 1)
    for t in range(1, len(x)):
        rates = activate(x[t - 1], network.activation)
        arriving = recurrent @ rates + network.w_in.astype(np.float64) @ u[t - 1]
        x[t] += (1 - share) * x[t - 1] + share * arriving
        outputs[t - 1] = network.w_out @ activate(x[t], network.activation) + network.b_out
    return x, outputs
