import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.quantization.precision import Precision
from export.quantization.rounding import RIDGE, round_weights


def matrices(seed, n_post=7, n_in=12, n_rec=7):
    rng = np.random.default_rng(seed)
    w_in = rng.normal(size=(n_post, n_in)) * (rng.random((n_post, n_in)) < 0.7)
    w_rec = 3.0 * rng.normal(size=(n_post, n_rec)) * (rng.random((n_post, n_rec)) < 0.7)
    z = rng.random((200, n_in + n_rec)) @ rng.normal(size=(n_in + n_rec, n_in + n_rec))
    return w_in, w_rec, z.T @ z / 200


def error(weights, rounded, moment):
    """dw M dw^T of each neuron, M scaled and with its ridge as `round_weights` takes it."""
    found = np.hstack([rounded.w_in, rounded.w_rec]) * rounded.grid.columns(
        rounded.w_in.shape[1], rounded.w_rec.shape[1]
    )
    scaled = moment / (np.trace(moment) / len(moment)) + RIDGE * np.eye(len(moment))
    miss = found - weights
    return np.einsum("ij,jk,ik->i", miss, scaled, miss)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 8), st.sampled_from(["mse", "max", "percentile"]))
def test_integers_are_in_range_zeros_stay_and_both_matrices_share_a_unit(seed, bits, scale):
    w_in, w_rec, moment = matrices(seed)
    top = 2 ** (bits - 1) - 1
    found = round_weights(w_in, w_rec, (top, top), Precision(bits=bits, scale=scale), moment)
    for weights, integers in ((w_in, found.w_in), (w_rec, found.w_rec)):
        assert np.abs(integers).max() <= top
        assert not integers[weights == 0].any()
    assert ((found.grid.e_in == 0) | (found.grid.e_rec == 0)).all()
    assert (found.grid.unit > 0).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_calibrated_rounding_is_nowhere_worse_than_rounding_to_nearest_on_any_scale(seed, bits):
    w_in, w_rec, moment = matrices(seed)
    weights = np.hstack([w_in, w_rec])
    top = 2 ** (bits - 1) - 1
    calibrated = round_weights(w_in, w_rec, (top, top), Precision(bits=bits), moment)
    nearest = round_weights(w_in, w_rec, (top, top), Precision(bits=bits))
    largest = round_weights(w_in, w_rec, (top, top), Precision(bits=bits, scale="max"), moment)
    reached = error(weights, calibrated, moment)
    assert (reached <= error(weights, largest, moment) * (1 + 1e-9)).all()
    assert reached.sum() <= error(weights, nearest, moment).sum()


def test_no_single_step_of_a_weight_lowers_the_error_further():
    w_in, w_rec, moment = matrices(3)
    found = round_weights(w_in, w_rec, (7, 7), Precision(bits=4), moment)
    weights = np.hstack([w_in, w_rec])
    lowest = error(weights, found, moment)
    tried = 0
    for part in (found.w_in, found.w_rec):
        for place in np.ndindex(part.shape):
            for step in (-1, 1):
                if part[place] == 0 or abs(part[place] + step) > 7:
                    continue
                part[place] += step
                assert error(weights, found, moment)[place[0]] >= lowest[place[0]] * (1 - 1e-9)
                part[place] -= step
                tried += 1
    assert tried > 100


def test_without_calibration_weights_are_rounded_to_nearest():
    w_in, w_rec, _ = matrices(4)
    found = round_weights(w_in, w_rec, (127, 127), Precision(scale="max"))
    columns = found.grid.columns(12, 7)
    wanted = np.rint(np.hstack([w_in, w_rec]) / columns)
    assert np.array_equal(np.hstack([found.w_in, found.w_rec]), wanted)


def test_a_layer_can_share_one_scale():
    w_in, w_rec, moment = matrices(5)
    for scale in ("mse", "max", "percentile"):
        precision = Precision(bits=6, scale=scale, per_layer=True)
        grid = round_weights(w_in, w_rec, (31, 31), precision, moment).grid
        for values in vars(grid).values():
            assert len(set(values.tolist())) == 1


@pytest.mark.parametrize(("percentile", "share"), [(100.0, 1.0), (50.0, 0.5)])
def test_a_percentile_leaves_zeros_out(percentile, share):
    w_in = np.array([[0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]])
    precision = Precision(bits=8, scale="percentile", percentile=percentile)
    found = round_weights(w_in, np.zeros((1, 0)), (127, 1), precision)
    assert found.grid.unit[0] * 127 == pytest.approx({1.0: 9.0, 0.5: 5.0}[share])
    assert found.w_in.max() == 127


def test_a_neuron_without_weights_and_data_without_spikes_do_no_harm():
    w_in, w_rec, moment = matrices(6)
    w_in[2], w_rec[2] = 0.0, 0.0
    found = round_weights(w_in, w_rec, (7, 7), Precision(bits=4), np.zeros_like(moment))
    assert not found.w_in[2].any()
    assert found.grid.unit[2] == 1.0
    assert found.w_in.any()
