import copy

import numpy as np
import pytest
import torch
from random_models import ARCHITECTURES, random_model, random_raster, random_target

from base.errors import DataError, MismatchError
from base.metrics import Metrics, mean_metrics
from base.order import Order
from rsnn.evaluate import decode, evaluate
from rsnn.fast.decode import blocks
from rsnn.model import RSNN, Architecture
from rsnn.published import import_published

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# the heads' mean is taken over arrays of other shapes, which may round its last bit differently
LAST_BITS = {"rtol": 1e-6, "atol": 1e-7}


def forward(model: RSNN, raster: np.ndarray, dtype: torch.dtype):
    with torch.no_grad():
        run = copy.deepcopy(model).to(dtype)(torch.from_numpy(raster)[None].to(dtype))
    return run.out[0].double().numpy(), [spk[0].to(torch.uint8).numpy() for spk in run.spk]


def assert_decodes_as_forward(model: RSNN, raster: np.ndarray, dtype: torch.dtype) -> None:
    out, spk = decode(model, raster, dtype=dtype)
    wanted_out, wanted_spk = forward(model, raster, dtype)
    for layer, wanted in zip(spk, wanted_spk, strict=True):
        assert layer.dtype == np.uint8
        np.testing.assert_array_equal(layer, wanted)
    coarse = {torch.float16: 1e-3, torch.bfloat16: 1e-2}
    tolerance = {"rtol": coarse[dtype], "atol": coarse[dtype]} if dtype in coarse else LAST_BITS
    np.testing.assert_allclose(out, wanted_out, **tolerance)
    assert spk[0].any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_decoding_equals_forward_over_several_blocks(name, dtype):
    architecture = ARCHITECTURES[name]
    raster = random_raster(300, architecture.n_inputs)
    assert_decodes_as_forward(random_model(architecture), raster, dtype)


@pytest.mark.parametrize("n_steps", [2, 3, 255, 256, 257, 513])
def test_decoding_equals_forward_at_every_length_around_a_block(n_steps):
    raster = np.ones((n_steps, 17), np.uint8)
    model = random_model(ARCHITECTURES["recurrent"])
    out, spk = decode(model, raster)
    wanted_out, wanted_spk = forward(model, raster, torch.float32)
    np.testing.assert_array_equal(spk[0], wanted_spk[0])
    np.testing.assert_allclose(out, wanted_out, **LAST_BITS)


def test_decoding_published_networks_equals_forward_on_real_reaches(published, reaches):
    for path in (published[0], published[6]):
        model = import_published(path)
        n_inputs = model.architecture.n_inputs
        for reach in reaches:
            raster = np.zeros((len(reach), n_inputs), np.uint8)
            raster[:, : reach.shape[1]] = reach[:, :n_inputs]
            assert_decodes_as_forward(model, raster, torch.float32)


def test_silence_leaves_only_the_decay_of_the_initial_output():
    model = random_model(ARCHITECTURES["recurrent"])
    out, spk = decode(model, np.zeros((300, 17), np.uint8), dtype=torch.float64)
    decay = model.double().heads[0].tau.decays()[0].detach().numpy()
    np.testing.assert_allclose(out, -0.01 * decay ** np.arange(1, 301)[:, None], rtol=1e-12)
    assert not spk[0].any()


def test_a_single_step_is_decoded():
    out, spk = decode(random_model(ARCHITECTURES["recurrent"]), np.ones((1, 17), np.uint8))
    assert out.shape == (1, 2)
    assert spk[0].shape == (1, 23)
    assert not spk[0].any()


def test_two_runs_in_a_row_are_equal_and_leave_the_model_as_it_was():
    model = random_model(ARCHITECTURES["two layers"]).half()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    raster = random_raster(300, 12)
    (out, spk), (again, spk_again) = decode(model, raster), decode(model, raster)
    np.testing.assert_array_equal(out, again)
    for layer, layer_again in zip(spk, spk_again, strict=True):
        np.testing.assert_array_equal(layer, layer_again)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float16
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad


def test_output_is_float64_only_when_computed_in_float64():
    model, raster = random_model(ARCHITECTURES["recurrent"]), random_raster(5, 17)
    kinds = {dtype: decode(model, raster, dtype=dtype)[0].dtype for dtype in DTYPES}
    assert kinds.pop(torch.float64) == np.float64
    assert set(kinds.values()) == {np.dtype(np.float32)}


def test_a_read_only_raster_and_a_strided_one_are_decoded():
    model, raster = random_model(ARCHITECTURES["recurrent"]), random_raster(600, 34)
    raster.flags.writeable = False
    every_second = raster[::2, ::2]
    out, _ = decode(model, every_second)
    np.testing.assert_array_equal(out, decode(model, every_second.copy())[0])


def test_blocks_cover_a_stream_in_order_and_none_is_short():
    for n_steps in (1, 255, 256, 257, 1000, 75_001):
        cut = list(blocks(n_steps))
        assert [i for block in cut for i in range(n_steps)[block]] == list(range(n_steps))
        assert max(b.stop - b.start for b in cut) - min(b.stop - b.start for b in cut) <= 1


def test_figures_equal_a_count_by_hand():
    model = RSNN(Architecture(2, (3,)))
    with torch.no_grad():
        model.hidden[0].w_in.copy_(torch.tensor([[9.0, 0.0], [9.0, 9.0], [0.0, 0.0]]))
        model.hidden[0].w_rec[2, 0] = 1.0
        model.heads[0].w_out[:, 0] = 1.0
    raster = np.array([[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [1, 1]], np.uint8)
    figures = evaluate(model, raster, random_target(6))
    spk = decode(model, raster)[1][0]
    # spikes of the last step reach nothing; columns of w_in hold 2 and 1 weights
    from_input = 2 * 1 + 1 * 1
    from_hidden = (1 + 2) * int(spk[:-1, 0].sum())
    assert spk[:-1].sum(0).tolist() == [1, 1, 0]
    assert figures.effective_acs == (from_input + from_hidden) / 6
    assert figures.dense == 2 * 3 + 3 * 3 + 3 * 2
    assert figures.effective_macs == 0.0
    assert figures.connection_sparsity == round((21 - 6) / 21, 4)
    assert figures.activation_sparsity == pytest.approx(1 - spk.sum() / 18, abs=1e-15)
    assert figures.footprint == 4 * (21 + 2 * 3 + 2 * 2)
    assert figures.n_steps == 6


def test_footprint_is_that_of_the_kept_precision_whatever_the_run_computes_in():
    model = random_model(ARCHITECTURES["recurrent"]).half()
    raster, target = random_raster(50, 17), random_target(50)
    footprints = {evaluate(model, raster, target, dtype=dtype).footprint for dtype in DTYPES}
    assert footprints == {2 * (17 * 23 + 23 * 23 + 2 * 23 + 2 * 23 + 2 * 2)}


def test_r2_is_one_for_the_decoded_output_itself():
    model, raster = random_model(ARCHITECTURES["recurrent"]), random_raster(300, 17)
    out, _ = decode(model, raster)
    assert evaluate(model, raster, out).r2 == 1.0


def test_the_total_sums_steps_and_averages_the_rest():
    rows = [
        Metrics(100, 21000, 0.4, 0.98, 10368.0, 0.0, 200.0, 0.5),
        Metrics(300, 33288, 0.5, 0.96, 16512.0, 0.0, 400.0, 0.7),
    ]
    total = mean_metrics(rows)
    assert (total.n_steps, total.footprint, total.dense) == (400, 27144, 13440.0)
    assert total.effective_acs == 300.0
    assert total.r2 == pytest.approx(0.6)


# Errors


def test_a_total_of_no_sessions_is_refused():
    with pytest.raises(DataError, match=r"^there are 0 sessions to average; evaluate at least 1$"):
        mean_metrics([])


def test_other_channels_than_the_models_are_refused_with_both_numbers():
    message = r"^the raster has 5 channels, the model 17; use a recording with as many channels$"
    with pytest.raises(MismatchError, match=message):
        decode(random_model(ARCHITECTURES["recurrent"]), np.zeros((9, 5), np.uint8))


@pytest.mark.parametrize(
    ("raster", "what"),
    [
        (np.zeros((4, 17)), r"float64 of shape \(4, 17\)"),
        (np.zeros((2, 4, 17), np.uint8), r"uint8 of shape \(2, 4, 17\)"),
        (np.zeros((0, 17), np.uint8), r"uint8 of shape \(0, 17\)"),
    ],
)
def test_what_is_no_raster_is_refused(raster, what):
    message = rf"^the raster is {what}; it must be uint8 of shape \(n_steps, 17\) with at least 1"
    with pytest.raises(DataError, match=message):
        decode(random_model(ARCHITECTURES["recurrent"]), raster)


def test_a_raster_of_counts_is_refused_and_the_first_one_named():
    raster = np.zeros((9, 17), np.uint8)
    raster[4, 3] = raster[6, 0] = 2
    message = r"^the raster holds 2 at step 4, channel 3; it may hold 0 and 1 only, clip the counts"
    with pytest.raises(DataError, match=message):
        evaluate(random_model(ARCHITECTURES["recurrent"]), raster, random_target(9))


def test_a_target_of_another_shape_is_refused():
    model, raster = random_model(ARCHITECTURES["recurrent"]), random_raster(9, 17)
    message = r"^the target has shape \(8, 2\), what is decoded \(9, 2\); cut both from the same"
    with pytest.raises(MismatchError, match=message):
        evaluate(model, raster, random_target(8))


def test_a_constant_coordinate_is_refused_because_r2_has_no_value():
    target = random_target(9)
    target[:, 1] = 0.25
    message = r"^coordinate 1 of the target is constant over 9 steps, so R2 has no value; use a"
    with pytest.raises(DataError, match=message):
        evaluate(random_model(ARCHITECTURES["recurrent"]), random_raster(9, 17), target)


def test_a_target_with_gaps_is_refused():
    target = random_target(9)
    target[3] = np.nan
    message = r"^the target has 2 values that are NaN or infinite; leave those steps out$"
    with pytest.raises(DataError, match=message):
        evaluate(random_model(ARCHITECTURES["recurrent"]), random_raster(9, 17), target)


@pytest.mark.parametrize("delay_steps", [1, 0])
def test_spikes_are_counted_where_and_when_they_arrive(delay_steps):
    """What is sent in the last step arrives without delay, but through no recurrence."""
    order = Order(current="new", fires_on="new_membrane", delay_steps=delay_steps)
    model = random_model(Architecture(12, (20, 15), order=order))
    raster = random_raster(60, 12)
    raster[-1] = 1
    _, (first, second) = decode(model, raster)
    assert first[-1].any()
    assert second[-1].any()
    sources = {
        "hidden0.w_in": (raster, delay_steps),
        "hidden0.w_rec": (first, 1),
        "hidden1.w_in": (first, delay_steps),
        "hidden1.w_rec": (second, 1),
        "head0.w_out": (second, delay_steps),
    }
    operations = 0
    for name, weight in model.connections().items():
        source, delay = sources[name]
        for t in range(delay, 60):
            operations += int((weight[:, source[t - delay] == 1] != 0).sum())
    found = evaluate(model, raster, random_target(60))
    assert found.effective_acs == operations / 60
