"""Decay factors as integers, worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from base.errors import RangeError
from export.quantization.fold import integer_decays, integer_factors
from rsnn.neurons import NO_LEAK, TimeConstants
from sim.contract import PAPER

CONTRACT = replace(PAPER, decay_frac=4)


def test_factors_are_the_nearest_sixteenths_below_one():
    factors = np.array([0.0, 0.03, 0.04, 0.5, 0.9, 0.97, 1.0])
    assert integer_factors(factors, CONTRACT).tolist() == [0, 0, 1, 8, 14, 15, 15]
    assert integer_factors(np.array([0.5]), PAPER).tolist() == [2048]


def test_the_gain_of_a_membrane_is_that_of_its_rounded_decay():
    tau = TimeConstants(2, tau_mem0=0.01, tau_syn0=1e3, dt=0.004)
    decay_mem, decay_syn, gain = integer_decays(tau, CONTRACT)
    assert decay_mem.tolist() == [12, 12]  # exp(-0.4 / 1.313) is 11.8 sixteenths
    assert decay_syn.tolist() == [15, 15]
    assert gain.tolist() == [0.25, 0.25]


def test_a_decay_becomes_the_shift_whose_part_is_nearest():
    by_shift = replace(CONTRACT, decay="shift")
    leaks = np.array([1.0, 0.5, 0.36, 0.34, 0.25, 2.0**-15, 2.0**-20, 0.0])
    assert integer_factors(1.0 - leaks, by_shift).tolist() == [0, 1, 1, 2, 2, 15, 15, 15]
    assert by_shift.kept(np.array([0, 1, 15])).tolist() == [0.0, 0.5, 1 - 2.0**-15]


def test_a_neuron_without_a_leak_has_no_shift():
    tau = TimeConstants(3, 0.02, 0.01, 0.004)
    by_shift = replace(CONTRACT, decay="shift")
    mem, syn, gain = integer_decays(tau, by_shift)
    assert np.array_equal(gain, 1 - by_shift.kept(mem))
    assert syn.tolist() == [round(-math.log2(1 - math.exp(-0.004 / 0.01)))] * 3
    with torch.no_grad():
        tau.mem_param[1] = NO_LEAK
    with pytest.raises(RangeError, match="without a leak has no decay that is a shift"):
        integer_decays(tau, by_shift)
