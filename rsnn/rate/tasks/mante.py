"""Context-dependent integration: of two noisy inputs, the output has the sign of the cued one.

Mante, Sussillo, Shenoy, Newsome, Nature 503:78 (2013), as in the code of Kim et al. (2019).
A condition names the signs of both inputs and the channel that is cued, such as `+-1`.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from rsnn.rate.task import Task

_STEPS = 500
_STIMULUS = slice(50, 250)
_RESPONSE = slice(250, None)
_OFFSET = 0.5
_LIMIT = 0.7
_CONDITIONS = tuple(map("".join, product("+-", "+-", "01")))


def _make(
    condition: str, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    u, target = np.zeros((_STEPS, 4)), np.zeros(_STEPS)
    stimulus = u[_STIMULUS, :2]
    stimulus += generator.standard_normal(stimulus.shape)
    stimulus += [_OFFSET if sign == "+" else -_OFFSET for sign in condition[:2]]
    u[:, 2 + int(condition[2])] = 1
    target[_RESPONSE] = _answer(condition)
    return u, target


def _answer(condition: str) -> int:
    return 1 if condition[int(condition[2])] == "+" else -1


def _exceeds(out: NDArray[np.floating], condition: str) -> bool:
    return bool((out * _answer(condition)).max() > _LIMIT)


TASK = Task(
    description="tell the sign of the cued one of two noisy inputs",
    n_inputs=4,
    n_steps=_STEPS,
    conditions=_CONDITIONS,
    make=_make,
    rates_judged_from=299,
    is_right=_exceeds,
    judged_from=26_000,
    spikes_are_right=_exceeds,
    held_inputs=(2, 3),
    input_bits=8,
    input_signed=True,
    input_step=1 / 32,  # so that -4..3.97 are told apart: 3.5 standard deviations of the stimulus
    answers={condition: f"{_answer(condition):+d}" for condition in _CONDITIONS},
    limits=(_LIMIT, -_LIMIT),
)
