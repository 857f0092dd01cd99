"""Membranes exactly at threshold: silent or firing, in graphs, floats, integers and files."""

import nir
import numpy as np
import pytest
import torch

from export.nir.files import export_nir, import_nir
from export.nir.import_graph import import_graph, order_of
from export.nir.layers import TimeStep
from export.quantization.ledger import _steps
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.checkpoint import load_model, save_model
from rsnn.evaluate import decode
from rsnnctl.backends import backends
from sim import reference
from sim.trace import first_difference

DT = 0.001
N_INPUTS, N_NEURONS = 6, 9


def graph():
    """Neurons without memory: a membrane is a sum of multiples of 1/4, the threshold is 1."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-2, 4, (N_NEURONS, N_INPUTS)) / 4
    weights[:, 0] = 127 / 64  # so that a step of 8 bits is 1/64
    tau, ones = np.full(N_NEURONS, DT), np.ones(N_NEURONS)  # forward Euler's decay is then 0
    nodes = {
        "input": nir.Input(np.array([N_INPUTS])),
        "weights": nir.Linear(weights),
        "cells": nir.LIF(tau, ones, 0 * ones, ones),
        "output": nir.Output(np.array([N_NEURONS])),
    }
    edges = [("input", "weights"), ("weights", "cells"), ("cells", "output")]
    return nir.NIRGraph(nodes, edges)


def raster():
    return (np.random.default_rng(9).random((200, N_INPUTS)) < 0.3).astype(np.uint8)


def imported(fires):
    return import_graph(graph(), TimeStep(DT, "euler"), order_of("at-once", "zero", fires))


@pytest.mark.parametrize("fires", ["above", "at"])
def test_ties_are_decided_alike_by_graph_floats_and_integers(fires, tmp_path):
    membranes = raster() @ graph().nodes["weights"].weight.T
    assert (membranes == 1.0).sum() > 50
    expected = membranes >= 1.0 if fires == "at" else membranes > 1.0
    model = imported(fires)
    assert np.array_equal(decode(model, raster(), dtype=torch.float64)[1][0], expected)
    network = quantize(model, Precision(scale="max"))
    assert network.contract.fires_when == {"above": ">", "at": ">="}[fires]
    assert np.array_equal(reference.run(network, raster()).variables["hidden0.spk"], expected)
    export_nir(network, tmp_path / "net.nir")
    assert import_nir(tmp_path / "net.nir").digest() == network.digest()


def test_a_firing_rule_stays_with_the_model(tmp_path):
    digests = set()
    for fires in ("above", "at"):
        digests.add(save_model(imported(fires), tmp_path / "m.rsnn.h5", {}))
        back, _ = load_model(tmp_path / "m.rsnn.h5")
        assert back.architecture.order == imported(fires).architecture.order
    assert len(digests) == 2


def test_gradients_flow_where_neurons_fire_at_their_threshold():
    found = []
    for fires in ("above", "at"):
        model = imported(fires)
        model(torch.from_numpy(raster()).double()[None]).out.sum().backward()
        found.append(model.hidden[0].w_in.grad)
    assert found[0].abs().min() > 0
    assert torch.allclose(*found)  # the surrogate's slope is that of the membrane, fired or not


@pytest.mark.parametrize("fires", ["above", "at"])
def test_the_ledger_finds_the_weights_again_where_all_is_exact(fires):
    model = imported(fires).float()
    network = quantize(model, Precision(scale="max"))
    steps = {name: candidate for name, candidate, _ in _steps(model, network)}
    found = steps["thresholds"].hidden[0].w_in
    assert torch.allclose(found, model.hidden[0].w_in, rtol=1e-6, atol=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", backends())
def test_every_backend_decides_ties_alike(name):
    network = quantize(imported("at"), Precision(scale="max"))
    trace = backends()[name](network, raster())
    assert first_difference(reference.run(network, raster()), trace) is None
