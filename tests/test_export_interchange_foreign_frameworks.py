"""What snnTorch and norse export computes, once imported, what they compute themselves.

Both discretize by forward Euler, let input of a step act in that step and reset to zero; in our
models each connection waits a step, so outputs are compared after that fixed delay. Biases wait for
nothing, so where there are some, theirs run with that delay in front of each connection.
"""

import os
import warnings
from contextlib import contextmanager

import h5py
import nir
import numpy as np
import pytest
import torch
from networks import LOIHI_LIKE, random_network

from export.interchange.foreign.import_graph import dynamics_of, import_graph
from export.interchange.foreign.layers import TimeStep
from export.nir import export_nir
from rsnn.checkpoint import load_model
from rsnn.evaluate import decode
from rsnnctl.steps.interchange import import_nir_file

N_INPUTS, N_STEPS = 6, 400


@contextmanager
def framework(*modules):
    """Import modules whose import warns, or skip; in CI they have to be there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        for module in modules:
            if os.environ.get("CI") == "true":
                __import__(module)
            else:
                pytest.importorskip(module)
        yield


def raster_of(n_inputs=N_INPUTS, n_steps=N_STEPS):
    return (np.random.default_rng(3).random((n_steps, n_inputs)) < 0.3).astype(np.uint8)


def linear(generator, n_pre, n_post, biased=False):
    layer = torch.nn.Linear(n_pre, n_post, bias=biased)
    layer.weight.data = torch.randn(n_post, n_pre, generator=generator) * 1.5 / n_pre**0.5
    if biased:
        layer.bias.data = torch.randn(n_post, generator=generator) * 0.3
    return layer


class Late(torch.nn.Module):
    """Passes on what it was given some steps ago, and zeros at first."""

    def __init__(self, n_steps):
        super().__init__()
        self.n_steps, self.held = n_steps, []

    def forward(self, signal):
        self.held.append(signal)
        if len(self.held) <= self.n_steps:
            return torch.zeros_like(signal)
        return self.held.pop(0)


def imported(path, **options):
    """Our output and spikes for the raster, in float64."""
    target, _, _ = import_nir_file(path, discretization="euler", **options)
    model, _ = load_model(target)
    raster = raster_of(model.architecture.n_inputs)
    out, spk = decode(model, raster, dtype=torch.float64)
    return raster, out, spk


def stepped(module, raster):
    """What a module that keeps its state returns, step by step."""
    with torch.no_grad():
        return torch.cat([module(x[None]) for x in torch.from_numpy(raster).float()]).numpy()


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("kind", "reset", "delay", "order"),
    [
        ("Leaky", "zero", False, "at-once"),
        ("Synaptic", "zero", False, "at-once"),
        ("Leaky", "zero", True, "at-once"),  # cleared late, but before the next input
        ("Synaptic", "zero", True, "delayed-reset"),
        ("Leaky", "subtract", True, "delayed-reset"),
        ("Synaptic", "subtract", True, "delayed-reset"),
    ],
)
def test_what_snntorch_exports_computes_the_same_here(tmp_path, kind, reset, delay, order, biased):
    with framework("snntorch", "nirtorch"):
        import snntorch
        from snntorch.export_nir import export_to_nir

        generator = torch.Generator().manual_seed(1)

        def neurons(n):
            def each(low):
                return torch.rand(n, generator=generator) * 0.4 + low

            decays = {"beta": each(0.4)} | ({"alpha": each(0.2)} if kind == "Synaptic" else {})
            return getattr(snntorch, kind)(
                **decays,
                threshold=each(0.5),
                reset_mechanism=reset,
                reset_delay=delay,
                init_hidden=True,
            )

        layers = [
            linear(generator, N_INPUTS, 9, biased),
            neurons(9),
            linear(generator, 9, 4, biased),
            neurons(4),
        ]
        module = torch.nn.Sequential(*layers)
        graph = export_to_nir(module, torch.zeros(N_INPUTS))
        nir.write(tmp_path / "theirs.nir", graph)
        raster, out, (_, spk) = imported(tmp_path / "theirs.nir", dt=1e-4, order=order, reset=reset)
        layers[1].reset_mem()
        layers[3].reset_mem()
        notice = 0 if order == "at-once" else 1  # steps after which our layers notice a spike
        if biased:
            module = torch.nn.Sequential(Late(1), *layers[:2], Late(1 + notice), *layers[2:])
        theirs = stepped(module, raster)
    assert theirs.sum() > 50
    lag = notice if biased else 2 + 2 * notice
    theirs = np.concatenate([np.zeros((lag, 4)), theirs])
    assert np.array_equal(spk[lag:], theirs[lag : len(spk)])
    assert np.abs(out[lag + 1 :] - theirs[lag : len(out) - 1]).max() < 1e-5


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("reader", "dt"), [("snntorch", 1e-4), ("norse", 0.004)])
def test_a_recurrent_graph_computes_what_their_own_import_of_it_computes(
    tmp_path, reader, dt, biased
):
    rng = np.random.default_rng(5)
    network = random_network(rng, LOIHI_LIKE, n_inputs=N_INPUTS, hidden=(12,), threshold=40_000)
    layer = network.hidden[0]
    for name in ("decay_mem", "decay_syn"):
        object.__setattr__(layer, name, np.minimum(getattr(layer, name), 3900))
        object.__setattr__(network.readout, name, np.minimum(getattr(network.readout, name), 3900))
    object.__setattr__(layer, "threshold", np.maximum(layer.threshold, 1000))
    if biased:
        for each in network.layers:
            object.__setattr__(each, "bias", rng.integers(-6000, 6001, each.n_neurons))
    path = tmp_path / "theirs.nir"
    export_nir(network, path, reader)
    with h5py.File(path, "r+") as file:
        del file["node/metadata"]
    if biased:
        bias_recurrence(path, rng)
    raster, out, (spk,) = imported(path, dt=dt)
    if biased:  # in our hidden layer they are there a step before the input arrives
        raster = np.concatenate([np.zeros((1, N_INPUTS), np.uint8), raster])
    with framework("snntorch", "nirtorch", *(["norse"] if reader == "norse" else [])):
        if reader == "snntorch":
            from snntorch.import_nir import import_from_nir

            module = import_from_nir(nir.read(path))
            parts = dict(module.named_modules())
            cells, readout = parts["n2_hidden0"].lif, parts["n4_readout"]
        else:
            from norse.torch.utils.import_nir import from_nir

            module = from_nir(nir.read(path), dt=dt)
            cells, readout = module.hidden0, module.readout
        spikes, outputs, state = [], [], None

        def note_spikes(_module, _inputs, found):
            spikes.append((found if reader == "snntorch" else found[0]).clone())

        def note_output(_module, _inputs, found):
            outputs.append((readout.mem if reader == "snntorch" else found[1][1].v).clone())

        cells.register_forward_hook(note_spikes)
        readout.register_forward_hook(note_output)
        with torch.no_grad():
            for x in torch.from_numpy(raster).float():
                _, state = module(x[None], state)
    theirs, output = torch.cat(spikes).numpy(), torch.cat(outputs).numpy()
    assert 100 < theirs.sum() < theirs.size / 2
    if biased:
        theirs, output = theirs[1:], output[1:]
        out, output = out[300:], output[300:]  # the readout's bias had one step more, forgotten now
    assert np.array_equal(spk[1:], theirs[:-1])
    assert np.abs(out[2:] - output[:-2]).max() < 1e-5 * np.abs(output).max()


def bias_recurrence(path, rng):
    """Give the recurrent connection of a file biases of its own."""
    graph = nir.read(path)
    nodes = graph.nodes if "hidden0_w_rec" in graph.nodes else graph.nodes["n2_hidden0"].nodes
    name = "hidden0_w_rec" if "hidden0_w_rec" in nodes else "w_rec"
    weight = nodes[name].weight.astype(np.float32)
    bias = rng.normal(size=len(weight)) * np.abs(weight).max(1) / 4
    nodes[name] = nir.Affine(weight, bias.astype(np.float32))
    nir.write(path, graph)


@pytest.mark.parametrize("biased", [False, True])
def test_what_norse_exports_computes_the_same_here(biased):
    with framework("norse", "nirtorch"):
        import norse.torch as norse

        generator = torch.Generator().manual_seed(1)
        cells = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(150.0), v_th=torch.tensor(0.2))
        layers = [
            linear(generator, N_INPUTS, 9, biased),
            norse.LIFBoxCell(cells, dt=0.001),
            linear(generator, 9, 2, biased),
            norse.LIBoxCell(dt=0.001),
        ]
        module = norse.SequentialState(*layers)
        # its time constants are dt / (1 / tau): right for a dt of 1 only, whatever the step is
        graph = norse.to_nir(module, torch.zeros(N_INPUTS), dt=1.0)
        model = import_graph(graph, TimeStep(0.001, "euler"), dynamics_of("at-once", "zero"))
        raster = raster_of()
        out, _ = decode(model, raster, dtype=torch.float64)
        if biased:
            module = norse.SequentialState(Late(1), *layers[:2], Late(1), *layers[2:])
        state, theirs = None, []
        with torch.no_grad():
            for x in torch.from_numpy(raster).float():
                voltage, state = module(x[None], state)
                theirs.append(voltage)
        theirs = torch.cat(theirs).numpy()
    assert theirs.std() > 0.05
    lag = 0 if biased else 2
    assert np.abs(out[lag:] - theirs[: len(out) - lag]).max() < 1e-5
