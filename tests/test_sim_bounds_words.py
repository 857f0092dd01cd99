"""The proof that 32 bits hold every sum: tight to the last value, and the same for kernel and C."""

from dataclasses import replace

import numpy as np
import pytest
from networks import covering_contracts, random_network
from tools import need

from export.firmware.decoder import FLAGS, compile_replay
from export.firmware.replay import replay
from export.firmware.source import source
from sim import reference
from sim.bounds.words import fits_in_words, largest_sum
from sim.contract import PAPER
from sim.fast import runs
from sim.fast.arena import arrange
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.trace import first_difference

TRAPPING = (*FLAGS, "-fsanitize=undefined", "-fno-sanitize-recover=all")
WIDE = replace(PAPER, weight_bits=16, frac_bits=0, syn_bits=30, mem_bits=31)
UNITY = (1 << PAPER.decay_frac, 1 << PAPER.decay_frac)
FULL = (1 << 15) - 1  # the largest weight


def one_neuron(
    contract, *, w_in, w_rec=None, e_in=0, e_rec=0, bias=None, threshold=1, decays=UNITY, w_out=0
):
    """A neuron, and a readout that forgets at once; `decays` are of current and membrane."""
    hidden = CubaLIF(
        w_in=np.array([w_in]),
        w_rec=None if w_rec is None else np.array([[w_rec]]),
        e_in=np.array([e_in]),
        e_rec=np.array([e_rec]),
        decay_syn=np.array(decays[:1]),
        decay_mem=np.array(decays[1:]),
        threshold=np.array([threshold]),
        bias=None if bias is None else np.array([bias]),
    )
    nothing = np.zeros(1, int)
    readout = CubaLI(np.array([[w_out]]), nothing, nothing, nothing, np.ones(1))
    return IntegerNetwork((hidden, readout), contract, 0.004)


def rows(total, weight=FULL):
    """Weights that add up to `total`."""
    n = abs(total) // abs(weight)
    return [weight] * n + [total - n * weight]


SUBTRACT = replace(WIDE, reset="subtract")
EDGES = {
    # 2^29, the largest current, and 2^14 times the weights make 2^31 - 2^14, or 2^31
    "inputs": lambda more: one_neuron(
        replace(WIDE, frac_bits=2), w_in=rows(3 * 2**15 - 1 + more), e_in=12
    ),
    "inputs of the other sign": lambda more: one_neuron(
        WIDE, w_in=rows(-(3 * 2**15 - 1) - more, -FULL), e_in=14
    ),
    # the negative weights can arrive alone, and so can the positive ones
    "inputs of both signs": lambda more: one_neuron(
        WIDE, w_in=[*rows(3 * 2**15 - 1 + more), *rows(-3 * FULL, -FULL)], e_in=14
    ),
    "recurrence": lambda more: one_neuron(
        WIDE, w_in=rows(2**15 + 2 * more), e_in=14, w_rec=FULL, e_rec=15
    ),
    "a bias": lambda more: one_neuron(
        WIDE, w_in=rows(3 * 2**14 - 1), e_in=15, bias=2**15 - 1 + more
    ),
    "a bias below 0": lambda more: one_neuron(
        WIDE, w_in=rows(1 - 3 * 2**14, -FULL), e_in=15, bias=1 - 2**15 - more
    ),
    "a readout's weight": lambda more: one_neuron(
        replace(WIDE, frac_bits=15, syn_bits=31, mem_bits=30),
        w_in=[1],
        w_out=(-1) ** more * FULL - more,
    ),
    # 2^30, the largest membrane, and a current that forgets at once and reaches just that
    "a membrane within its width": lambda more: one_neuron(
        replace(WIDE, syn_bits=32),
        w_in=rows(1 - 2**15 - more, -FULL),
        e_in=15,
        decays=(0, UNITY[1]),
    ),
    # 2^29, the largest current, and 2^30 and a half of that that arrive; the membrane forgets
    "a current within its width": lambda more: one_neuron(
        replace(WIDE, mem_bits=32), w_in=rows(3 * 2**14 - 1 + more), e_in=15, decays=(UNITY[0], 0)
    ),
    # 2^30, the largest membrane, 2^29, the largest current, and the threshold that is taken off
    "a threshold": lambda more: one_neuron(
        SUBTRACT, w_in=[FULL, -FULL], threshold=2**29 - 1 + more
    ),
    "a threshold below 0": lambda more: one_neuron(
        SUBTRACT, w_in=[FULL, -FULL], threshold=-(2**29) + 1 - more
    ),
}


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("edge", EDGES)
def test_thirty_two_bits_are_used_up_to_their_last_value(edge, more, tmp_path):
    """Both backends compute in them at that value, C without a sum that overflows."""
    need("cc", "gcc")
    network = EDGES[edge](more)
    assert fits_in_words(network) == (more == 0)
    assert arrange(network).is_wide == (more == 1)
    assert f"typedef int{32 if more == 0 else 64}_t sum_t;" in source(network, "rsnn")
    raster = np.ones((12, network.n_inputs), np.uint8)
    raster[8:] = network.hidden[0].w_in[0] > 0
    expected = reference.run(network, raster)
    assert first_difference(expected, runs.run_backend(network, raster)) is None
    program = compile_replay(network, tmp_path, flags=TRAPPING)
    found, _ = replay(network, raster, [str(program)], tmp_path)
    assert first_difference(expected, found) is None


def test_a_threshold_counts_only_where_it_is_subtracted():
    lowest = EDGES["a threshold"](2**29)
    assert not fits_in_words(lowest)
    assert fits_in_words(replace(lowest, contract=WIDE))


def test_worst_cases_count_where_widths_alone_are_too_wide():
    contract = replace(PAPER, frac_bits=2)
    network = random_network(np.random.default_rng(8), contract, hidden=(4,), biased=True)
    unity = replace(network.readout, decay_mem=np.array([UNITY[0], 4]))
    calm = [
        replace(layer, decay_syn=layer.decay_syn // 2, decay_mem=layer.decay_mem // 2)
        for layer in network.layers
    ]
    assert fits_in_words(replace(network, layers=tuple(calm)))
    assert not fits_in_words(replace(network, layers=(calm[0], unity)))


@pytest.mark.slow
def test_kernel_and_c_decide_alike():
    found = set()
    for i, contract in enumerate(covering_contracts() * 3):
        rng = np.random.default_rng(i)
        widths = {name: int(rng.integers(29, 33)) for name in ("syn_bits", "mem_bits")}
        widths |= {"frac_bits": int(rng.integers(17))}
        network = random_network(rng, replace(contract, **widths), biased=i % 2 == 1)
        fits = fits_in_words(network)
        assert arrange(network).is_wide is not fits
        assert ("typedef int32_t sum_t;" in source(network, "rsnn")) is fits
        found.add(fits)
    assert found == {False, True}


def test_the_largest_sum_is_that_of_the_weights_of_one_sign():
    weights = np.array([[3, -4, 2], [-7, 1, 0], [0, 0, 0], [-32768, -32768, 5]], np.int16)
    assert largest_sum(weights).tolist() == [5, 7, 0, 65536]
