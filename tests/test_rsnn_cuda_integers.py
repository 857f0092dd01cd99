"""Integer networks by the CUDA kernels, compiled by g++, word for word."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cuda_host import Host
from cuda_models import HEADS, FakeCard, drawn, made, step

from export.qat import Latent
from export.quantization.on_card import run_on_card
from export.quantization.on_card import unsupported as unsupported_integers
from export.quantization.precision import Precision
from export.quantization.straight import run_straight
from export.quantize import quantize
from rsnn.model import Architecture
from sim.fast import runs

N_PROCESSORS = 8
NARROW_WORDS = {"syn_bits": 18, "mem_bits": 19}
WRAPPED = NARROW_WORDS | {"overflow_syn": "wrap", "overflow_mem": "wrap"}
INTEGERS = {  # architecture, weight and fractional bits, fields of the contract
    "tiny": (Architecture(12, (40,)), (8, 6), {}),
    "saturated": (Architecture(12, (40,)), (8, 6), NARROW_WORDS),
    "wrapped": (Architecture(12, (40,)), (8, 6), WRAPPED),
    "in a row": (
        Architecture(11, (33, 20), HEADS, bias=True), (8, 6), WRAPPED | {"rounding": "floor"},
    ),
    "wide": (Architecture(20, (132,)), (8, 6), NARROW_WORDS | {"mem_bits": 20}),
    "four bits": (Architecture(11, (37,), recurrent=False), (4, 0), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return Host(tmp_path_factory.mktemp("kernels"), N_PROCESSORS)


def words_of(network, raster):
    """Every current and membrane of a run, (batch, n_steps, n) each."""
    done = runs.run_many(network, raster.numpy(), record=True, threads=1)
    names = [f"{name}.{word}" for name in network.layer_names[:-1] for word in ("syn", "mem")]
    return {name: np.stack([each.trace.variables[name] for each in done]) for name in names}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "tiny" else pytest.mark.slow) for name in INTEGERS],
)
def test_integers_run_word_for_word_and_train_as_on_the_cpu(host, name):
    architecture, (bits, frac_bits), fields = INTEGERS[name]
    model, (raster, target, weights) = made(architecture), drawn(architecture, 2, 20)
    precision = Precision(bits=bits, frac_bits=frac_bits)
    unlimited = quantize(model, precision)
    latent = Latent.of(model, unlimited, precision)
    network = replace(unlimited, contract=replace(unlimited.contract, **fields))
    assert unsupported_integers(network, host) is None
    words = words_of(network, raster)
    if fields:
        assert not np.array_equal(words["hidden0.syn"], words_of(unlimited, raster)["hidden0.syn"])
    if frac_bits == 0:
        assert (words["hidden0.mem"] == network.hidden[0].threshold).sum() > 10
    codes = [layer.surrogate.code for layer in latent.model.layers]
    cpu = torch.device("cpu")

    def on_cpu(model, raster, *rest):
        return run_straight(network, raster, codes, latent.floats())

    def on_card(model, raster, *rest):
        return run_on_card(network, raster, codes, latent.floats(), host, cpu)

    data = raster, target, weights, 0.0
    wanted, gradients = step(latent.model, on_cpu, *data)
    got, found = step(latent.model, on_card, *data)
    assert sum(spk.sum() for spk in wanted.spk) > 50
    assert all(torch.equal(a, b) for a, b in zip(got.spk, wanted.spk, strict=True))
    assert (got.out - wanted.out).abs().max() <= 1e-6 * wanted.out.abs().max()
    names = dict(latent.model.named_parameters())
    for key, a, b in zip(names, found, gradients, strict=True):
        # that of a unit is a difference of large sums
        assert (a - b).abs().max() <= (2e-4 if "unit" in key else 1e-5) * b.abs().max(), key


def test_a_training_in_integers_goes_forward_on_the_card(host):
    architecture = Architecture(12, (40,))
    model, (raster, *_) = made(architecture), drawn(architecture, 2, 20)
    latent = Latent.of(model, quantize(model, Precision()), Precision())
    wanted = latent.forward(latent.model, raster)
    got = latent.forward_by(host, torch.device("cpu"))(latent.model, raster)
    assert torch.equal(got.spk[0], wanted.spk[0])
    assert torch.equal(got.counts[0], wanted.spk[0].sum(1))


@pytest.mark.parametrize(
    ("fields", "changed", "reason"),
    [
        ({"reset": "subtract"}, {}, "the order of its step is not the published one"),
        ({"saturation": "symmetric"}, {}, "its neurons have no gradient but that of their step"),
        ({"input_bits": 3}, {}, "its neurons have no gradient but that of their step"),
        ({}, {"threshold": -1}, "hidden0 has a threshold below 0"),
        ({}, {"e_in": 15}, "sums of the weights of hidden0 do not fit in 32 bits"),
    ],
)
def test_integers_that_the_kernels_cannot_compute_are_told(fields, changed, reason):
    network = quantize(made(Architecture(4, (8,))), Precision(bits=16, frac_bits=0))
    layer = network.hidden[0]
    arrays = {name: np.full_like(getattr(layer, name), value) for name, value in changed.items()}
    if "e_in" in changed:
        arrays["w_in"] = np.full_like(layer.w_in, 32767)
    network = replace(
        network,
        layers=(replace(layer, **arrays), network.readout),
        contract=replace(network.contract, **fields),
    )
    assert unsupported_integers(network, FakeCard()) == reason
