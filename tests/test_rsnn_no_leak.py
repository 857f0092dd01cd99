"""Neurons that do not leak: decay factor 1 and a gain of 1, from other tools to integers."""

import warnings

import h5py
import nir
import numpy as np
import pytest
import torch
from driven_sessions import quarters, tuned_session
from snntorch_networks import Network, spikes
from tools import needed_module

from base.errors import RangeError
from base.order import PUBLISHED
from export.nir.files import export_nir, import_nir
from export.nir.import_graph import import_graph, order_of
from export.nir.layers import TimeStep
from export.nir.readers import READERS
from export.qat import fine_tune
from export.quantization.calibration import filtered, from_raster
from export.quantization.cautions import cautions
from export.quantization.ledger import ledger
from export.quantization.precision import Precision
from export.quantize import calibrate, quantize
from rsnn.checkpoint import load_model, save_model
from rsnn.evaluate import decode, evaluate
from rsnn.fast import bptt
from rsnn.harness import run_neurobench
from rsnn.neurons import NO_LEAK
from rsnn.snntorch.import_state import import_snntorch
from rsnn.training.recipe import TrainConfig
from rsnnctl.backends import backends
from rsnnctl.read_nir import read_nir
from sim import reference
from sim.inspect import describe
from sim.trace import first_difference

DT = 0.004
N_INPUTS, N_NEURONS = 6, 9


def weights():
    """Multiples of 1/64 up to 127/64, so that 8 bits hold them exactly; sums stay about 0."""
    rng = np.random.default_rng(3)
    found = rng.integers(-60, 64, (N_NEURONS, N_INPUTS)) / 64
    found[:, 0] = 127 / 64
    return found


def graph(cells=None, last="output"):
    """Neurons that do not leak behind weights; their spikes, or their sums, are the output."""
    ones = np.ones(N_NEURONS)
    nodes = {
        "input": nir.Input(np.array([N_INPUTS])),
        "w": nir.Linear(weights()),
        "cells": cells or nir.IF(ones, ones),
        "output": nir.Output(np.array([N_NEURONS])),
    }
    edges = [("input", "w"), ("w", "cells")]
    if last == "output":
        return nir.NIRGraph(nodes, [*edges, ("cells", "output")], type_check=False)
    nodes |= {"v": nir.Linear(np.eye(N_NEURONS)), "sums": nir.I(ones / 2)}
    edges += [("cells", "v"), ("v", "sums"), ("sums", "output")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def raster(n_steps=200):
    return (np.random.default_rng(9).random((n_steps, N_INPUTS)) < 0.3).astype(np.uint8)


def integrated(resets=lambda v: 0 * v):
    """Spikes of textbook neurons v' = v + W x, which fire above 1."""
    v, found = np.zeros(N_NEURONS), []
    for x in raster():
        v = v + weights() @ x
        found.append(v > 1)
        v = np.where(v > 1, resets(v), v)
    return np.array(found)


def imported(made=None, order="at-once", reset="zero", **options):
    return import_graph(made or graph(), TimeStep(DT, **options), order_of(order, reset))


def run(model, dtype=torch.float64):
    out, (spk,) = decode(model, raster(), dtype=dtype)
    return out, spk


# snnTorch


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
@pytest.mark.parametrize("kind", ["Leaky", "RLeaky", "Synaptic", "RSynaptic"])
def test_snntorchs_neurons_without_leak_compute_the_same_here(kind, mechanism):
    theirs = Network((kind, kind, "Leaky"), {"reset_mechanism": mechanism}).double()
    with torch.no_grad():
        for layer in (theirs.lif1, theirs.lif2, theirs.out):
            layer.beta[::2] = 1.0
            if kind.endswith("Synaptic") and layer is not theirs.out:
                layer.alpha[1::4] = 1.0
        first, second, mem = theirs(torch.from_numpy(spikes()).double())
    out, (one, two) = decode(import_snntorch(theirs, dt=DT), spikes(), dtype=torch.float64)
    assert 0.02 < first.mean() < 0.98
    assert 0.02 < second.mean() < 0.98
    assert np.array_equal(one, first.numpy())
    assert np.array_equal(two, second.numpy())
    assert np.abs(out - mem.numpy()).max() < 1e-6 * np.abs(mem.numpy()).max()


# NIR


def test_an_if_node_adds_up_what_arrives():
    out, spk = run(imported())
    assert 0.05 < integrated().mean() < 0.6
    assert np.array_equal(spk, integrated())
    assert np.array_equal(out, integrated())
    subtracted = integrated(lambda v: v - 1)
    assert not np.array_equal(subtracted, integrated())
    assert np.array_equal(run(imported(reset="subtract"))[1], subtracted)


def test_an_if_node_takes_its_resistance_and_threshold_per_neuron():
    rng = np.random.default_rng(1)
    r, threshold = 0.5 + rng.random(N_NEURONS), 0.5 + rng.random(N_NEURONS)
    _, spk = run(imported(graph(nir.IF(r, threshold))))
    v, found = np.zeros(N_NEURONS), []
    for x in raster():
        v = v + r * (weights() @ x)
        found.append(v > threshold)
        v = np.where(found[-1], 0.0, v)
    assert np.array_equal(spk, found)


def test_norses_integrators_compute_the_same_here():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        norse = needed_module("norse.torch.module.iaf")
        cell = norse.IAFCell(dt=DT)
    state, found = None, []
    for x in raster() @ weights().T:
        spk, state = cell(torch.from_numpy(x)[None], state)
        found.append(spk[0].detach().numpy())
    assert np.array_equal(run(imported())[1], np.array(found))


def test_an_i_node_is_a_readout_that_adds_up():
    out, spk = run(imported(graph(last="sums")))
    assert np.allclose(out, np.cumsum(spk, 0) / 2, rtol=1e-12)


@pytest.mark.parametrize("discretization", ["exact", "euler"])
def test_a_tau_too_long_to_tell_is_an_if(discretization):
    ones = np.ones(N_NEURONS)
    long = nir.LIF(DT * 2.0**60 * ones, 2.0**60 * ones, 0 * ones, ones)
    model = imported(graph(long), discretization=discretization)
    assert torch.equal(model.hidden[0].tau.mem_param, torch.full((N_NEURONS,), NO_LEAK).double())
    assert np.array_equal(run(model)[1], integrated())
    drift = nir.LIF(long.tau, long.r, 2.0**60 * ones / 8, ones)  # v' = v + 1/8 + W x
    model = imported(graph(drift), discretization=discretization)
    assert torch.allclose(model.hidden[0].bias, torch.full((N_NEURONS,), 0.125).double())
    both = nir.CubaLIF(long.tau, long.tau, long.r, 0 * ones, ones, 0 * ones, long.r)
    model = imported(graph(both), discretization=discretization)
    assert all(d.eq(1.0).all() for d in model.hidden[0].tau.decays())
    assert np.allclose(model.hidden[0].w_in.detach(), weights(), rtol=1e-12)


# The float model


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32", "float64"])
def test_every_precision_integrates(precision):
    _, spk = run(imported(), getattr(torch, precision))
    assert np.array_equal(spk, integrated())  # multiples of 1/64 are exact in all of them


def test_a_checkpoint_keeps_integrators(tmp_path):
    for dtype in (torch.float32, torch.float64):
        save_model(imported().to(dtype), tmp_path / "m.rsnn.h5", {})
        back, _ = load_model(tmp_path / "m.rsnn.h5")
        assert [bool(x.all()) for x in back.hidden[0].tau.no_leak()] == [True, False]
        assert np.array_equal(run(back)[1], integrated())


def test_the_longest_decay_below_1_still_leaks():
    decay = np.nextafter(1.0, 0.0)
    tau = np.full(N_NEURONS, -DT / np.log(decay))
    model = imported(graph(nir.LIF(tau, 1 / (1 - decay) * np.ones(9), 0 * tau, np.ones(9))))
    assert not torch.cat(model.hidden[0].tau.no_leak()).any()
    assert np.allclose(model.hidden[0].tau.factors(1)[1].detach(), 1 - decay, rtol=0.5)


def test_fast_loops_definition_and_harness_agree_in_the_published_order():
    made = graph(last="sums")
    made.nodes["v"] = nir.Linear(np.ones((2, N_NEURONS)))
    made.nodes["sums"] = nir.I(np.ones(2) / 2)
    model = imported(made, order="published").float()
    assert model.architecture.order == PUBLISHED
    model.architecture = type(model.architecture)(
        **{**vars(model.architecture), "initial_out": -0.01}
    )
    for head in model.heads:
        head.initial_out = -0.01
    assert model.architecture.is_published
    wanted = model(torch.from_numpy(raster()).float()[None])
    assert 0.02 < wanted.spk[0].mean() < 0.6
    out, (spk,) = decode(model, raster())
    assert np.array_equal(spk, wanted.spk[0][0].detach())
    assert np.array_equal(out, wanted.out[0].detach())
    fast = bptt.forward(model, torch.from_numpy(raster())[None])
    assert torch.equal(fast.out, wanted.out)
    velocity = np.cumsum(np.random.default_rng(1).normal(size=(200, 2)), 0).astype(np.float32)
    found = run_neurobench(model, raster(), velocity)["ActivationSparsity"]
    assert found == evaluate(model, raster(), velocity).activation_sparsity


def test_training_moves_weights_and_leaves_integrators_as_they_are():
    model = imported()
    model(torch.from_numpy(raster()).double()[None]).out.sum().backward()
    assert model.hidden[0].w_in.grad.abs().min() > 0
    assert model.hidden[0].tau.mem_param.grad.abs().max() < 1e-50


# Integers


@pytest.mark.parametrize("decay_bits", [1, 12, 16])
def test_integers_hold_integrators_exactly(decay_bits):
    network = quantize(imported(), Precision(scale="max", decay_bits=decay_bits))
    assert (network.hidden[0].decay_mem == 1 << decay_bits).all()
    assert not network.hidden[0].decay_syn.any()
    assert (network.hidden[0].threshold == 64 << network.contract.frac_bits).all()
    words = reference.run(network, raster()).variables
    assert np.array_equal(words["hidden0.spk"], integrated())


def test_a_current_that_does_not_decay_is_held_exactly_too():
    ones = np.ones(N_NEURONS)
    long = nir.CubaLIF(DT * 2.0**60 * ones, DT * ones, ones, 0 * ones, ones, w_in=2.0**60 * ones)
    model = imported(graph(long), discretization="euler")
    network = quantize(model, Precision(scale="max"))
    assert (network.hidden[0].decay_syn == 4096).all()
    assert not network.hidden[0].decay_mem.any()
    assert np.array_equal(reference.run(network, raster()).variables["hidden0.spk"], run(model)[1])


def test_bounds_say_what_is_not_proven():
    facts = describe(quantize(imported(), Precision(scale="max")))
    assert facts["contract"]["mem_bits"] == 32
    assert not facts["worst_case"]["cannot_overflow"]


@pytest.mark.slow
@pytest.mark.parametrize("name", backends())
def test_every_backend_integrates(name):
    network = quantize(imported(graph(last="sums")), Precision(scale="max"))
    trace = backends()[name](network, raster())
    assert first_difference(reference.run(network, raster()), trace) is None


@pytest.mark.parametrize("reader", READERS)
def test_exported_integrators_come_back_with_the_contract_and_without(reader, tmp_path):
    network = quantize(imported(), Precision(scale="max"))
    export_nir(network, tmp_path / "net.nir", reader)
    assert import_nir(tmp_path / "net.nir").digest() == network.digest()
    if reader == "exact":  # a decay of 0 is a tau_syn of 0 in its graph, which no reader takes
        node = nir.read(tmp_path / "net.nir").nodes["hidden0"]
        assert np.array_equal(node.tau_mem, np.full(N_NEURONS, DT * 2.0**60))
        assert np.array_equal(node.r * -np.expm1(-DT / node.tau_mem), np.ones(N_NEURONS))
        assert np.array_equal(node.v_threshold, np.full(N_NEURONS, 64.0))
        return
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        del file["node/metadata"]
    path, dt = tmp_path / "net.nir", READERS[reader].dt or DT
    out, spk = run(read_nir(path, dt=dt, discretization="euler"))
    assert np.array_equal(spk, integrated())
    assert np.abs(out - integrated()).max() < 1e-2  # the readout's weights are rounded


@pytest.mark.slow
def test_calibration_ledger_and_cautions_know_integrators():
    model, precision = imported(), Precision()
    data = from_raster(raster(4000), "seed 9", DT)
    found = calibrate(model, precision, data)
    entries = ledger(
        model.float(),
        {"rounded": found.rounded, "final": found.network},
        found.corrections,
        precision,
        data,
        found.response,
    )
    assert (found.network.hidden[0].decay_mem == 4096).all()
    rates = {entry.step: entry.rate_ratio for entry in entries}
    before = dict(zip([*rates][1:], rates.values(), strict=False))["decays"]
    assert rates["decays"] == pytest.approx(before, rel=1e-3)
    assert 0.8 < rates["final"] < 1.2
    assert not [text for text in cautions(model, found.network) if "hardly anything leaks" in text]


@pytest.mark.parametrize("late", [0, 1])
def test_spikes_filtered_by_an_integrator_add_up(late):
    spikes = raster()[None]
    found = filtered(spikes, 1.0, 0.0, late)
    delayed = np.concatenate((np.zeros((1, late, N_INPUTS)), spikes[:, : 200 - late]), 1)
    assert np.array_equal(found, np.cumsum(delayed, 1))


def test_training_in_integers_is_refused():
    model, session = imported(), tuned_session(400, N_INPUTS)
    text = "^hidden0 has neurons that do not leak, whose gradients are not known here; quantize"
    with pytest.raises(RangeError, match=text):
        fine_tune(
            model, quantize(model), Precision(), session, quarters(400), TrainConfig(dropout=0.0)
        )
