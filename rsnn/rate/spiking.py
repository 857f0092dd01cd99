"""The spiking network that a rate network is mapped to, in floats: definition and arrays.

In step i = 1, 2, .., with column = floor(i / 100 + 1/2) of the inputs and all values per unit:

    drive   = I - 40 + w_in u[column]
    v       = v + dt (drive - v) / tau_m     where it integrates; then v + noise everywhere
    spk     = v >= -40
    I       = I exp(-dt / tau) + h dt        h of before this step
    h       = h exp(-dt / tau_r) + (w spk) / (tau_r tau)     tau of the receiving unit
    r       = r exp(-dt / tau) + q dt        q of before this step
    q       = q exp(-dt / tau_r) + spk / (tau_r tau)         tau of the sending unit
    v       = -65 where spk
    out     = w_out . r

With the single-exponential filter, I and r get (w spk) / tau and spk / tau at once, without h and
q. A unit does not integrate in the `refractory_steps` steps after its spike, and after the start of
a trial. Kim et al. (2019), equations 6 to 9, in the steps of the published code.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.checks import check_choice
from base.errors import DataError, MismatchError, RangeError
from rsnn.rate.names import FILTERS
from rsnn.rate.network import DT, RateNetwork
from rsnn.rate.task import LIF_STEPS

DT_LIF = 5e-5  # s, a step where inputs are not thinned out
TAU_MEM, TAU_RISE = 0.010, 0.002  # s
THRESHOLD, RESET, BIAS = -40.0, -65.0, -40.0  # mV
START = (-65.0, 30.0)  # mV, of the membranes at the start of a trial
NOISE = 0.1  # mV, standard deviation of what is added to each membrane in each step
REFRACTORY_STEPS = 40  # 2 ms
STATES = ("v", "I", "h", "r", "q")


@dataclass(frozen=True)
class LIFNetwork:
    """A spiking network; arrays are read-only float64.

    Attributes:
        w: recurrent weights, (n_units, n_units), axes [post, pre].
        w_in: (n_units, n_inputs).
        w_out: (n_units,).
        tau: synaptic decay, (n_units,) in s.
        factor: what the weights of the rate network were divided by.
        filter: one of `FILTERS`: of spikes, with a rise or without.
        downsample: how many columns of inputs one column stands for; a step lasts 0.05 ms times it.
        refractory: whether units rest for 2 ms after a spike.
        task: as in `RateNetwork`.

    Raises:
        MismatchError, DataError: arrays that do not fit each other, or are not finite.
        RangeError: no such filter, or a number out of its range.
    """

    w: NDArray[np.float64]
    w_in: NDArray[np.float64]
    w_out: NDArray[np.float64]
    tau: NDArray[np.float64]
    factor: float = 1.0
    filter: str = "double"
    downsample: int = 1
    refractory: bool = True
    task: str = ""

    def __post_init__(self) -> None:
        for name in ("w", "w_in", "w_out", "tau"):
            array = np.array(getattr(self, name), np.float64, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
            if not np.isfinite(array).all():
                raise DataError(f"`{name}` has values that are NaN or infinite; map again")
        n = self.w_out.size
        inputs = self.w_in.shape[-1] if self.w_in.ndim == 2 else 0
        wanted = {"w": (n, n), "w_in": (n, inputs), "w_out": (n,), "tau": (n,)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape or n < 1:
                raise MismatchError(f"`{name}` is {getattr(self, name).shape}; {shape} is needed")
        check_choice("filter", self.filter, FILTERS)
        if not 0 < self.factor < np.inf:
            raise RangeError(f"`factor` is {self.factor:g}; it must be above 0 and finite")
        if not 1 <= self.downsample <= REFRACTORY_STEPS:
            raise RangeError(
                f"`downsample` is {self.downsample}; 1..{REFRACTORY_STEPS} is possible"
            )
        if self.tau.min() <= 0:
            raise RangeError(f"`tau` is {self.tau.min():g} s; it must be above 0")

    @property
    def n_units(self) -> int:
        """Recurrent units."""
        return len(self.w_out)

    @property
    def dt(self) -> float:
        """A step, in s."""
        return DT_LIF * self.downsample

    @property
    def refractory_steps(self) -> int:
        """Steps that a unit does not integrate after a spike: the whole steps in 2 ms, or none."""
        return REFRACTORY_STEPS // self.downsample if self.refractory else 0

    def driven(self, u: NDArray[np.floating]) -> NDArray[np.float64]:
        """What inputs add to the current, (n_columns, n_units), thinned out by `downsample`.

        Args:
            u: one row per 5 ms, (n_columns, n_inputs), as `Task.lif_input` gives it.

        Raises:
            MismatchError: another number of inputs.
        """
        if u.ndim != 2 or u.shape[1] != self.w_in.shape[1] or len(u) < 2:
            raise MismatchError(
                f"`u` is {u.shape}; (n_columns, {self.w_in.shape[1]}) with at least 2 columns is"
                " needed"
            )
        return u[:: self.downsample] @ self.w_in.T


def mapped(
    network: RateNetwork,
    factor: float,
    *,
    filter: str = "double",
    downsample: int = 1,
    refractory: bool = True,
) -> LIFNetwork:
    """The spiking network of a rate network: W and w_out divided by `factor`, the rest as it is.

    Args:
        network: the rate network; its `b_out` is not used.
        factor: 1 / lambda of the paper.
        filter, downsample, refractory: as in `LIFNetwork`.

    Raises:
        RangeError: as in `LIFNetwork`.
    """
    if not factor > 0:
        raise RangeError(f"`factor` is {factor:g}; it must be above 0 and finite")
    return LIFNetwork(
        network.recurrent / factor,
        network.w_in.astype(np.float64),
        network.w_out.astype(np.float64) / factor,
        network.tau * DT,
        factor,
        filter,
        downsample,
        refractory,
        network.task,
    )


def n_steps(n_columns: int) -> int:
    """Steps of a trial whose inputs have `n_columns` columns."""
    return LIF_STEPS * (n_columns - 1)


def task_steps(network: LIFNetwork, n_steps: int) -> NDArray[np.int64]:
    """The steps, counted from 1, with which the whole steps of 5 ms of a trial end."""
    count = n_steps * network.downsample // LIF_STEPS
    return np.arange(1, count + 1) * LIF_STEPS // network.downsample


def resumptions(network: LIFNetwork, n_steps: int) -> NDArray[np.int64]:
    """The first step that integrates again after a spike in step i, or the start: (n_steps + 1,).

    The published code compares times in double precision, t > t_last + 2 ms, which rounds to one
    step less after 137 of 19,899 spikes; a count of steps is what that comparison means, and what
    hardware has. Other definitions are other arrays.
    """
    return np.arange(n_steps + 1) + network.refractory_steps + 1


def run(
    network: LIFNetwork,
    u: NDArray[np.floating],
    start: NDArray[np.floating],
    noise: NDArray[np.floating] | None = None,
    resumes: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Compute one trial; this is the definition. `rsnn.rate.spiking_kernel` is the fast path.

    Args:
        network: the network.
        u: as in `LIFNetwork.driven`.
        start: v before the first step, (n_units,) in mV.
        noise: what each step adds to v, (n_steps, n_units) in mV; None for none.
        resumes: as `resumptions` gives it, which is the default.

    Returns:
        Spikes, (n_steps, n_units); the states of `STATES` after each step, (n_steps, 5, n_units);
        the outputs, (n_steps,).
    """
    driven = network.driven(u)
    count, dt, tau = n_steps(len(driven)), network.dt, network.tau
    resumes = resumptions(network, count) if resumes is None else resumes
    keep, keep_rise = np.exp(-dt / tau), np.exp(-dt / TAU_RISE)
    v, current, h, r, q = (np.zeros(network.n_units) for _ in STATES)
    v += start
    resume = np.full(network.n_units, resumes[0])
    spikes = np.zeros((count, network.n_units), bool)
    states = np.empty((count, len(STATES), network.n_units))
    for i in range(1, count + 1):
        drive = current + BIAS + driven[(i + LIF_STEPS // 2) // LIF_STEPS]
        v = np.where(i >= resume, v + dt * (drive - v) / TAU_MEM, v)
        if noise is not None:
            v = v + noise[i - 1]
        spk = spikes[i - 1] = v >= THRESHOLD
        resume[spk] = resumes[i]
        if network.filter == "double":
            current, h = (
                current * keep + h * dt,
                h * keep_rise + (network.w @ spk) / (TAU_RISE * tau),
            )
            r, q = r * keep + q * dt, q * keep_rise + spk / (TAU_RISE * tau)
        else:
            current = current * keep + (network.w @ spk) / tau
            r = r * keep + spk / tau
        v[spk] = RESET
        states[i - 1] = v, current, h, r, q
    return spikes, states, states[:, STATES.index("r")] @ network.w_out
