"""A snnTorch module is run: one that computes anything but its layers in a row is refused."""

import copy

import numpy as np
import pytest
import snntorch
import torch
from snntorch_networks import Network
from torch import nn
from torch.nn import functional

from base.errors import DataError
from rsnn.snntorch import compare
from rsnn.snntorch.describe_module import describe
from rsnn.snntorch.import_state import import_state
from rsnnctl import api

N_IN, N = 7, 12


class Stepwise(nn.Module):
    """Two hidden layers and a readout, whose states are inside; `run` is what it does in a step."""

    def __init__(self, run, seed=0, **options):
        super().__init__()
        torch.manual_seed(seed)
        self.fc1 = nn.Linear(N_IN, N)
        self.lif1 = snntorch.RSynaptic(0.4, 0.7, linear_features=N, init_hidden=True, **options)
        self.fc2 = nn.Linear(N, N)
        self.lif2 = snntorch.Leaky(0.8, init_hidden=True, **options)
        self.fc3 = nn.Linear(N, 2)
        self.out = snntorch.Leaky(0.9, reset_mechanism="none", init_hidden=True, output=True)
        self.run = run
        with torch.no_grad():
            self.fc2.weight *= 3.0

    def forward(self, x):
        return self.run(self, x)


def first(net, x):
    return net.lif1(net.fc1(x))


def second(net, spk):
    return net.lif2(net.fc2(spk))


def end(net, spk):
    return net.out(net.fc3(spk))


def plain(net, x):
    return end(net, second(net, first(net, x)))


def imported(module, **options):
    return api.import_snntorch(module, dt=0.004, **options)


def refusal(module, **options):
    with pytest.raises(DataError) as caught:
        imported(module, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ELSE = "the module computes something else than its Linear layers and neurons one after the other: "
WAY_OUT = "; name a function that runs it with forward=, or describe its state dict"


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda net, x: end(net, net.lif2(net.fc2(net.lif1(functional.relu(net.fc1(x)))))), "lif1"),
        (lambda net, x: end(net, net.lif2(functional.relu(net.fc2(first(net, x))))), "lif2"),
        (lambda net, x: end(net, second(net, s := first(net, x)) + s), "the output"),
        (lambda net, x: end(net, second(net, first(net, x) * 0.5)), "lif2"),
        (lambda net, x: end(net, second(net, first(net, x.clamp(max=1.0)))), "lif1"),
        (lambda net, x: plain(net, x)[1] * 1.0001, "the output"),
        (lambda net, x: plain(net, x)[1].softmax(1), "the output"),
        (lambda net, x: plain(net, x)[1] * float("nan"), "the output"),
        (lambda net, x: plain(net, x)[0], "the output"),
        (lambda net, x: end(net, second(net, functional.dropout(first(net, x)))), "lif2"),
    ],
)
def test_a_forward_that_does_more_is_refused_with_the_first_difference(run, text):
    said = refusal(Stepwise(run))
    assert said.startswith(f"{ELSE}in step ")
    of = text if text == "the output" else f"`{text}`"
    assert f" of {of} is " in said
    assert said.endswith(f" in the model made of it{WAY_OUT}")


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda net, x: end(net, net.lif1(net.fc2(first(net, x)))), "computes `lif1` 240 times"),
        (lambda net, x: end(net, first(net, x)), "computes `lif2` 0 times in 120 steps"),
    ],
)
def test_a_layer_that_forward_computes_twice_or_never_is_refused(run, text):
    said = refusal(Stepwise(run))
    assert f"the module {text}" in said
    assert said.endswith(f" steps, the model made of it once in each{WAY_OUT}")


def test_one_neuron_instance_used_twice_is_refused():
    neurons = snntorch.Leaky(0.8, init_hidden=True)
    twice = nn.Sequential(nn.Linear(N_IN, N), neurons, nn.Linear(N, N), neurons)
    text = "`1` and `3` are the same Leaky, so they share their states; create one for each layer"
    assert refusal(twice) == text


def test_a_reset_mechanism_changed_after_construction_is_refused():
    net = Stepwise(plain)
    net.lif1 = snntorch.Leaky(0.7, init_hidden=True)
    imported(net)
    for neurons in (net.lif1, net.lif2):
        neurons.reset_mechanism = "zero"
    said = refusal(net)
    assert said.startswith(f"{ELSE}in step ")
    assert " of `lif1` is " in said


def test_layers_registered_in_another_order_than_that_of_signals_are_refused():
    net = Stepwise(lambda net, x: end(net, net.lif1(net.fc1(net.lif2(net.fc2(x))))))
    net.fc1 = nn.Linear(N, N)
    net.fc2 = nn.Linear(N, N)
    assert refusal(net).startswith(f"{ELSE}in step ")


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            lambda net, x: plain(net, x.bad),
            "AttributeError: 'Tensor' object has no attribute 'bad'",
        ),
        (lambda net, x: [][1], "IndexError: list index out of range"),
    ],
)
def test_a_module_that_cannot_be_run_is_refused(run, text):
    said = refusal(Stepwise(run))
    assert f"the module cannot be run on a raster of shape (120, 1, 7): {text}" in said
    assert said.endswith(WAY_OUT)


def test_neurons_that_return_tuples_into_a_linear_cannot_be_run():
    theirs = nn.Sequential(nn.Linear(N_IN, N), snntorch.Leaky(0.8), nn.Linear(N, 2))
    assert "the module cannot be run on a raster of shape (120, 1, 7): TypeErr" in refusal(theirs)


@pytest.mark.parametrize("returned", [None, 3.0, torch.zeros(()), torch.zeros(2, 2), [1.0] * 120])
def test_a_module_that_returns_no_output_of_each_step_is_refused(returned):
    def run(net, x):
        plain(net, x)
        return returned

    text = f"the module returns nothing of shape (120, 1, 2), its output per step{WAY_OUT}"
    assert refusal(Stepwise(run)) == text


def test_neurons_computed_for_a_batch_are_refused():
    text = "computes `lif1` with spikes of shape (3, 12) in a step, the model made of it with"
    assert text in refusal(Stepwise(lambda net, x: plain(net, x.expand(3, -1))))


class OverTime(nn.Module):
    """One layer and its readout, which keep no states: `forward` takes a raster or a batch."""

    def __init__(self, batch_first=False):
        super().__init__()
        torch.manual_seed(2)
        self.fc1 = nn.Linear(N_IN, N)
        self.lif1 = snntorch.Synaptic(0.5, 0.7)
        self.fc2 = nn.Linear(N, 2)
        self.out = snntorch.Leaky(0.9, reset_mechanism="none")
        self.batch_first = batch_first

    def forward(self, raster):
        syn, mem = self.lif1.reset_mem()
        out = self.out.reset_mem()
        spikes, outs = [], []
        for x in raster.transpose(0, 1) if self.batch_first else raster:
            spk, syn, mem = self.lif1(self.fc1(x), syn, mem)
            _, out = self.out(self.fc2(spk), out)
            spikes.append(spk)
            outs.append(out)
        return spikes, torch.stack(outs, int(self.batch_first))


def test_a_forward_that_takes_the_raster_is_called_once():
    model = imported(OverTime())
    assert model.architecture.hidden == (N,)


def test_a_forward_with_states_inside_some_neurons_takes_the_raster():
    theirs = OverTime()
    theirs.lif1 = snntorch.Leaky(0.8, init_hidden=True)

    def run(raster):
        spikes = [theirs.lif1(theirs.fc1(x)) for x in raster]
        theirs.out.reset_mem()
        return [theirs.out(theirs.fc2(spk)) for spk in spikes]

    theirs.forward = run
    imported(theirs)


def test_a_forward_that_takes_something_else_is_named():
    theirs = OverTime(batch_first=True)
    assert "the module computes `lif1` 1 times in 120 steps" in refusal(theirs)
    model = imported(theirs, forward=lambda raster: theirs(raster.transpose(0, 1))[1][0])
    for key, weights in imported(OverTime()).state_dict().items():
        assert torch.equal(model.state_dict()[key], weights), key


def test_a_named_function_is_what_is_compared():
    theirs = OverTime()
    said = refusal(theirs, forward=lambda raster: theirs(raster)[1] + 0.001)
    assert said.startswith(f"{ELSE}in step 0, unit 0 of the output is ")


@pytest.mark.parametrize(
    "returned",
    [
        lambda spk, mem: mem,
        lambda spk, mem: (spk, mem),
        lambda spk, mem: [mem, spk],
        lambda spk, mem: (spk, (mem,)),
    ],
)
def test_the_output_is_found_among_what_is_returned(returned):
    imported(Stepwise(lambda net, x: returned(*plain(net, x))))


@pytest.mark.slow
def test_a_flatten_is_a_view():
    torch.manual_seed(1)
    layers = [nn.Linear(N_IN, N), snntorch.Leaky(0.8, init_hidden=True), nn.Linear(N, 2)]
    model = imported(nn.Sequential(nn.Flatten(), layers[0], layers[1], nn.Flatten(), layers[2]))
    for key, weights in imported(nn.Sequential(*layers)).state_dict().items():
        assert torch.equal(model.state_dict()[key], weights), key


def test_a_module_is_left_as_it_was():
    net = Stepwise(plain)
    net.fc1.eval()
    net.out(torch.ones(3, 2))
    before = copy.deepcopy(net.out.mem.detach())
    imported(net)
    assert net.training
    assert not net.fc1.training
    assert torch.equal(net.out.mem, before)
    assert not net.lif1._forward_hooks
    net.run = lambda net, x: None
    with pytest.raises(DataError):
        imported(net)
    assert net.training
    assert torch.equal(net.out.mem, before)


def test_a_module_in_training_is_run_in_evaluation():
    torch.manual_seed(1)
    neurons = snntorch.Leaky(0.8, init_hidden=True)
    imported(nn.Sequential(nn.Linear(N_IN, N), nn.Dropout(0.5), neurons, nn.Linear(N, 2)).train())


def test_states_left_by_a_run_do_not_matter():
    net = Stepwise(plain)
    for _ in range(3):
        net(torch.full((1, N_IN), 5.0))
    imported(net)


@pytest.mark.slow
def test_a_layer_that_never_fires_cannot_be_compared():
    net = Stepwise(plain)
    with torch.no_grad():
        net.fc2.weight.zero_()
        net.fc2.bias.zero_()
        net.fc2.bias[:5] = 9.0
    text = (
        "no raster tried makes half of each layer's neurons fire, of `lif2` 42% at most, so the"
        " module cannot be compared with the model made of it; describe its state dict"
    )
    assert refusal(net) == text
    with torch.no_grad():
        net.fc2.bias[:6] = 9.0
    imported(net)


@pytest.mark.slow
def test_inputs_of_both_signs_are_tried_where_spikes_do_not_do():
    net = Stepwise(plain)
    with torch.no_grad():
        net.fc1.weight.copy_(-net.fc1.weight.abs())
        net.fc1.bias.zero_()
        net.lif1.recurrent.bias.zero_()
    imported(net)


@pytest.mark.slow
def test_the_raster_is_long_and_every_layer_fires_and_resets_in_it():
    assert compare.N_STEPS >= 100
    net = Stepwise(plain)
    with torch.no_grad():
        net.fc1.weight *= 0.01
        net.fc1.bias *= 0.01
        net.lif1.recurrent.bias *= 0.01
    model = imported(net)
    raster, ours = compare._exciting(model, ["lif1", "lif2"], 0, torch.float32)
    for spk, again in zip(ours.spk, compare._run_model(model, raster).spk, strict=True):
        assert torch.equal(spk, again)
        assert spk[:-1].any(0).double().mean() >= 0.5
        assert not spk.all(0).all()
    assert raster.max() > 1.5
    assert raster.min() == 0.0


def test_spikes_of_the_last_step_do_not_count_as_resets(monkeypatch):
    def run(model, raster):
        spk = torch.zeros(compare.N_STEPS, N)
        spk[-2 if raster.max() > 5.0 else -1] = 1.0
        return compare._Traces((spk,), torch.zeros(compare.N_STEPS, 2))

    monkeypatch.setattr(compare, "_run_model", run)
    model = import_state(Stepwise(plain).state_dict(), describe(Stepwise(plain), 0.004))
    raster, _ = compare._exciting(model, ["lif1"], 0, torch.float32)
    assert 5.0 < raster.max() < 7.0


@pytest.mark.parametrize("n_inputs", range(1, 7))
def test_rounding_decides_where_a_membrane_equals_its_threshold(n_inputs):
    """A spike of the first layer lifts the second to its threshold, not over it."""
    theirs = nn.Sequential(
        nn.Linear(n_inputs, 1, bias=False),
        snntorch.Leaky(0.5, init_hidden=True),
        nn.Linear(1, 1, bias=False),
        snntorch.Leaky(0.9, init_hidden=True),
    )
    raster = torch.zeros(compare.N_STEPS, 1, n_inputs)
    raster[7] = 1.0
    for weight, n_sure in ((1.0, 7), (1.01, compare.N_STEPS)):
        with torch.no_grad():
            theirs[0].weight.fill_(2.2)
            theirs[2].weight.fill_(weight)
        model = import_state(theirs.state_dict(), describe(theirs, 0.004))
        ours = compare._run_model(model, raster)
        assert compare._rounding(model, raster, ours)[0] == n_sure


@pytest.mark.slow
def test_a_difference_after_rounding_has_decided_is_no_proof(monkeypatch):
    runs = []

    def run(net, x):
        runs.append(x)
        return plain(net, x if len(runs) > compare.N_STEPS else x * 0.0)

    monkeypatch.setattr(
        compare, "_rounding", lambda model, raster, ours: (0, torch.full((2,), 1e-4))
    )
    imported(Stepwise(run))
    assert len(runs) == 2 * compare.N_STEPS
    said = refusal(Stepwise(lambda net, x: plain(net, x * 0.0)))
    assert said.startswith(
        "rounding decides on spikes of the module in each of 10 rasters, so it cannot be compared"
        " with the model made of it (in one, in step "
    )
    assert said.endswith("); describe its state dict")


@pytest.mark.slow
def test_a_module_of_float64_agrees_to_its_own_rounding():
    theirs = Network(("Synaptic", "RLeaky", "Leaky"), {"reset_mechanism": "zero"}).double()
    imported(theirs)
    said = refusal(theirs, forward=lambda raster: theirs(raster)[2] * (1.0 + 1e-9))
    assert " of the output is " in said


def test_larger_layers_than_rounding_leaves_alone_are_compared_too():
    torch.manual_seed(4)
    theirs = nn.Sequential(
        nn.Linear(50, 700), snntorch.Leaky(0.95, init_hidden=True), nn.Linear(700, 2)
    )
    model = imported(theirs)
    assert np.isfinite(model.layers[0].w_in.detach().numpy()).all()
