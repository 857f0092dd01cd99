"""Float models of snnTorch's networks, and the integers they become, against snnTorch itself."""

import re
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import snntorch
import torch
from snntorch_networks import COMMAND, N_INPUTS, Network, is_recurrent, n_states, saved, spikes
from torch import nn

from export.quantization import calibration
from export.quantization.ledger import CORRECTIONS, WIDTHS, WORDS, ledger
from export.quantization.precision import Precision
from export.quantize import calibrate
from rsnn.evaluate import decode
from rsnn.snntorch.import_state import import_snntorch
from rsnnctl import api
from sim import reference
from sim.contract import PAPER, SNNTORCH
from sim.fast import runs
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork

RESETS = [
    {"reset_mechanism": mechanism, "reset_delay": delay}
    for mechanism, delay in product(("subtract", "zero"), (True, False))
]


@pytest.mark.slow
@pytest.mark.parametrize("reset", RESETS, ids=lambda r: "-".join(map(str, r.values())))
@pytest.mark.parametrize("readout", ["Leaky", "Synaptic"])
@pytest.mark.parametrize("kind", ["Leaky", "RLeaky", "Synaptic", "RSynaptic"])
def test_a_float_model_computes_what_snntorch_computes(kind, readout, reset):
    theirs = Network((kind, kind, readout), reset).double()
    raster = spikes()
    with torch.no_grad():
        first, second, mem = theirs(torch.from_numpy(raster).double())
    ours = import_snntorch(theirs, dt=0.004)
    out, spk = decode(ours, raster, dtype=torch.float64)
    assert 0.02 < first.mean() < 0.9
    assert 0.02 < second.mean() < 0.9
    assert np.array_equal(spk[0], first.numpy())
    assert np.array_equal(spk[1], second.numpy())
    assert np.abs(out - mem.numpy()).max() < 1e-6 * np.abs(mem.numpy()).max()


@pytest.mark.parametrize("reset", RESETS, ids=lambda r: "-".join(map(str, r.values())))
@pytest.mark.parametrize("kind", ["Leaky", "RLeaky", "Synaptic", "RSynaptic"])
def test_the_integers_of_the_snntorch_contract_are_what_snntorch_computes(kind, reset):
    """Whole weights and decays of 0, 1/2 and 1 are exact in both, so every word must be equal."""
    rng = np.random.default_rng(1)
    n, n_steps, frac_bits = 7, 13, 16
    w_in, w_rec = rng.integers(-6, 12, (n, N_INPUTS)), rng.integers(-9, 9, (n, n))
    bias, threshold = rng.integers(-2, 3, n), rng.integers(1, 9, n)
    halves = {key: rng.integers(0, 3, n) for key in ("alpha", "beta")}
    halves["alpha"] *= kind.endswith("Synaptic")
    options = {key: torch.tensor(value / 2) for key, value in halves.items()}
    if not kind.endswith("Synaptic"):
        del options["alpha"]
    if kind.startswith("R"):
        options["linear_features"] = n
    layer = getattr(snntorch, kind)(threshold=torch.tensor(threshold / 1.0), **options, **reset)
    if kind.startswith("R"):
        layer = layer.double()
        with torch.no_grad():
            layer.recurrent.weight.copy_(torch.from_numpy(w_rec))
            layer.recurrent.bias.zero_()
    states = [torch.zeros(1, n).double() for _ in range(n_states(layer))]
    raster = spikes(2, n_steps)
    theirs = {"spk": [], "mem": []}
    for x in raster:
        current = torch.from_numpy((w_in @ x + bias)[None]).double()
        result = [each.double() for each in layer(current, *states)]
        states = result if is_recurrent(layer) else result[1:]
        theirs["spk"].append(result[0][0].detach().numpy())
        theirs["mem"].append(result[-1][0].detach().numpy())

    model = import_snntorch(Network((kind, kind, "Leaky"), reset), dt=0.004)
    contract = replace(
        SNNTORCH,
        **asdict(model.architecture.order),
        decay_frac=1,
        frac_bits=frac_bits,
    )
    one, none = np.ones(1, int), np.zeros(n, int)
    ours = IntegerNetwork(
        (
            CubaLIF(
                w_in,
                w_rec if kind.startswith("R") else None,
                none,
                none,
                halves["alpha"],
                halves["beta"],
                threshold << frac_bits,
                bias << frac_bits,
            ),
            CubaLI(np.ones((1, n), int), one, one, one * 0, np.ones(1)),
        ),
        contract,
        0.004,
    )
    words = reference.run(ours, raster).variables
    assert np.array_equal(words["hidden0.spk"], np.array(theirs["spk"]))
    assert np.array_equal(words["hidden0.mem"], np.array(theirs["mem"]) * 2.0**frac_bits)
    assert 3 < words["hidden0.spk"].sum() < 0.9 * n * n_steps


def test_the_named_contract_is_the_order_of_neurons_as_they_come():
    model = import_snntorch(Network(("Leaky", "RSynaptic", "Leaky"), {}), dt=0.004)
    assert replace(PAPER, **asdict(model.architecture.order)) == SNNTORCH


def test_a_membrane_beyond_twice_its_threshold_is_met_in_the_tests_above():
    for delay in (True, False):
        reset = {"reset_mechanism": "subtract", "reset_delay": delay}
        theirs = Network(("Leaky", "Leaky", "Leaky"), reset).double()
        mem, beyond = torch.zeros(1, 12).double(), 0
        for x in torch.from_numpy(spikes()).double():
            _, mem = theirs.lif1(theirs.fc1(x[None]), mem)
            beyond += int((mem > theirs.lif1.threshold * (1 + delay)).sum())
        assert beyond > 10


def test_recurrence_one_to_one_scalar_parameters_and_spikes_as_output():
    torch.manual_seed(3)
    beta = nn.Parameter(torch.tensor(0.8))
    layer = snntorch.RLeaky(beta, V=torch.rand(8), all_to_all=False, init_hidden=True)
    theirs = nn.Sequential(nn.Linear(N_INPUTS, 8), nn.Dropout(0.5), layer).double().eval()
    with torch.no_grad():
        theirs[0].weight *= 3.0
    raster, found = spikes(4), []
    layer.spk, layer.mem = torch.zeros(1, 8).double(), torch.zeros(1, 8).double()
    for x in torch.from_numpy(raster).double():
        found.append(theirs(x[None])[0].detach().numpy())
        layer.spk = layer.spk.double()
    out, spk = decode(import_snntorch(theirs, dt=0.004), raster, dtype=torch.float64)
    assert np.array_equal(spk[0], found)
    assert np.allclose(out, found, atol=1e-12)  # the readout passes spikes on in their step
    assert 0.05 < np.mean(found) < 0.9


def test_weights_behind_the_last_spikes_are_the_output():
    torch.manual_seed(5)
    theirs = nn.Sequential(
        nn.Linear(N_INPUTS, 8), snntorch.Leaky(0.9, init_hidden=True), nn.Linear(8, 2)
    )
    with torch.no_grad():
        theirs[0].weight *= 4.0
    model = import_snntorch(theirs, dt=0.004)
    out, spk = decode(model, spikes(5), dtype=torch.float64)
    sent = torch.from_numpy(spk[0]).double()
    assert np.allclose(out, theirs[2].double()(sent).detach().numpy(), atol=1e-12)
    assert spk[0].any()


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path), tmp_path


def test_a_checkpoint_with_its_description_is_the_module(run, checkpoint, tmp_path):
    theirs, _ = checkpoint
    done = run(*COMMAND)
    assert done.code == 0, done.err
    path, digest = done.out.split("\n")[:2]
    assert path == "theirs.rsnn.h5"
    model = api.import_snntorch(theirs, dt=0.004)
    assert digest == f"digest {api.save_model(model, tmp_path / 'other.rsnn.h5')}"


@pytest.mark.slow
def test_an_imported_network_is_quantized_and_every_backend_computes_its_bits(checkpoint):
    theirs, _ = checkpoint
    model = api.import_snntorch(theirs, dt=0.004)
    network = api.quantize(model)
    c = network.contract
    assert (c.fires_on, c.reset_delay, c.delay_steps) == ("reset_membrane", True, 0)
    report = api.verify(network, spikes(6))
    assert report.differences == 0
    raster = spikes(7, 2000)
    raster.flags.writeable = False  # as a session's
    exact, _ = decode(model, raster)
    found = network.readout.decode(runs.run(network, raster).out)
    assert np.corrcoef(found[:, 0], exact[:, 0])[0, 1] > 0.9


@pytest.mark.slow
def test_the_page_runs_as_it_stands(run, tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "snntorch.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(compile(code, "docs/snntorch.md", "exec"), names)
    (tmp_path / "theirs.toml").write_text(toml)
    done = run(*COMMAND)
    assert done.code == 0, done.err
    assert done.out.split()[-1] == api.save_model(names["model"], tmp_path / "other.rsnn.h5")


@pytest.mark.slow
def test_the_ledger_says_nothing_of_decays_that_were_nothing_before():
    """A Leaky readout has no synapse: its time constant is no time in floats and in integers."""
    reset = {"reset_mechanism": "zero"}
    model = import_snntorch(Network(("Synaptic", "Synaptic", "Leaky"), reset), dt=0.004)
    streams = calibration.from_raster(spikes(8, 2000), "made up", 0.004)
    found = calibrate(model, Precision(), streams)
    made = {WORDS: found.rounded, WIDTHS: found.narrow, CORRECTIONS: found.network}
    entries = ledger(model, made, found.corrections, Precision(), streams, found.response)
    (remark,) = [entry.remark for entry in entries if entry.step == "decays"]
    assert remark.startswith("tau_")
    assert not remark.startswith("tau_syn of head0")
