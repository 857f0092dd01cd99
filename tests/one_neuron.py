"""A network of one neuron, small enough to compute by hand."""

from dataclasses import replace

import numpy as np

from sim.contract import PAPER, NumericContract
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork

UNIT = replace(PAPER, frac_bits=0)


def one_neuron(contract: NumericContract, **changes) -> IntegerNetwork:
    """One input, one hidden neuron, one readout; nothing decays by default."""
    unity = 1 << contract.decay_frac
    values = {
        "w_in": np.array([[1]]),
        "w_rec": np.array([[0]]),
        "e_in": np.array([0]),
        "e_rec": np.array([0]),
        "decay_syn": np.array([0]),
        "decay_mem": np.array([unity]),
        "threshold": np.array([2]),
    } | {key: np.array(value) for key, value in changes.items()}
    readout = CubaLI(
        w_out=np.array([[1]]),
        decay_syn=np.array([0]),
        decay_mem=np.array([unity]),
        initial_out=np.array([0]),
        out_scale=np.ones(1),
    )
    return IntegerNetwork((CubaLIF(**values), readout), contract, 0.004)
