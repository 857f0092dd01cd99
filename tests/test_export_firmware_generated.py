"""C that is generated from a layer's step gives the words of the reference."""

import re
from dataclasses import replace

import numpy as np
import pytest
from networks import covering_contracts, double_exp, random_network, random_raster

from export.firmware import code, decoder
from export.firmware.generated import source
from sim import reference
from sim.contract import PAPER
from sim.kinds.cuba_li import CubaLI
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.network import IntegerNetwork
from sim.trace import count_differences


@pytest.fixture
def generated(monkeypatch):
    """Generate C for every kind, also where there are templates tuned by hand."""
    monkeypatch.setattr(code, "is_tuned", lambda network: False)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_generated_c_gives_every_word_under_every_contract(generated, number):
    rng = np.random.default_rng(number)
    contract = covering_contracts()[number]
    network = random_network(
        rng, contract, hidden=(7, 5), n_heads=2, biased=number % 2 == 1, recurrent=number % 3 > 0
    )
    raster = random_raster(rng, 60, 12)
    found = decoder.run_backend(network, raster)
    expected = reference.run(network, raster)
    assert expected.variables["hidden1.spk"].any()
    assert count_differences(expected, found) == 0


def test_generated_c_says_so_and_names_the_digest(generated, tmp_path):
    network = random_network(np.random.default_rng(0))
    header, source = (path.read_text() for path in decoder.export_c(network, tmp_path))
    assert network.digest() in header
    assert network.digest() in source
    assert "Written from the step of each layer's kind" in source
    assert max(map(len, source.splitlines())) <= 100


def wide(**changes):
    """One neuron of 32-bit words that keeps its membrane, driven by an input of weight 5."""
    one = {name: np.array([0]) for name in ("e_direct", "e_rec", "decay_rise", "decay_syn")}
    own = {"w_direct": np.array([[5]]), "w_rec": None, "threshold": np.array([9])}
    own |= {"decay_mem": np.array([4096])}
    contract = {name: changes.pop(name) for name in vars(PAPER) if name in changes}
    c = {"fires_on": "new_membrane", "frac_bits": 0, "syn_bits": 32, "mem_bits": 32}
    layer = DoubleExpLIF(**{**one, **own, **changes})
    nothing = np.array([0])
    readout = CubaLI(np.ones((1, layer.n_neurons), int), nothing, nothing, nothing, np.ones(1))
    return IntegerNetwork((layer, readout), replace(PAPER, **{**c, **contract}), 0.001)


def hidden_step(network):
    """The step of the hidden layer in C, in one line."""
    text = source(network, "net")
    return " ".join(text[text.index("step_hidden0(") : text.index("step_readout(")].split())


def test_no_1_is_shifted_by_31_in_32_bits():
    """A weight of -1 shifted by 31 fits in 32 bits, the 1 that it is multiplied by does not."""
    lone = {"w_rec": np.array([[-1]]), "decay_mem": np.array([0])}
    for shift, kind in ((14, "int32_t"), (15, "int64_t")):
        step = hidden_step(wide(frac_bits=16, e_rec=np.array([shift]), **lone))
        assert f"{kind} sum_w_rec = rows_w_rec[i] * (({kind})1 << (({shift}) + 16));" in step


def test_the_largest_shift_of_a_connection_decides_for_all_neurons():
    own = {name: np.zeros(2, int) for name in ("e_direct", "decay_rise", "decay_syn", "decay_mem")}
    own |= {"w_direct": np.zeros((2, 1), int), "w_rec": np.zeros((2, 2), int)}
    own |= {"threshold": np.array([9, 9]), "e_rec": np.array([0, 15])}
    step = hidden_step(wide(frac_bits=16, **own))
    assert "int64_t sum_w_rec = rows_w_rec[i] * ((int64_t)1 << (hidden0_e_rec[i] + 16));" in step


@pytest.mark.parametrize(("n", "n_weights"), [(10, 0), (10, 1), (257, 1)])
def test_one_weight_is_stored_alone_and_none_as_a_whole_table(n, n_weights):
    rng = np.random.default_rng(1)
    network = double_exp(rng, random_network(rng, hidden=(n,)))
    w_rec = np.zeros((n, n), int)
    w_rec[n - 1, 0] = n_weights
    layer = network.layers[0].replaced({"w_rec": w_rec})
    text = source(replace(network, layers=(layer, network.readout)), "net")
    kind = "uint16_t" if n > 256 else "uint8_t"
    assert (f"{kind} hidden0_w_rec_to[1] = {{" in text) is (n_weights == 1)
    assert (f"hidden0_w_rec[{n}][{n}]" in text) is (n_weights == 0)


@pytest.mark.slow
def test_a_word_is_multiplied_in_32_bits_where_the_product_fits():
    """The membrane is at most the threshold, and nothing is lost: 524287 x 4096 < 2^31."""
    for threshold, product in (
        (524_287, "(old_mem * (4096) / ((int32_t)1 << 12))"),
        (524_288, "(int32_t)decay_of(old_mem, (4096))"),
    ):
        network = wide(threshold=np.array([threshold]), e_direct=np.array([12]))
        assert f"decayed = {product};" in hidden_step(network)
    below = hidden_step(wide(w_direct=np.array([[-5]])))
    assert "decayed = (int32_t)decay_of(old_mem, (4096));" in below
    floor = hidden_step(wide(rounding="floor"))
    assert "decayed = (old_mem * (4096) >> 12);" in floor


@pytest.mark.slow
def test_sums_are_as_wide_as_they_need_to_be_and_words_fitted_where_they_can_overflow():
    most = (1 << 31) - 1 - (5 << 15 + 12)
    for threshold, kind in ((most, "int32_t"), (most + 1, "int64_t")):
        shift = {"e_direct": np.array([15]), "frac_bits": 12}
        step = hidden_step(wide(threshold=np.array([threshold]), **shift))
        assert f"{kind} asked_sum = " in step
        assert ("(int32_t)saturate(asked_sum, MEM_LOW, MEM_HIGH)" in step) is (kind == "int64_t")
    for bits in (5, 4):  # 9 + 5 = 14
        small = wide(mem_bits=bits, threshold=np.array([7]), w_direct=np.array([[5 + (bits == 5)]]))
        assert ("saturate(" in hidden_step(small)) is (bits == 4)


@pytest.mark.parametrize("share", [0.25, 0.26])
def test_weights_that_are_not_0_alone_are_stored_where_they_are_a_quarter_at_most(share):
    w_rec = np.zeros((10, 10), int)
    w_rec.flat[: int(100 * share)] = np.arange(1, 1 + int(100 * share))
    rng = np.random.default_rng(1)
    plain = random_network(rng, hidden=(10,))
    network = double_exp(rng, plain)
    layer = network.layers[0].replaced({"w_rec": w_rec, "threshold": np.full(10, 7)})
    text = source(replace(network, layers=(layer, network.readout)), "net")
    assert ("hidden0_w_rec_first[11]" in text) is (share == 0.25)
    assert ("hidden0_w_rec[10][10]" in text) is (share == 0.26)
    assert "hidden0_threshold[" not in text  # equal values are a literal
    if share == 0.25:
        first = re.search(r"hidden0_w_rec_first\[11\] = \{([^}]*)\}", text)[1]
        assert [int(x) for x in first.split(",")] == [0, 3, 6, 9, 12, 15, 17, 19, 21, 23, 25]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(6))
def test_wide_words_and_large_weights_give_every_word(number):
    """Sums beyond 32 bits, words that saturate or wrap at 32, decays near unity."""
    rng = np.random.default_rng(number)
    widths = {"syn_bits": 32, "mem_bits": 32, "weight_bits": 16, "frac_bits": 12 + number % 5}
    rules = {"rounding": ("floor", "toward_zero")[number % 2], "decay_frac": 16}
    rules |= dict.fromkeys(("overflow_syn", "overflow_mem"), ("wrap", "saturate")[number // 3])
    plain = random_network(rng, replace(PAPER, **widths, **rules), hidden=(6,), n_inputs=5)
    network = double_exp(rng, plain, refractory_steps=number % 3)
    raster = random_raster(rng, 80, 5)
    expected = reference.run(network, raster)
    assert np.abs(expected.variables["hidden0.mem"]).max() > 1 << 29
    assert count_differences(expected, decoder.run_backend(network, raster)) == 0
