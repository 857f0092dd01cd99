"""Two pulses, one after the other: the output tells whether their signs are equal."""

import numpy as np
from numpy.typing import NDArray

from rsnn.rate.task import Task

_STEPS = 300
_PULSES = (slice(50, 100), slice(110, 160))
_RESPONSE = slice(170, 270)
_LIMIT = 0.7
_CONDITIONS = ("++", "+-", "-+", "--")


def _make(
    condition: str, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    u, target = np.zeros((_STEPS, 2)), np.zeros(_STEPS)
    for channel, (pulse, sign) in enumerate(zip(_PULSES, condition, strict=True)):
        u[pulse, channel] = 1 if sign == "+" else -1
    target[_RESPONSE] = _answer(condition)
    return u, target


def _answer(condition: str) -> int:
    return 1 if condition[0] == condition[1] else -1


def _exceeds(out: NDArray[np.floating], condition: str) -> bool:
    return bool((out * _answer(condition)).max() > _LIMIT)


TASK = Task(
    description="tell whether two pulses of 250 ms have the same sign",
    n_inputs=2,
    n_steps=_STEPS,
    conditions=_CONDITIONS,
    make=_make,
    rates_judged_from=200,
    is_right=_exceeds,
    judged_from=20_000,
    spikes_are_right=_exceeds,
    input_bits=2,
    input_signed=True,
    answers={condition: f"{_answer(condition):+d}" for condition in _CONDITIONS},
    limits=(_LIMIT, -_LIMIT),
)
