from dataclasses import replace

import numpy as np
import pytest
from networks import random_network

from base.errors import MismatchError, RangeError
from sim.contract import PAPER
from sim.network import IntegerNetwork


@pytest.fixture
def network() -> IntegerNetwork:
    return random_network(np.random.default_rng(1), hidden=(4, 3), n_heads=2)


def with_array(network: IntegerNetwork, name: str, array) -> IntegerNetwork:
    layer, key = name.split(".")
    index = network.layer_names.index(layer)
    layers = list(network.layers)
    layers[index] = replace(layers[index], **{key: array})
    return replace(network, layers=tuple(layers))


def test_arrays_are_read_only_and_in_their_smallest_dtype(network):
    for name, array in network.arrays():
        assert not array.flags.writeable, name
        if ".w_" in name:
            assert array.dtype == np.int8, name
    wide = random_network(np.random.default_rng(1), replace(PAPER, weight_bits=9))
    assert wide.hidden[0].w_in.dtype == np.int16


def test_the_network_keeps_no_hold_on_the_arrays_it_was_made_from(network):
    mine = np.array(network.hidden[0].w_in)
    copy = with_array(network, "hidden0.w_in", mine)
    digest = copy.digest()
    mine += 1
    assert copy.digest() == digest


def test_every_single_number_counts_in_the_digest_and_metadata_do_not(network):
    digests = {network.digest()}
    for name, array in network.arrays():
        changed = array.astype(float if array.dtype.kind == "f" else int)
        changed.flat[-1] += 1 if changed.flat[-1] <= 0 else -1
        digests.add(with_array(network, name, changed).digest())
    digests.add(replace(network, dt=0.005).digest())
    digests.add(replace(network, contract=replace(network.contract, reset="subtract")).digest())
    assert len(digests) == 3 + len(list(network.arrays()))
    assert replace(network, metadata={"other": 1}).digest() == network.digest()


def test_a_layer_without_recurrence_is_not_one_with_zero_weights(network):
    without = with_array(network, "hidden0.w_rec", None)
    zero = with_array(network, "hidden0.w_rec", np.zeros((4, 4), int))
    assert without.digest() != zero.digest()


def test_decoded_values_are_the_scaled_mean_of_the_heads(network):
    out = np.array([[1, 2, 3, 4], [-5, 0, 7, 8]])
    scale = network.readout.out_scale
    expected = [
        [(row[0] * scale[0] + row[2] * scale[2]) / 2, (row[1] * scale[1] + row[3] * scale[3]) / 2]
        for row in out
    ]
    assert np.array_equal(network.readout.decode(out), expected)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "hidden0.w_rec",
            np.full((4, 4), -131),
            "hidden0.w_rec holds -131; -128..127 is possible; quantize with `bits=9` or more",
        ),
        (
            "hidden0.w_in",
            np.full((4, 12), 300),
            "hidden0.w_in holds 300; -128..127 is possible; quantize with `bits=10` or more",
        ),
        ("hidden1.decay_mem", [0, -1, 0], "hidden1.decay_mem holds -1; 0..4096 is possible"),
        ("hidden1.decay_syn", [0, 4097, 0], "hidden1.decay_syn holds 4097; 0..4096 is possible"),
        ("hidden0.e_in", [0, 0, 0, 16], "hidden0.e_in holds 16; 0..15 is possible"),
        (
            "hidden0.threshold",
            [0, 0, 0, 2**31],
            "hidden0.threshold holds 2147483648; -2147483648..2147483647 is possible",
        ),
        ("readout.initial_out", [0.0] * 4, "readout.initial_out has dtype float64; integers are"),
        ("readout.out_scale", [1, 1, 1, np.nan], "readout.out_scale holds a value that is not"),
    ],
)
def test_a_number_that_does_not_fit_is_named_with_its_limit(network, name, value, text):
    with pytest.raises(RangeError) as caught:
        with_array(network, name, value if value is None else np.array(value))
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("hidden1.w_in", np.zeros((3, 5), int), "hidden1.w_in has shape (3, 5); (3, 4) is needed"),
        ("hidden0.w_rec", np.zeros((4, 3), int), "hidden0.w_rec has shape (4, 3); (4, 4) is"),
        ("hidden0.w_in", np.zeros((0, 12), int), "hidden0 has weights of shape (0, 12)"),
        ("hidden0.w_in", np.zeros(12, int), "hidden0 has weights of shape (12,)"),
        ("readout.out_scale", np.ones(3), "readout.out_scale has shape (3,); (4,) is needed"),
        ("readout.n_heads", 3, "readout has 4 rows, which 3 heads cannot share equally"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(network, name, value, text):
    with pytest.raises(MismatchError) as caught:
        with_array(network, name, value)
    assert str(caught.value).startswith(text)


def test_layers_come_in_the_right_order(network):
    with pytest.raises(MismatchError, match="followed by one readout; got CubaLI"):
        replace(network, layers=(network.readout, *network.hidden))
    with pytest.raises(MismatchError, match="got CubaLI"):
        replace(network, layers=(network.readout,))


def test_a_step_has_a_length(network):
    for dt in (0.0, -1.0, float("nan")):
        with pytest.raises(RangeError, match="must be longer than 0 s"):
            replace(network, dt=dt)


def test_weights_that_could_overflow_an_accumulator_are_refused():
    contract = replace(PAPER, weight_bits=16)
    network = random_network(np.random.default_rng(0), contract, n_inputs=70_000, hidden=(1,))
    with pytest.raises(RangeError, match="add up to 2293760000; a 32-bit accumulator holds"):
        with_array(network, "hidden0.w_in", np.full((1, 70_000), -(2**15)))
