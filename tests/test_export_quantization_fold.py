"""Decay factors as integers, worked by hand."""

from dataclasses import replace

import numpy as np

from export.quantization.fold import integer_decays, integer_factors
from rsnn.neurons import TimeConstants
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
