"""Surrogate gradients by name: their equations, and the same in the definition and the kernels."""

import numpy as np
import pytest
import torch
from quick_training import QUICK, SPLIT, fresh_model, quick_session

from base.errors import RangeError
from rsnn.fast import bptt
from rsnn.surrogate import SURROGATES, Spike, Surrogate, fill_slope
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import train


@pytest.mark.parametrize("beta", [1.0, 20.0])
@pytest.mark.parametrize("name", SURROGATES)
def test_each_is_the_derivative_that_its_name_says(name, beta):
    mem = torch.linspace(-4, 6, 201, dtype=torch.float64, requires_grad=True)
    Spike.apply(mem, Surrogate(name, beta)).sum().backward()
    x = mem.detach() - 1.0
    if name == "superspike":
        wanted = 1.0 / (beta * x.abs() + 1.0) ** 2
    else:
        x.requires_grad_(True)
        smooth = torch.sigmoid(beta * x) if name == "sigmoid" else beta * x / (1 + beta * x.abs())
        (wanted,) = torch.autograd.grad(smooth.sum(), x)
    torch.testing.assert_close(mem.grad, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", SURROGATES)
def test_the_compiled_slope_is_that_of_the_definition(name):
    surrogate = Surrogate(name, 7.0)
    mem = np.linspace(-40, 40, 1001, dtype=np.float32)
    slope = np.empty_like(mem)
    fill_slope(surrogate.code, mem, slope)
    wanted = surrogate.slope(torch.from_numpy(mem)).numpy()
    np.testing.assert_allclose(slope, wanted, rtol=2e-5, atol=1e-30)


@pytest.mark.parametrize("name", SURROGATES)
def test_gradients_of_the_kernel_match_the_plain_path(name):
    session = quick_session()
    model = fresh_model(session)
    for layer in model.hidden:
        layer.surrogate = Surrogate(name, 5.0)
    raster = torch.from_numpy(np.array(session.raster[:60]))[None]
    gradients = []
    for forward in (lambda: model(raster.float()), lambda: bptt.forward(model, raster)):
        model.zero_grad()
        decoded = forward()
        assert decoded.spk[0].any()
        decoded.out.square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).norm()) <= 1e-5 * float(one.norm())


def test_the_choice_is_a_setting_of_the_training():
    session = quick_session()
    ends = {}
    for name in SURROGATES:
        config = TrainConfig(**{**vars(QUICK), "epochs": 1, "surrogate": name})
        model = fresh_model(session)
        train(model, session, SPLIT, config)
        ends[name] = model.hidden[0].w_in.detach().sum().item()
    assert len(set(ends.values())) == len(SURROGATES)


def test_unknown_names_and_steepness_without_meaning_are_refused():
    with pytest.raises(RangeError, match=r"surrogate is `relu`; choose one of superspike, fast_s"):
        TrainConfig(surrogate="relu")
    for beta in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(RangeError, match="surrogate_beta is"):
            TrainConfig(surrogate_beta=beta)
