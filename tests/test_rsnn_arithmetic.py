"""The step over torch's floats: models written by hand, their gradients, integers that train."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from networks import covering_contracts
from random_models import ARCHITECTURES, random_model

from base.order import Order, possible_values
from export.qat import Latent
from export.quantization.by_step import run_by_step
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.fast import bptt
from rsnn.model import RSNN, Architecture
from rsnn.neurons import NO_LEAK
from rsnn.stepped import Added, Stepped
from sim import reference
from sim.kinds.cuba_lif import CubaLIF

OF_WORDS = ("delivery", "by_increment")  # of which floats have none
NOTHING = Added(start=lambda n, dt: {}, constants=lambda parameters, dt: {})
ORDERS = [
    Order(),
    Order(current="new", fires_on="new_membrane", delay_steps=0),
    Order(current="new", fires_on="reset_membrane", reset="subtract", reset_drops_input=False),
    Order(reset="subtract", reset_delay=True, fires_on="new_membrane", fires_when=">="),
    Order(current="new", fires_on="new_membrane", bias_on="membrane"),
    Order(current="new", adds_first=True, inputs_at_once=True),
    Order(delay_steps=0, readout_delayed=True, adds_first=True),
]


@pytest.fixture(autouse=True)
def same_draws():
    torch.manual_seed(2)


def stepped(model: RSNN) -> RSNN:
    """The same model, its hidden layers computed by the step of their integer kind."""
    copy = RSNN(model.architecture).to(next(model.parameters()).dtype)
    a, fan_in = model.architecture, (model.architecture.n_inputs, *model.architecture.hidden)
    make = partial(Stepped, CubaLIF, NOTHING)
    for level, n in enumerate(a.hidden):
        options = {"recurrent": a.recurrent, "tau_mem0": a.tau_mem0, "tau_syn0": a.tau_syn0}
        layer = make(fan_in[level], n, **options, dt=a.dt, order=a.order, bias=a.bias)
        copy.hidden[level] = layer.to(next(model.parameters()).dtype)
    copy.load_state_dict(model.state_dict())
    return copy


def gradients(forward, model, raster):
    model.zero_grad()
    decoded = forward(raster)
    loss = decoded.out.square().mean() + sum(c.square().mean() for c in decoded.spike_counts())
    loss.backward()
    return decoded, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_close(found, wanted, relative=1e-5):
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        # the gradient by a unit is a float32 sum of what weights lose in rounding, which cancels
        tolerance = 1e-4 if name.startswith("log_unit") else relative
        difference = (found[name] - gradient).abs().max()
        assert difference <= tolerance * gradient.abs().max(), name
    assert any(gradient.any() for gradient in wanted.values())


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=[f"order {i}" for i in range(len(ORDERS))])
@pytest.mark.parametrize("shape", ["recurrent", "biased, two heads"])
def test_the_step_gives_spikes_and_gradients_of_the_layer_written_by_hand(shape, order):
    architecture = dataclasses.replace(ARCHITECTURES[shape], order=order)
    model = random_model(architecture).double()
    raster = (torch.rand(4, 60, architecture.n_inputs) < 0.3).double()
    wanted, by_hand = gradients(model, model, raster)
    other = stepped(model)
    found, by_step = gradients(other, other, raster)
    assert wanted.spk[0].any()
    assert all(torch.equal(a, b) for a, b in zip(found.spk, wanted.spk, strict=True))
    assert torch.allclose(found.out, wanted.out, rtol=1e-12, atol=1e-12)
    assert_close(by_step, by_hand)


def test_the_step_gives_the_spikes_of_neurons_that_do_not_leak():
    model = random_model(ARCHITECTURES["recurrent"]).double()
    with torch.no_grad():
        model.hidden[0].tau.mem_param[::2] = NO_LEAK
        model.hidden[0].w_in[::2] /= 20
    raster = (torch.rand(4, 60, model.architecture.n_inputs) < 0.3).double()
    found, wanted = stepped(model)(raster), model(raster)
    assert 0.01 < wanted.spk[0][..., ::2].mean() < 0.9
    assert torch.equal(found.spk[0], wanted.spk[0])


def test_the_step_gives_the_gradients_of_the_compiled_kernels():
    model = random_model(ARCHITECTURES["recurrent"])
    raster = (torch.rand(8, 80, model.architecture.n_inputs) < 0.3).to(torch.uint8)
    wanted, compiled = gradients(partial(bptt.forward, model), model, raster)
    other = stepped(model.double())
    found, by_step = gradients(other, other, raster.double())
    assert all(torch.equal(a, b.float()) for a, b in zip(wanted.spk, found.spk, strict=True))
    assert_close({name: grad.float() for name, grad in by_step.items()}, compiled)


def test_every_choice_of_an_order_is_covered():
    known = {field: v for field, v in possible_values(Order).items() if field not in OF_WORDS}
    for field, values in known.items():
        assert {getattr(order, field) for order in ORDERS} == set(values), field


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts("gradient"))))
@pytest.mark.parametrize("shape", ["recurrent", "biased, two heads"])
def test_integers_by_step_are_those_of_the_network_and_gradients_those_written_by_hand(
    shape, number
):
    # fine words, since gradients by hand go through floats and these through their rounded words
    precision = Precision(bits=6, frac_bits=16)
    model = random_model(ARCHITECTURES[shape])
    network = quantize(model, precision, contract=covering_contracts("gradient")[number])
    latent = Latent.of(model, network, precision)
    raster = (torch.rand(3, 50, network.n_inputs) < 0.3).to(torch.uint8)
    surrogates = [layer.surrogate for layer in latent.model.layers]

    def by_step(raster):
        added = [{} for _ in surrogates]
        return run_by_step(latent.network(), raster, surrogates, latent.floats(), added)

    _, by_hand = gradients(partial(latent.forward, latent.model), latent.model, raster)
    found, autograd = gradients(by_step, latent.model, raster)
    for stream, spikes in enumerate(raster.numpy()):
        words = reference.run(network, spikes).variables
        assert np.array_equal(found.spk[0][stream].detach().numpy(), words["hidden0.spk"])
        out = network.readout.decode(words["readout.out"])
        assert np.allclose(found.out[stream].detach().numpy(), out, rtol=1e-6, atol=1e-7)
    assert_close(autograd, by_hand, 3e-5)  # those by hand are sums in float32


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 3])
def test_neurons_with_adaptive_thresholds_train_in_their_own_integers(number):
    torch.manual_seed(1)
    model = RSNN(Architecture(9, (8,), neuron="adaptive_cuba_lif"))
    with torch.no_grad():
        for weight in model.connections().values():
            weight.normal_(0.0, 0.7)
    precision = Precision(bits=6)
    network = quantize(model, precision, contract=covering_contracts()[number])
    assert network.kinds() == {"hidden0": "adaptive_cuba_lif"}
    latent = Latent.of(model, network, precision)
    raster = (torch.rand(3, 60, 9) < 0.4).to(torch.uint8)
    optimizer = torch.optim.SGD(latent.model.parameters(), lr=0.02)
    steps = []
    for _ in range(3):
        now = latent.network()
        steps.append(now.hidden[0].threshold_step.copy())
        decoded = latent.forward(latent.model, raster)
        for stream, spikes in enumerate(raster.numpy()):
            words = reference.run(now, spikes).variables
            assert np.array_equal(decoded.spk[0][stream].detach().numpy(), words["hidden0.spk"])
            assert words["hidden0.adapt"].any()
        optimizer.zero_grad()
        (decoded.out.square().mean() + decoded.spk[0].mean()).backward()
        for name, parameter in latent.model.named_parameters():
            assert parameter.grad is not None, name
        optimizer.step()
    assert not np.array_equal(steps[0], steps[-1])


def test_adaptation_starts_at_a_quarter_of_a_second_and_a_seventh_of_the_threshold():
    """By hand: softplus(1) is ln(1 + e); time constant 0.2 s and step 0.1 times it."""
    torch.manual_seed(1)
    model = RSNN(Architecture(9, (8,), neuron="adaptive_cuba_lif"))
    with torch.no_grad():
        for weight in model.connections().values():
            weight.normal_()
    network = quantize(model, Precision(bits=8))
    layer, factor = network.hidden[0], np.log1p(np.e)
    unity = 1 << network.contract.decay_frac
    assert np.allclose(layer.decay_threshold / unity, np.exp(-0.004 / (0.2 * factor)), atol=0.001)
    assert np.allclose(layer.threshold_step / layer.threshold, 0.1 * factor, rtol=0.02)
