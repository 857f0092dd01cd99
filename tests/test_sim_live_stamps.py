"""Time stamps as numbers of steps: jitter is no gap, and a gap is one."""

import pytest

from sim.live.stamps import StampedSteps

START = 86_400.0  # s; clocks of real streams count from a boot


def numbered(places: list[float], dt: float = 0.004) -> list[int]:
    steps = StampedSteps(dt)
    return [steps.following(START + place * dt) for place in places]


@pytest.mark.parametrize("dt", [0.004, 0.0001])
@pytest.mark.parametrize(
    ("places", "numbers"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 1.74, 1.26, 3.74, 4], [0, 1, 2, 3, 4]),
        ([0, 1.76, 2, 3], [0, 2, 2, 3]),  # a silent step, and then a late sample
        ([0, 2, 4, 6], [0, 2, 4, 6]),
        ([0, 1, 5, 6.7, 6.4, 8], [0, 1, 5, 6, 7, 8]),  # jitter after a gap
        ([0, 1, 1, 2, 2.7], [0, 1, 1, 2, 3]),  # a sample sent twice
        ([0, 1, 2, -9000, -8999.4], [0, 1, 2, -9000, -8999]),  # the sender's clock starts anew
    ],
)
def test_the_next_sample_is_the_next_step_unless_its_stamp_is_off(places, numbers, dt):
    assert numbered(places, dt) == numbers


@pytest.mark.parametrize(
    ("place", "number"), [(0, 0), (0.49, 0), (0.51, 1), (2.49, 2), (-0.49, 0), (-0.51, -1)]
)
def test_the_first_stamp_is_in_the_middle_of_its_step(place, number):
    steps = StampedSteps(0.004)
    assert steps.nearest(START) == 0
    assert steps.nearest(START + place * 0.004) == number
