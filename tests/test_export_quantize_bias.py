"""Biases on their way from floats to integers: how they are rounded, kept, shown and refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from random_models import ARCHITECTURES, random_model

from base.errors import RangeError
from export.qat import Latent
from export.quantization import calibration as data
from export.quantization.cautions import cautions
from export.quantization.corrections import refit_readout
from export.quantization.ledger import ledger
from export.quantization.precision import Precision
from export.quantize import calibrate, quantize
from rsnn.data.raster import random_raster
from rsnn.evaluate import decode
from sim import reference
from sim.contract import PAPER
from sim.fast import runs
from sim.kinds.cuba_li import CubaLI

BIASED = ARCHITECTURES["biased, two heads"]
MANY = Precision(bits=16, decay_bits=16, frac_bits=6)


def streams_for(model):
    raster = random_raster(4000, model.architecture.n_inputs, dt=0.004, rate=30.0, seed=1)
    return data.from_raster(raster, "made up", 0.004)


def units_of(layer, contract):
    """The unit of each neuron, (n,), as near as its threshold or output scale tell it."""
    gain = 1.0 - layer.decay_mem / 2.0**contract.decay_frac
    if isinstance(layer, CubaLI):
        return layer.out_scale * 2.0**contract.frac_bits / gain
    return 2.0**contract.frac_bits / ((layer.threshold + 0.5) * gain)


def floats_of(model):
    """The biases of each integer layer in the model's unit; heads are one layer."""
    found = [layer.bias.detach().double().numpy() for layer in model.hidden]
    return [*found, np.concatenate([h.bias.detach().double().numpy() for h in model.heads])]


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("scale", ["max", "mse"])
def test_an_integer_bias_is_the_nearest_in_the_unit_of_its_neurons_weights(bits, scale):
    model = random_model(BIASED)
    network = quantize(model, Precision(bits=bits, scale=scale))
    one = 2.0**network.contract.frac_bits
    for layer, wanted in zip(network.layers, floats_of(model), strict=True):
        unit = units_of(layer, network.contract)
        # half a step, and what half a step of the threshold leaves open of the unit
        open_share = 0.5 / getattr(layer, "threshold", np.inf)
        slack = 0.5 + open_share * (np.abs(layer.bias) + 1)
        assert (np.abs(layer.bias - wanted / unit * one) <= slack + 1e-9).all()
        assert layer.bias.any()


def test_a_model_without_biases_gives_a_network_without():
    network = quantize(random_model(replace(BIASED, bias=False)))
    assert all(layer.bias is None for layer in network.layers)
    zeros = random_model(BIASED)
    with torch.no_grad():
        for layer in (*zeros.hidden, *zeros.heads):
            layer.bias.zero_()
    zeros = quantize(zeros)
    assert all(layer.bias is not None and not layer.bias.any() for layer in zeros.layers)


def test_with_many_bits_the_integers_follow_a_biased_model_from_the_first_step():
    architecture = replace(BIASED, hidden=(6,))
    model = random_model(architecture, seed=2)
    raster = random_raster(60, 12, dt=0.004, rate=40.0, seed=1)
    network = quantize(model, MANY)
    run = runs.run(network, raster, record=True)
    out, spk = decode(model, raster, dtype=torch.float64)
    assert spk[0].sum() > 20
    assert np.array_equal(run.trace.variables["hidden0.spk"], spk[0])
    assert np.abs(network.readout.decode(run.out) - out).max() < 1e-3 * np.abs(out).max()
    assert run.trace.variables["hidden0.syn"][0].tolist() == network.hidden[0].bias.tolist()


def test_state_widths_hold_what_biases_add():
    model = random_model(BIASED)
    narrow = quantize(model).contract
    with torch.no_grad():
        for layer in model.hidden:
            layer.bias *= 1000.0
    wide = quantize(model).contract
    assert narrow.syn_bits < wide.syn_bits < 32
    assert narrow.mem_bits < wide.mem_bits < 32


def with_bias(value, where="hidden"):
    model = random_model(BIASED)
    with torch.no_grad():
        getattr(model, where)[1].bias[1] = value
    return model


@pytest.mark.parametrize(("where", "name"), [("hidden", "hidden1: neuron 1"), ("heads", "readout")])
def test_a_bias_that_no_state_word_holds_is_refused_with_the_bits_that_fit(where, name):
    model = with_bias(2e5, where)
    precision = Precision(bits=10, frac_bits=12)
    with pytest.raises(RangeError) as caught:
        quantize(model, precision)
    text = str(caught.value)
    assert text.startswith(name)
    assert "needs a bias of " in text
    assert "a state word of 32 bits ends at 2147483647. Quantize with `frac_bits=" in text
    assert "\n" not in text
    quantize(model, replace(precision, frac_bits=int(text.removesuffix("`").rsplit("=", 1)[1])))
    with pytest.raises(RangeError, match="Quantize with fewer `bits`"):
        quantize(with_bias(1e12, where), precision)


@pytest.mark.parametrize("bias", [900.0, -900.0])
def test_an_asked_width_that_does_not_hold_a_bias_is_refused_with_the_one_that_does(bias):
    model = with_bias(bias)
    with pytest.raises(RangeError, match=r"`syn_bits` is 14; the largest bias needs ") as caught:
        quantize(model, Precision(syn_bits=14))
    text = str(caught.value)
    fits = int(text.split("`syn_bits=")[-1].split("`")[0])
    assert text.endswith(f"Quantize with `syn_bits={fits}` or fewer `frac_bits`")
    assert quantize(model, Precision(syn_bits=fits)).contract.syn_bits == fits


@pytest.mark.slow
def test_the_ledger_shows_the_rounding_of_biases_as_a_step_of_its_own_where_there_are_any():
    for bias, steps in (
        (True, ["w_in", "w_rec", "w_out", "biases", "decays", "thresholds"]),
        (False, ["w_in", "w_rec", "w_out", "decays", "thresholds"]),
    ):
        model = random_model(replace(BIASED, bias=bias))
        streams = streams_for(model)
        made = calibrate(model, MANY, streams)
        stages = {"state words": made.rounded}
        entries = ledger(model, stages, made.corrections, MANY, streams, made.response)
        assert [e.step for e in entries[3:-1]] == steps


@pytest.mark.slow
def test_the_step_of_the_ledger_holds_the_integers_biases():
    """With the coarsest of biases and 16 bits of weights, only that step costs anything."""
    model = random_model(replace(BIASED, hidden=(6,)), seed=2)
    streams = streams_for(model)
    made = calibrate(model, MANY, streams)
    coarse = [replace(layer, bias=np.zeros_like(layer.bias)) for layer in made.rounded.layers]
    stages = {"state words": replace(made.rounded, layers=tuple(coarse))}
    entries = ledger(model, stages, made.corrections, MANY, streams, made.response)
    r2 = {e.step: e.r2_float for e in entries}
    assert r2["biases"] < r2["w_out"] - 0.1
    assert abs(r2["state words"] - r2["thresholds"]) < 0.1


@pytest.mark.slow
def test_a_refitted_readout_keeps_its_biases_in_its_new_units():
    model = random_model(BIASED)
    streams = streams_for(model)
    response = data.response_to(model, streams)
    network = quantize(model, Precision(bits=8))
    readout = network.readout
    spoilt = replace(network, layers=(*network.hidden, replace(readout, w_out=readout.w_out // 2)))
    mended = refit_readout(spoilt, streams, response, Precision(bits=8))
    before, after = (layer.bias * units_of(layer, PAPER) for layer in (readout, mended.readout))
    step = units_of(mended.readout, PAPER)
    assert not np.array_equal(mended.readout.out_scale, readout.out_scale)
    assert (np.abs(after - before) <= step / 2 * (1 + 1e-9)).all()
    found, exact = calibrate(model, Precision(bits=8), streams), response.out
    outs = [
        found.network.readout.decode(r.out) for r in runs.run_many(found.network, streams.raster)
    ]
    assert streams.r2(np.stack(outs), exact) > 0.3


def test_neurons_that_have_only_a_bias_are_not_called_silent():
    model = random_model(ARCHITECTURES["biased, two heads"])
    with torch.no_grad():
        for layer in (*model.hidden, *model.heads):
            layer.tau.mem_param.fill_(1.0)
            layer.tau.syn_param.fill_(1.0)
        layer = model.hidden[0]
        layer.w_in[3] = layer.w_rec[3] = 0.0
        layer.bias[3] = 0.5
    assert cautions(model, quantize(model)) == []
    with torch.no_grad():
        layer.bias[3] = 0.0
    (text,) = cautions(model, quantize(model))
    assert text.startswith("hidden0: all weights of 1 neurons are zero (neuron 3 is the first)")


@pytest.mark.slow
@pytest.mark.parametrize("precision", [Precision(bits=3, frac_bits=2), MANY])
def test_training_in_integers_moves_biases_on_their_grid_and_runs_sims_words(precision):
    model = random_model(BIASED)
    network = quantize(model, precision)
    latent = Latent.of(model, network, precision)
    for given, found in zip(network.layers, latent.network().layers, strict=True):
        assert np.array_equal(given.bias, found.bias)
    raster = torch.from_numpy(random_raster(80, 12, dt=0.004, rate=40.0, seed=3))[None]
    names = [name for name, _ in latent.model.named_parameters() if name.endswith("bias")]
    assert len(names) == 4
    optimizer = torch.optim.SGD([latent.model.get_parameter(name) for name in names], lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        decoded = latent.forward(latent.model, raster)
        words = reference.run(latent.network(), raster[0].numpy()).variables
        out = network.readout.decode(words["readout.out"]).astype(np.float32)
        assert np.array_equal(decoded.out[0].detach().numpy(), out)
        (decoded.out - 0.3).square().mean().backward()
        optimizer.step()
    assert all(latent.model.get_parameter(name).grad.any() for name in names)
    for before, after in zip(network.layers, latent.network().layers, strict=True):
        assert not np.array_equal(before.bias, after.bias)


def test_biases_beyond_the_digits_of_float32_start_from_their_very_integers():
    model = with_bias(100.0)
    network = quantize(model, Precision(bits=16, frac_bits=10))
    assert network.hidden[1].bias.max() > 2**25
    latent = Latent.of(model, network, Precision(bits=16, frac_bits=10))
    assert np.array_equal(latent.network().hidden[1].bias, network.hidden[1].bias)
