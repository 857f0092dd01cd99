"""The simulated hand: its figures where nothing decoded depends on them."""

import numpy as np
import pytest

from rsnn.data.reaching import MM_PER_CM, reach_around


def test_the_finger_is_the_cursor_in_cm_at_a_height_of_one_and_a_half():
    """As in the published layout: height first, then the cursor's axes with the other sign."""
    reaching = reach_around(5000, 0.004, np.random.default_rng(1))
    assert reaching.finger.shape == (3, 5000)
    height = reaching.finger[0]
    assert (height.mean(), height.std()) == pytest.approx((1.5, 0.4))
    assert np.abs(np.diff(height)).max() < 0.01  # cm per step: it wavers, slowly
    assert np.array_equal(reaching.finger[1:], -reaching.cursor / MM_PER_CM)
    assert MM_PER_CM == 10
