"""Fluctuation-driven initialization, measured against its equations."""

import numpy as np
import pytest
import torch

from base.errors import MismatchError, RangeError
from rsnn.model import RSNN, Architecture, Head, tiny
from rsnn.neurons import inverse_softplus
from rsnn.training.initialize import SIGMA_U, initialize, input_rates, psp_energy


def initialized(architecture, rates, seed=1):
    model = RSNN(architecture)
    initialize(model, rates=rates, generator=torch.Generator().manual_seed(seed))
    return model


def free_membrane(layer, raster):
    """Membranes (n_steps, n_neurons) that never spike, from the input connection alone."""
    decay_mem, decay_syn = (decay.detach().numpy() for decay in layer.tau.decays())
    feed = raster @ layer.w_in.detach().numpy().T
    syn = mem = np.zeros(feed.shape[1])
    trace = np.empty_like(feed)
    for t, arriving in enumerate(feed):
        mem = decay_mem * mem + (1.0 - decay_mem) * syn
        syn = decay_syn * syn + arriving
        trace[t] = mem
    return trace


@pytest.mark.parametrize("taus", [(0.020, 0.010), (0.010, 0.010), (0.005, 0.020)])
def test_psp_energy_is_the_integral_of_the_squared_response(taus):
    tau_mem, tau_syn = taus
    step = 1e-6
    t = np.arange(0.0, 0.4, step)
    if tau_mem == tau_syn:
        psp = t / tau_mem * np.exp(-t / tau_mem)
    else:
        psp = tau_syn / (tau_mem - tau_syn) * (np.exp(-t / tau_mem) - np.exp(-t / tau_syn))
    assert psp_energy(tau_mem, tau_syn) == pytest.approx((psp**2).sum() * step, rel=1e-4)


@pytest.mark.slow
def test_poisson_input_makes_membranes_fluctuate_by_the_wanted_amount():
    dt, rate = 0.00025, 20.0
    model = initialized(Architecture(96, hidden=(200,), dt=dt), (rate,))
    layer = model.hidden[0]
    for param in (layer.tau.mem_param, layer.tau.syn_param):
        torch.nn.init.constant_(param, inverse_softplus(1.0))
    raster = np.random.default_rng(1).random((30_000, 96)) < rate * dt
    trace = free_membrane(layer, raster.astype(np.float64))[1000:]
    # 5 %: deviation due to 7 s of 96 shared inputs and steps of a quarter millisecond
    assert trace.var(0).mean() == pytest.approx(0.9 * SIGMA_U**2, rel=0.05)
    assert abs(trace.mean()) < 0.05


def test_steps_of_4_ms_make_fluctuations_larger_by_the_documented_factor():
    decay_mem, decay_syn = np.exp(-4 / 20), np.exp(-4 / 10)
    n = np.arange(400)
    psp = (1 - decay_mem) / (decay_mem - decay_syn) * (decay_mem**n - decay_syn**n)
    factor = np.sqrt((psp**2).sum() * 0.004 / psp_energy(0.020, 0.010))
    assert factor == pytest.approx(1.22, abs=0.005)


def test_every_hidden_connection_has_the_variance_of_its_share():
    model = initialized(Architecture(200, hidden=(300, 250)), (15.0,))
    eps = psp_energy(0.020, 0.010)
    for name, share in {
        "hidden0.w_in": 0.9,
        "hidden0.w_rec": 0.1,
        "hidden1.w_in": 0.9,
        "hidden1.w_rec": 0.1,
    }.items():
        weight = model.connections()[name]
        fluctuation = weight.var().item() * weight.shape[1] * 15.0 * eps
        assert fluctuation == pytest.approx(share * 0.25, rel=0.03), name  # of 50,000 draws
        assert abs(weight.mean().item()) < 0.02 * weight.std().item(), name


def test_columns_of_the_second_array_are_scaled_by_the_ratio_of_rates():
    even = initialized(tiny(192), (15.0, 15.0)).hidden[0].w_in
    uneven = initialized(tiny(192), (10.0, 20.0)).hidden[0].w_in
    assert torch.equal(uneven[:, :96], even[:, :96])
    assert torch.equal(uneven[:, 96:], even[:, 96:] * 0.5)


def test_readouts_and_time_constants_start_as_published():
    model = initialized(Architecture(8, hidden=(2000,), heads=(Head(0.05, 0.01),) * 2), (20.0,))
    tau = model.hidden[0].tau
    for param in (tau.mem_param, tau.syn_param):
        assert 0.0 <= param.min() < 0.01
        assert 0.99 < param.max() <= 1.0
    assert not torch.equal(tau.mem_param, tau.syn_param)
    for head in model.heads:
        assert head.w_out.std().item() * 2000**0.5 == pytest.approx(1.0, rel=0.05)
        assert torch.equal(head.tau.mem_param, torch.ones(2))
        assert torch.equal(head.tau.syn_param, torch.ones(2))
    assert not torch.equal(model.heads[0].w_out, model.heads[1].w_out)


def test_a_layer_without_recurrence_is_initialized_too():
    model = initialized(Architecture(8, hidden=(5,), recurrent=False), (20.0,))
    assert model.hidden[0].w_in.std() > 0


def test_the_same_seed_draws_the_same_parameters_and_another_does_not():
    first, second, other = (initialized(tiny(6), (9.0,), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["hidden.0.w_in"], other["hidden.0.w_in"])


def test_input_rates_are_hertz_of_each_array_of_96_channels():
    raster = np.zeros((1000, 192), np.uint8)
    raster[::10, :96] = 1  # every 40 ms
    raster[::20, 96:] = 1
    assert input_rates(raster, 0.004) == pytest.approx((25.0, 12.5))
    assert input_rates(raster[:, :96], 0.004) == pytest.approx((25.0,))
    assert input_rates(raster[:, :50], 0.004) == pytest.approx((25.0,))


def test_a_silent_group_of_channels_is_refused():
    with pytest.raises(RangeError) as refusal:
        initialized(tiny(192), (12.0, 0.0))
    assert str(refusal.value) == (
        "channel group 1 has a mean rate of 0 Hz; it must be above 0, use a recording in which that"
        " group fires"
    )


@pytest.mark.parametrize("rates", [(), (1.0, 1.0, 1.0)])
def test_groups_that_do_not_divide_the_channels_are_refused(rates):
    with pytest.raises(MismatchError) as refusal:
        initialized(tiny(16), rates)
    assert str(refusal.value) == (
        f"16 channels do not divide into {len(rates)} groups of equal size; give one mean rate"
        " per group"
    )
