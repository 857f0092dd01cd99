from dataclasses import replace

import numpy as np
import pytest
from random_models import ARCHITECTURES, random_model

from base.errors import DataError
from base.order import Order
from export.quantization import calibration as data
from export.quantization.corrections import Correction, correct, nudge_thresholds, refit_readout
from export.quantization.precision import Precision
from export.quantize import calibrate, quantize
from rsnn.data.raster import random_raster
from rsnn.model import Head
from sim.fast import runs

PRECISION = Precision(bits=8)
SHAPES = ("recurrent", "three layers, five heads")


@pytest.fixture(params=SHAPES)
def case(request):
    model = random_model(ARCHITECTURES[request.param])
    n_inputs = model.architecture.n_inputs
    raster = random_raster(4000, n_inputs, dt=0.004, rate=30.0, seed=1)
    streams = data.from_raster(raster, "made up", 0.004)
    network = quantize(model, PRECISION)
    return model, network, streams, data.response_to(model, streams)


def r2(network, streams, response):
    done = runs.run_many(network, streams.raster)
    return streams.r2(np.stack([network.readout.decode(run.out) for run in done]), response.out)


def test_a_spoilt_readout_is_refitted_and_its_zeros_stay(case):
    _, network, streams, response = case
    readout = network.readout
    spoilt = replace(readout, out_scale=readout.out_scale * 1.7)
    broken = replace(network, layers=(*network.hidden, spoilt))
    mended = refit_readout(broken, streams, response, PRECISION)
    assert r2(mended, streams, response) > r2(broken, streams, response) + 0.1
    assert not mended.readout.w_out[readout.w_out == 0].any()
    assert mended.contract == network.contract


def test_thresholds_are_nudged_to_the_float_models_rates(case):
    _, network, streams, response = case
    hidden = tuple(replace(h, threshold=(h.threshold * 1.5).astype(int)) for h in network.hidden)
    wide = replace(network.contract, mem_bits=32)
    broken = replace(network, layers=(*hidden, network.readout), contract=wide)
    wanted = sum(int(spk.sum()) for spk in response.spk)

    def missing(candidate):
        done = runs.run_many(candidate, streams.raster)
        return abs(sum(run.hidden_spikes for run in done) - wanted)

    assert missing(nudge_thresholds(broken, streams, response)) < 0.7 * missing(broken)


def test_a_correction_that_does_not_help_on_held_out_streams_is_not_kept(case):
    _, network, streams, response = case
    corrected, tried = correct(network, streams, response, PRECISION)
    assert [c.name for c in tried] == ["thresholds", "readout"]
    held_out = ~streams.is_fit
    reached = r2(corrected, streams.part(held_out), response.part(held_out))
    kept = [c for c in tried if c.is_kept]
    assert reached == pytest.approx(kept[-1].after if kept else tried[0].before)
    assert reached >= tried[0].before
    assert not Correction("x", 0.5, 0.5).is_kept


@pytest.mark.slow
def test_calibration_gives_the_same_network_each_time_and_keeps_widths_proven(case):
    model, _, streams, _ = case
    found = [calibrate(model, PRECISION, streams).network for _ in range(2)]
    assert found[0].digest() == found[1].digest()
    assert found[0].contract.mem_bits <= 32


def test_streams_are_cut_from_the_whole_and_too_little_is_refused():
    raster = random_raster(200_000, 3, dt=0.004, rate=20.0)
    streams = data.from_raster(raster, "long", 0.004)
    assert streams.raster.shape == (data.MAX_STREAMS, data.STREAM_STEPS, 3)
    assert np.array_equal(streams.raster[0], raster[: data.STREAM_STEPS])
    assert np.array_equal(streams.raster[-1], raster[-data.STREAM_STEPS :])
    assert streams.is_fit.sum() == data.MAX_STREAMS // 2
    with pytest.raises(DataError, match=r"short: 249 steps are 1.00 s; at least 1 s is needed"):
        data.from_raster(raster[:249], "short", 0.004)


@pytest.mark.parametrize("delay_steps", [0, 1])
@pytest.mark.parametrize("current", ["previous", "new"])
def test_filtered_spikes_are_what_synapse_and_membrane_make_of_them(current, delay_steps):
    spikes = random_raster(50, 4, dt=0.004, rate=60.0)[None]
    syn, mem, rows = np.zeros(4), np.zeros(4), []
    for t in range(50):
        arrived = spikes[0, t - delay_steps] if t >= delay_steps else np.zeros(4)
        old, syn = syn, 0.7 * syn + arrived
        mem = 0.9 * mem + 0.1 * (old if current == "previous" else syn)
        rows.append(mem)
    late = data.lag(current, delay_steps)
    assert np.allclose(data.filtered(spikes, 0.9, 0.7, late)[0], np.array(rows))


def test_spikes_that_are_added_first_decay_before_they_are_integrated():
    spikes = np.array([[[1.0], [0.0], [1.0], [1.0], [0.0], [0.0]]])
    syn, mem, rows = 0.0, 0.0, []
    for x in spikes[0, :, 0]:
        syn = 0.7 * (syn + x)
        mem = 0.9 * mem + (1 - 0.9) * syn
        rows.append([mem])
    assert np.allclose(data.filtered(spikes, 0.9, 0.7, 0, adds_first=True)[0], np.array(rows))


AT_ONCE = Order(current="new", fires_on="new_membrane", delay_steps=0)


@pytest.mark.slow
def test_moments_and_a_refit_know_how_late_spikes_are_in_the_models_order():
    quick = Head(0.004, 0.002)  # in which two steps are a long time
    architecture = replace(
        ARCHITECTURES["recurrent"], order=AT_ONCE, initial_out=0.0, heads=(quick,)
    )
    model = random_model(architecture)
    raster = random_raster(4000, architecture.n_inputs, dt=0.004, rate=30.0, seed=1)
    streams = data.from_raster(raster, "made up", 0.004)
    response = data.response_to(model, streams)
    (layer,) = model.hidden
    decays = [float(d.detach().double().median()) for d in layer.tau.decays()]
    delivered = [
        data.filtered(streams.raster, *decays, 0),
        data.filtered(response.spk[0], *decays, 1),
    ]
    z = np.concatenate(delivered, 2).reshape(-1, 17 + 23)
    assert np.allclose(data.moments(model, streams, response)["hidden0"], z.T @ z / len(z))

    # with the right spikes a refit finds the readout that was; with late ones it cannot
    network = quantize(model, Precision(bits=12))
    done = runs.run_many(network, streams.raster)
    own = response._replace(out=np.stack([network.readout.decode(run.out) for run in done]))
    spoilt = replace(network.readout, out_scale=network.readout.out_scale * 1.7)
    broken = replace(network, layers=(*network.hidden, spoilt))
    assert r2(refit_readout(broken, streams, own, Precision(bits=12)), streams, own) > 0.99
