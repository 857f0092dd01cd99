"""Go or no go: after a pulse the output is to rise and stay; without one it is to stay at 0."""

import numpy as np
from numpy.typing import NDArray

from rsnn.rate.task import Task

_STEPS = 200
_PULSE = slice(50, 75)
_RESPONSE = slice(75, None)
_GO, _NOGO = 0.7, 0.3  # what the output must exceed, and what it must stay below


def _make(
    condition: str, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    u, target = np.zeros((_STEPS, 1)), np.zeros(_STEPS)
    if condition == "go":
        u[_PULSE] = target[_RESPONSE] = 1
    return u, target


def _is_right(outputs: NDArray[np.floating], condition: str) -> bool:
    return bool(outputs.max() > _GO if condition == "go" else np.abs(outputs).max() < _NOGO)


def _spikes_are_right(out: NDArray[np.floating], condition: str) -> bool:
    return bool(out.max() > _GO if condition == "go" else out.max() < _NOGO)  # as published


TASK = Task(
    description="answer a pulse of 125 ms, and stay silent without one",
    n_inputs=1,
    n_steps=_STEPS,
    conditions=("go", "nogo"),
    make=_make,
    rates_judged_from=75,
    is_right=_is_right,
    judged_from=10_000,
    spikes_are_right=_spikes_are_right,
    first_end=1500,
    limits=(_GO, _NOGO),
)
