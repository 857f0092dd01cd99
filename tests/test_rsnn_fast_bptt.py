"""The compiled kernels against the plain path: same spikes, same gradients, any number of threads.

Weights here are multiples of 1/64 and dropout is a half or none: then every sum of weights is exact
in float32 whatever its order, all other operations are the same on both sides, and spikes must be
equal. With other weights two float32 runs of a chaotic network part sooner or later.
"""

import dataclasses
from functools import partial

import pytest
import torch

from base.errors import MismatchError
from rsnn.fast import bptt
from rsnn.fast.denormals import flushed_denormals
from rsnn.model import RSNN, Architecture, Head, big
from rsnn.training.initialize import initialize
from rsnn.training.recipe import TrainConfig
from rsnn.training.steps import activity_penalty, rmse
from rsnn.training.train import choose_forward

FEW_HEADS = (Head(0.05, 0.01), Head(0.02, 0.02))
FIVE_HEADS = big(1).heads
# architecture, batch, steps
CASES = {
    "8": (Architecture(17, (8,)), 5, 120),
    "64": (Architecture(96, (64,)), 35, 150),
    "64, five heads": (Architecture(96, (64,), FIVE_HEADS), 17, 100),
    "1024, five heads": (Architecture(96, (1024,), FIVE_HEADS), 3, 40),
    "two layers": (Architecture(24, (30, 21), FEW_HEADS, 3), 18, 100),
    "no recurrence": (Architecture(24, (30, 21), recurrent=False), 4, 80),
    "one neuron, one input": (Architecture(1, (1,)), 1, 200),
    "one step": (Architecture(9, (10,)), 4, 1),
    "two steps": (Architecture(9, (10,)), 4, 2),
    "64, biased": (Architecture(96, (64,), FIVE_HEADS, bias=True), 35, 150),
    "two layers, biased": (Architecture(24, (30, 21), FEW_HEADS, 3, bias=True), 18, 100),
    "no recurrence, biased": (Architecture(24, (30, 21), recurrent=False, bias=True), 4, 80),
    "two steps, biased": (Architecture(9, (10,), bias=True), 4, 2),
}


@pytest.fixture(autouse=True)
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def exact_model(architecture, seed=1):
    """A network as initialized for 20 Hz on 96 channels, weights and biases multiples of 1/64."""
    model = RSNN(architecture)
    rates = (20.0 * 96 / architecture.n_inputs,)
    initialize(model, rates=rates, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model.hidden[0].w_in[0] = 6.0 / architecture.n_inputs**0.5  # one neuron that surely fires
        for weight in model.connections().values():
            weight.copy_((weight * 64).round() / 64)
        for layer in (*model.hidden, *model.heads):
            if layer.bias is not None:
                layer.bias.copy_(torch.arange(-9, len(layer.bias) - 9) % 24 / 64 - 0.125)
    return model


def sample(architecture, batch, n_steps, seed=2):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(batch, n_steps, architecture.n_inputs, generator=generator)
    target = torch.randn(batch, n_steps, architecture.n_outputs, generator=generator)
    return (drawn < min(0.3, 0.08 * 96 / architecture.n_inputs)).to(torch.uint8), target


def run(forward, model, raster, target, dropout, penalized=True):
    """Return what was decoded and the gradients of all parameters by name."""
    # so that both penalties are above 0 in runs as short as these
    config = TrainConfig(lower_count=0.8, upper_count=0.01)
    model.zero_grad()
    with flushed_denormals():
        decoded = forward(model, raster, dropout, torch.Generator().manual_seed(3))
        loss = rmse(decoded.out, target)
        if penalized:
            loss = loss + penalties(decoded, config)
        loss.backward()
    return decoded, gradients_of(model)


def penalties(decoded, config):
    return torch.stack([activity_penalty(c, config) for c in decoded.spike_counts()]).sum()


def gradients_of(model):
    """By name; in a run of one step nothing depends on some parameters yet."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def assert_same_gradients(found, wanted):
    """Each group to 1e-5 of its norm, and each element to 1e-5 of the largest of its group.

    An element is a sum over samples and steps in which terms cancel: relative to itself it may have
    lost every digit, on both sides.
    """
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        difference = found[name] - gradient
        assert torch.isfinite(found[name]).all(), name
        assert difference.norm() <= 1e-5 * gradient.norm(), name
        assert difference.abs().max() <= 1e-5 * gradient.abs().max(), name


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_spikes_outputs_and_gradients_are_those_of_the_plain_path(case, dropout):
    architecture, batch, n_steps = CASES[case]
    model, data = exact_model(architecture), sample(architecture, batch, n_steps)
    wanted, wanted_gradients = run(choose_forward("torch"), model, *data, dropout)
    found, gradients = run(bptt.forward, model, *data, dropout)
    assert found.out.shape == (batch, n_steps, architecture.n_outputs)
    for mine, plain in zip(found.spk, wanted.spk, strict=True):
        assert torch.equal(mine, plain)
    if n_steps > 2:
        assert wanted.spk[0].sum() > 0
    torch.testing.assert_close(found.out, wanted.out, rtol=1e-5, atol=1e-6)
    assert_same_gradients(gradients, wanted_gradients)


def test_gradients_without_penalties_are_those_of_the_plain_path():
    architecture, batch, n_steps = CASES["two layers"]
    model, data = exact_model(architecture), sample(architecture, batch, n_steps)
    _, wanted = run(choose_forward("torch"), model, *data, 0.5, penalized=False)
    _, found = run(bptt.forward, model, *data, 0.5, penalized=False)
    assert_same_gradients(found, wanted)


def test_any_loss_of_single_spikes_has_the_gradient_of_the_plain_path():
    architecture, batch, n_steps = CASES["two layers"]
    model, (raster, _) = exact_model(architecture), sample(architecture, batch, n_steps)
    gradients = []
    for forward in (choose_forward("torch"), bptt.forward):
        model.zero_grad()
        decoded = forward(model, raster, 0.5, torch.Generator().manual_seed(3))
        weights = [torch.linspace(-1, 1, s.numel()).view(s.shape) for s in decoded.spk]
        loss = sum((w * s).sum() for w, s in zip(weights, decoded.spk, strict=True))
        loss.backward()
        gradients.append(gradients_of(model))
    assert gradients[0]["hidden.0.w_in"].any()
    assert_same_gradients(gradients[1], gradients[0])


def test_a_bias_of_zeros_changes_no_bit_of_spikes_outputs_and_other_gradients():
    architecture, batch, n_steps = CASES["two layers"]
    model, data = exact_model(architecture), sample(architecture, batch, n_steps)
    biased = RSNN(dataclasses.replace(architecture, bias=True))
    biased.load_state_dict(model.state_dict(), strict=False)
    wanted, wanted_gradients = run(bptt.forward, model, *data, 0.5)
    found, gradients = run(bptt.forward, biased, *data, 0.5)
    assert torch.equal(found.out, wanted.out)
    assert all(map(torch.equal, found.spk, wanted.spk))
    assert all(torch.equal(gradients[name], g) for name, g in wanted_gradients.items())
    assert gradients["hidden.0.bias"].all()
    assert gradients["heads.1.bias"].all()


@pytest.mark.parametrize("penalized", [False, True])
def test_gradients_are_the_same_where_spikes_are_only_counted(penalized):
    architecture, batch, n_steps = CASES["two layers"]
    model, data = exact_model(architecture), sample(architecture, batch, n_steps)
    counting = partial(bptt.forward, with_spikes=False)
    wanted, wanted_gradients = run(bptt.forward, model, *data, 0.5, penalized)
    found, gradients = run(counting, model, *data, 0.5, penalized)
    assert found.spk == ()
    for counts, spikes in zip(found.counts, wanted.spk, strict=True):
        assert torch.equal(counts, spikes.sum(1))
    assert torch.equal(found.out, wanted.out)
    assert all(torch.equal(gradients[name], g) for name, g in wanted_gradients.items())


def test_gradients_of_counts_and_of_single_spikes_add_up():
    architecture, batch, n_steps = CASES["64"]
    model, (raster, _) = exact_model(architecture), sample(architecture, batch, n_steps)
    gradients = []
    for shares in ((1.0, 0.0), (0.25, 0.75)):
        model.zero_grad()
        decoded = bptt.forward(model, raster, 0.5, torch.Generator().manual_seed(3))
        counts = (decoded.spk[0].sum(1), decoded.counts[0])
        sum(w * c.square().sum() for w, c in zip(shares, counts, strict=True)).backward()
        gradients.append(gradients_of(model))
    assert gradients[0]["hidden.0.w_in"].any()
    assert_same_gradients(gradients[1], gradients[0])


def test_silent_input_gives_silence_and_gradients_of_zero_for_every_weight():
    architecture = Architecture(96, (64,))
    model = exact_model(architecture)
    raster = torch.zeros(3, 50, 96, dtype=torch.uint8)
    decoded, gradients = run(bptt.forward, model, raster, torch.ones(3, 50, 2), 0.5)
    assert decoded.spk[0].sum() == 0
    plain, wanted = run(choose_forward("torch"), model, raster, torch.ones(3, 50, 2), 0.5)
    torch.testing.assert_close(decoded.out, plain.out, rtol=1e-6, atol=0.0)
    assert all(not gradients[f"hidden.0.{name}"].any() for name in ("w_in", "w_rec"))
    assert not gradients["heads.0.w_out"].any()
    assert gradients["heads.0.tau.mem_param"].all()  # `out` decays from its initial value
    torch.testing.assert_close(
        gradients["heads.0.tau.mem_param"], wanted["heads.0.tau.mem_param"], rtol=1e-5, atol=0.0
    )


@pytest.mark.parametrize("case", ["64", "two layers", "64, biased"])
def test_results_are_the_same_bits_for_one_thread_two_and_again(case):
    architecture, _, n_steps = CASES[case]
    model = RSNN(architecture)
    initialize(model, rates=(20.0,), generator=torch.Generator().manual_seed(1))
    data = sample(architecture, 40, n_steps)
    one, two = (partial(bptt.forward, workspace=bptt.Workspace(n_threads)) for n_threads in (1, 2))
    # the second run of each finds a workspace that the first has used
    runs = [run(forward, model, *data, 0.3) for forward in (one, two, two, one)]
    for decoded, gradients in runs[1:]:
        assert torch.equal(decoded.out, runs[0][0].out)
        assert all(map(torch.equal, decoded.spk, runs[0][0].spk))
        assert all(torch.equal(gradients[name], g) for name, g in runs[0][1].items())


def test_as_many_threads_share_a_batch_as_torch_has_unless_said_otherwise():
    torch.set_num_threads(2)
    assert bptt.Workspace().n_threads == 2
    assert bptt.Workspace(3).n_threads == 3


def test_two_runs_may_wait_for_their_backward_passes_in_one_workspace():
    architecture, batch, n_steps = CASES["8"]
    model, workspace = exact_model(architecture), bptt.Workspace()
    data = [sample(architecture, batch, n_steps, seed)[0] for seed in (1, 2)]
    wanted = []
    for raster in data:
        model.zero_grad()
        bptt.forward(model, raster).out.square().sum().backward()
        wanted.append(model.hidden[0].w_in.grad.clone())
    outs = [bptt.forward(model, raster, workspace=workspace).out for raster in data]
    for out, gradient in zip(outs, wanted, strict=True):
        model.zero_grad()
        out.square().sum().backward()
        assert torch.equal(model.hidden[0].w_in.grad, gradient)


def test_without_gradients_a_run_gives_all_its_memory_back():
    architecture, batch, n_steps = CASES["8"]
    model, workspace = exact_model(architecture), bptt.Workspace()
    raster, _ = sample(architecture, batch, n_steps)
    with torch.no_grad():
        first = bptt.forward(model, raster, workspace=workspace)
        held = {id(array) for free in workspace._free.values() for array in free}
        second = bptt.forward(model, raster, workspace=workspace)
    assert held
    assert held == {id(array) for free in workspace._free.values() for array in free}
    assert not first.out.requires_grad
    assert torch.equal(first.out, second.out)


def test_a_second_backward_pass_is_refused():
    architecture, batch, n_steps = CASES["8"]
    out = bptt.forward(exact_model(architecture), sample(architecture, batch, n_steps)[0]).out
    loss = out.sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


def test_a_float_raster_and_one_with_strides_are_the_same_to_the_kernel():
    architecture, batch, n_steps = CASES["8"]
    model, (raster, _) = exact_model(architecture), sample(architecture, batch, n_steps)
    wanted = bptt.forward(model, raster).out
    strided = raster.transpose(0, 1).contiguous().transpose(0, 1)
    for same in (raster.float(), strided, raster.bool()):
        assert torch.equal(bptt.forward(model, same).out, wanted)


def test_denormal_floats_work_again_after_a_run():
    architecture, batch, n_steps = CASES["8"]
    bptt.forward(exact_model(architecture), sample(architecture, batch, n_steps)[0])
    assert (torch.tensor(1e-39) * 1.0).item() != 0.0


def test_models_in_another_precision_are_refused():
    architecture, batch, n_steps = CASES["8"]
    raster, _ = sample(architecture, batch, n_steps)
    with pytest.raises(MismatchError) as refusal:
        bptt.forward(exact_model(architecture).half(), raster)
    assert str(refusal.value) == (
        "`hidden.0.w_in` is torch.float16 on cpu; the numba kernel computes in torch.float32 on the"
        " CPU, choose the torch kernel"
    )


def test_another_number_of_channels_is_refused():
    architecture, batch, n_steps = CASES["8"]
    model = exact_model(dataclasses.replace(architecture, n_inputs=16))
    with pytest.raises(MismatchError, match="the raster has 17 channels, the model 16;"):
        bptt.forward(model, sample(architecture, batch, n_steps)[0])
