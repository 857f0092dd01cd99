"""What a task is: trials by condition, what the output should be, and which trials are right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError

LIF_STEPS = 100  # steps of the spiking network per step of the rate network


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        u: inputs, (n_steps, n_inputs) float64.
        target: of the output, (n_steps,) float64.
        condition: one of the task's.
    """

    u: NDArray[np.float64]
    target: NDArray[np.float64]
    condition: str


@dataclass(frozen=True)
class Task:
    """A task, in steps of 5 ms.

    Attributes:
        description: one line.
        n_inputs: input channels.
        n_steps: steps of a trial.
        conditions: all equally probable.
        make: inputs and target of a condition, given a generator for inputs that are random.
        rates_judged_from: first output, counted from 0, that counts for a rate network.
        is_right: whether the outputs of a rate network from there on are right.
        judged_from: first step of 0.05 ms, counted from 1, that counts for a spiking network.
        spikes_are_right: whether the outputs of a spiking network from there on are right.
        held_inputs: channels that keep their value after the trial; the others are 0 then.
        first_end: the trial, counted from 0, before which no training ends.
        input_bits, input_signed: what an input of an integer network is, as in its contract.
        input_step: the inputs' unit in integers, to which they are rounded, saturating at the ends
            of the range; None where they are whole numbers themselves, and others are refused.
        answers: the right answer to a condition, where it is not called like the condition.
        limits: what outputs have to exceed or stay below, for pictures.
    """

    description: str
    n_inputs: int
    n_steps: int
    conditions: tuple[str, ...]
    make: Callable[[str, np.random.Generator], tuple[NDArray[np.float64], NDArray[np.float64]]]
    rates_judged_from: int
    is_right: Callable[[NDArray[np.floating], str], bool]
    judged_from: int
    spikes_are_right: Callable[[NDArray[np.floating], str], bool]
    held_inputs: tuple[int, ...] = ()
    first_end: int = 0
    input_bits: int = 1
    input_signed: bool = False
    input_step: float | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[float, ...] = ()

    def draw(self, generator: np.random.Generator) -> Trial:
        """A random trial.

        Raises:
            MismatchError: `make` gives other shapes than the task declares.
        """
        condition = self.conditions[generator.integers(len(self.conditions))]
        u, target = self.make(condition, generator)
        if u.shape != (self.n_steps, self.n_inputs) or target.shape != (self.n_steps,):
            raise MismatchError(
                f"a trial of condition {condition} has inputs {u.shape} and target {target.shape};"
                f" the task declares {(self.n_steps, self.n_inputs)} and {(self.n_steps,)}"
            )
        return Trial(u, target, condition)

    def lif_input(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inputs of a trial for a spiking network, which takes one row more."""
        last = np.zeros((1, self.n_inputs))
        held = list(self.held_inputs)
        last[:, held] = u[-1, held]
        return np.vstack([u, last])

    def answer(self, condition: str) -> str:
        """The right answer to a condition."""
        return self.answers.get(condition, condition)

    def judged_rates(self, outputs: NDArray[np.floating]) -> NDArray[np.floating]:
        """The outputs of a rate network that count, of those of a whole trial, (n_steps - 1,)."""
        return outputs[self.rates_judged_from :]

    def judged(self, out: NDArray[np.floating]) -> NDArray[np.floating]:
        """The outputs of a spiking network that count, of those of a whole trial.

        Args:
            out: (n_lif_steps,), of any step: the same share of the trial counts.
        """
        first = self.judged_from * len(out) / (LIF_STEPS * self.n_steps)
        return out[max(round(first), 1) - 1 :]
