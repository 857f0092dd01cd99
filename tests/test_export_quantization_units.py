from dataclasses import replace

import numpy as np
import pytest
from networks import random_network

from export.quantization.units import (
    firing_points,
    gain_of,
    hidden_units,
    readout_units,
    units_of,
)
from sim.contract import PAPER


@pytest.mark.parametrize("fires_when", [">", ">="])
def test_a_firing_point_lies_between_the_last_silent_and_the_first_firing_membrane(fires_when):
    contract = replace(PAPER, fires_when=fires_when)
    threshold = np.array([7, 0, -3, -(2**31), 2**31 - 1], np.int32)
    points = firing_points(threshold, contract)
    silent = threshold.astype(float) - (fires_when == ">=")
    assert (points == silent + 0.5).all()


def test_a_neuron_of_that_unit_has_threshold_one_and_a_readout_row_its_scale():
    network = random_network(np.random.default_rng(1), PAPER)
    layer, readout = network.layers
    unit, gain = units_of(layer, PAPER), gain_of(layer, PAPER)
    assert np.array_equal(gain, 1 - layer.decay_mem / 4096)
    step_of_mem = unit * gain / 64  # of the membrane's word
    assert np.allclose(step_of_mem * firing_points(layer.threshold, PAPER), 1.0)
    assert np.allclose(hidden_units(layer.threshold, PAPER), unit * gain)
    unit, gain = units_of(readout, PAPER), gain_of(readout, PAPER)
    assert np.allclose(unit * gain / 64, readout.out_scale)
    assert np.array_equal(readout_units(readout.out_scale, PAPER), readout.out_scale * 64)
