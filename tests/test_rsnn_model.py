import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from random_models import ARCHITECTURES, FEW_HEADS, random_model, random_raster, random_target

from base.errors import MismatchError, RangeError
from rsnn.evaluate import evaluate
from rsnn.model import RSNN, Architecture, big, tiny
from rsnn.neurons import inverse_softplus
from rsnn.published import import_published
from rsnn.surrogate import Spike, Surrogate

QUICK = (0, 7)  # an indy and a loco network; the other ten are slow tests
ALL_PUBLISHED = [i if i in QUICK else pytest.param(i, marks=pytest.mark.slow) for i in range(12)]
BIG_HEADS = ((0.05, 0.01), (0.02, 0.005), (0.02, 0.02), (0.03, 0.01), (0.1, 0.03))
TINY_HEADS = ((0.05, 0.01),)


def published_equations(path: Path, raster: np.ndarray, heads) -> tuple[np.ndarray, np.ndarray]:
    """Run a published state dict by the published equations, in float64 and in numpy alone.

    Returns `out` (n_steps, 2) and the hidden spikes (n_steps, n_neurons).
    """
    stored = torch.load(path, weights_only=True, map_location="cpu")
    p = {key: value.double().numpy() for key, value in stored.items()}

    def decay(param, tau0):
        return np.exp(-0.004 / (np.log1p(np.exp(param)) * tau0))

    w_in, w_rec = p["con1.op.weight"], p["con2.op.weight"]
    d_mem, d_syn = decay(p["group2.mem_param"], 0.02), decay(p["group2.syn_param"], 0.01)
    n_hidden = len(w_in)
    x, spk = np.zeros(w_in.shape[1]), np.zeros(n_hidden)
    mem, syn = np.zeros(n_hidden), np.zeros(n_hidden)
    readouts = [
        {
            "w": p[f"con{k}.op.weight"],
            "d_mem": decay(p[f"group{k}.mem_param_readout"], tau_mem0),
            "d_syn": decay(p[f"group{k}.syn_param_readout"], tau_syn0),
            "out": np.full(2, -0.01),
            "syn": np.zeros(2),
        }
        for k, (tau_mem0, tau_syn0) in enumerate(heads, start=3)
    ]
    outs, spikes = [], []
    for now in raster.astype(float):
        for r in readouts:
            r["out"] = r["d_mem"] * r["out"] + (1 - r["d_mem"]) * r["syn"]
            r["syn"] = r["d_syn"] * r["syn"] + r["w"] @ spk
        arriving = w_in @ x + w_rec @ spk
        fires = (mem > 1).astype(float)
        mem = (d_mem * mem + (1 - d_mem) * syn) * (1 - fires)
        syn = d_syn * syn + arriving
        spk, x = fires, now
        outs.append(np.mean([r["out"] for r in readouts], axis=0))
        spikes.append(spk)
    return np.array(outs), np.array(spikes)


def assert_follows_the_equations(path: Path, raster: np.ndarray, heads) -> None:
    """Compare with the model in float64, where a sum of float16 weights is exact in any order.

    In float32 the order of a sum shows, and a chaotic network turns that into other spikes.
    """
    out, spikes = published_equations(path, raster, heads)
    model = import_published(path).double()
    with torch.no_grad():
        run = model(torch.from_numpy(raster)[None].double())
    np.testing.assert_array_equal(run.spk[0][0].numpy(), spikes)
    np.testing.assert_allclose(run.out[0].numpy(), out, rtol=0, atol=1e-6)
    assert 0.001 < spikes.mean() < 0.2


def two_thousand_steps(reaches: list[np.ndarray], n_inputs: int) -> np.ndarray:
    """Real spikes (2000, n_inputs): both reaches again and again, units cut or zeros appended."""
    spikes = np.concatenate(reaches * 2)[:2000, :n_inputs]
    assert len(spikes) == 2000
    return np.pad(spikes, ((0, 0), (0, n_inputs - spikes.shape[1])))


@pytest.mark.parametrize("index", ALL_PUBLISHED)
def test_published_networks_follow_the_published_equations_on_real_spikes(
    published, reaches, index
):
    n_inputs = 96 if published[index].name.startswith("indy") else 192
    raster = two_thousand_steps(reaches, n_inputs)
    assert_follows_the_equations(published[index], raster, TINY_HEADS)


@pytest.mark.parametrize("n_hidden", [100, pytest.param(1024, marks=pytest.mark.slow)])
def test_the_big_layout_follows_the_published_equations(tmp_path, n_hidden):
    random = torch.Generator().manual_seed(8)

    def normal(*shape, scale):
        return (scale * torch.randn(shape, generator=random)).half()

    stored = {
        "con1.op.weight": normal(n_hidden, 96, scale=0.8),
        "con2.op.weight": normal(n_hidden, n_hidden, scale=3 / n_hidden**0.5),
        "group2.mem_param": normal(n_hidden, scale=1.0),
        "group2.syn_param": normal(n_hidden, scale=1.0),
    }
    for k in range(3, 8):
        stored[f"con{k}.op.weight"] = normal(2, n_hidden, scale=0.2)
        stored[f"group{k}.mem_param_readout"] = normal(2, scale=1.0)
        stored[f"group{k}.syn_param_readout"] = normal(2, scale=1.0)
    path = tmp_path / "big.pth"
    torch.save(stored, path)
    assert_follows_the_equations(path, random_raster(2000, 96, rate=20.0), BIG_HEADS)


@pytest.mark.parametrize("index", range(12))
def test_published_footprint_connections_and_sparsity_are_reproduced(published, shared, index):
    path = published[index]
    session, seed = re.fullmatch(r"(\w+)-tinyRSNN-(\d)", path.stem).groups()
    model = import_published(path)
    n_inputs = model.architecture.n_inputs
    figures = evaluate(model, random_raster(20, n_inputs), random_target(20))
    results = json.loads((shared / "published" / "results.json").read_text())["tinyRSNN"][session]
    assert (n_inputs, figures.footprint, figures.dense) in [(96, 21000, 10368), (192, 33288, 16512)]
    assert results["footprint"] == [figures.footprint] * 5
    assert results["dense"] == [figures.dense] * 5
    assert figures.connection_sparsity in results["connection_sparsity"]
    if session == "indy01":
        assert figures.connection_sparsity == {"1": 0.4498, "2": 0.5}[seed]


def test_both_seeds_sparsities_are_among_the_published_five_of_their_session(published, shared):
    results = json.loads((shared / "published" / "results.json").read_text())["tinyRSNN"]
    found: dict[str, Counter] = {}
    for path in published:
        model = import_published(path)
        raster, target = random_raster(3, model.architecture.n_inputs), random_target(3)
        sparsity = evaluate(model, raster, target).connection_sparsity
        found.setdefault(path.stem.split("-")[0], Counter())[sparsity] += 1
    assert set(found) == set(results)
    for session, sparsities in found.items():
        assert sparsities <= Counter(results[session]["connection_sparsity"])


def test_presets_have_the_published_footprints_and_connections():
    for preset, n_inputs, bytes_each, footprint, dense in (
        (tiny, 96, 2, 21000, 10368),
        (tiny, 192, 2, 33288, 16512),
        (big, 96, 4, 4636752, 1157120),
        (big, 192, 4, 5029968, 1255424),
    ):
        model = RSNN(preset(n_inputs))
        assert bytes_each * sum(p.numel() for p in model.parameters()) == footprint
        assert sum(w.numel() for w in model.connections().values()) == dense


def test_time_constants_start_at_their_tau0_where_the_parameter_says_one():
    model = RSNN(tiny(5))
    one = inverse_softplus(1.0)
    with torch.no_grad():
        model.hidden[0].tau.mem_param.fill_(one)
        model.hidden[0].tau.syn_param.fill_(one)
    assert model.hidden[0].tau.tau_mem().detach().numpy() == pytest.approx(0.020)
    assert model.hidden[0].tau.tau_syn().detach().numpy() == pytest.approx(0.010)
    decay = model.hidden[0].tau.decays()[0].detach().numpy()
    assert decay == pytest.approx(np.exp(-0.004 / 0.020))


# Gradients


def test_the_surrogate_gradient_is_superspikes():
    mem = torch.linspace(-3, 4, 141, dtype=torch.float64, requires_grad=True)
    Spike.apply(mem, Surrogate()).sum().backward()
    wanted = 1.0 / (20.0 * (mem.detach() - 1.0).abs() + 1.0) ** 2
    torch.testing.assert_close(mem.grad, wanted, rtol=1e-12, atol=0)


def test_a_neuron_exactly_at_threshold_does_not_fire():
    mem = torch.tensor([1.0, 1.0 + 2**-23, 1.0 - 2**-24])
    assert Spike.apply(mem, Surrogate()).tolist() == [0.0, 1.0, 0.0]


def test_no_gradient_flows_through_the_reset():
    layer = random_model(Architecture(3, (4,))).hidden[0].double()
    mem = torch.tensor([[0.5, 0.99, 1.01, 2.0]], dtype=torch.float64, requires_grad=True)
    rest = torch.ones(1, 4, dtype=torch.float64)
    state = layer.initial_state(1)._replace(mem=mem, syn=rest)
    new = layer.step(rest, state, rest, layer.tau.factors(1))
    (gradient,) = torch.autograd.grad(new.mem.sum(), mem)
    # with a gradient through the reset, the surrogate would add to every entry
    decay_mem, _ = layer.tau.decays()
    assert gradient[0].tolist() == [*decay_mem[:2].tolist(), 0.0, 0.0]
    assert new.mem[0, 2:].tolist() == [0.0, 0.0]


def test_every_parameter_of_a_firing_network_receives_a_gradient():
    model = random_model(ARCHITECTURES["three layers, five heads"])
    run = model(torch.from_numpy(random_raster(100, 9))[None].float())
    run.out.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


# Dropout


def arriving(out: np.ndarray, tau) -> np.ndarray:
    """What a readout unit received at steps 1, 2, ..: its two filters undone."""
    d_mem, d_syn = (d.detach().numpy() for d in tau.decays())
    before = np.concatenate((np.full_like(out[:, :1], -0.01), out), axis=1)
    syn = (before[:, 1:] - d_mem * before[:, :-1]) / (1 - d_mem)
    return (syn[:, 1:] - d_syn * syn[:, :-1])[:, 1:]


def test_dropout_loses_a_share_of_hidden_spikes_and_scales_the_rest():
    model = RSNN(Architecture(1, (1,), n_outputs=1, recurrent=False)).double()
    with torch.no_grad():
        model.hidden[0].w_in.fill_(20.0)
        model.heads[0].w_out.fill_(1.0)
    raster = torch.ones(200, 300, 1, dtype=torch.float64)
    with torch.no_grad():
        run = model(raster, dropout=0.3, generator=torch.Generator().manual_seed(2))
    # spikes of step t arrive at step t + 1
    received = arriving(run.out.numpy(), model.heads[0].tau)
    sent = run.spk[0].numpy()[:, : received.shape[1]].astype(bool)
    np.testing.assert_allclose(received[~sent], 0.0, atol=1e-9)
    kept = received[sent] > 0.5
    np.testing.assert_allclose(received[sent][kept], 1 / 0.7, rtol=1e-9)
    np.testing.assert_allclose(received[sent][~kept], 0.0, atol=1e-9)
    assert len(kept) > 5000
    assert abs(kept.mean() - 0.7) < 4 * (0.3 * 0.7 / len(kept)) ** 0.5


def test_dropout_scales_what_is_left_of_the_input():
    model = RSNN(Architecture(1, (1,), n_outputs=1, recurrent=False))
    raster = torch.zeros(4000, 40, 1)
    raster[:, 0] = 1.0
    with torch.no_grad():
        model.hidden[0].w_in.fill_(1.0)
        decay_mem, decay_syn = (d.item() for d in model.hidden[0].tau.decays())
        peak = max(
            sum((1 - decay_mem) * decay_mem ** (t - k) * decay_syn**k for k in range(t + 1))
            for t in range(40)
        )
        model.hidden[0].w_in.fill_(0.75 / peak)  # alone not enough, twice as much is
        assert not model(raster).spk[0].any()
        spk = model(raster, dropout=0.5, generator=torch.Generator().manual_seed(3)).spk[0]
    fired = spk.any(1).float().mean().item()
    assert abs(fired - 0.5) < 4 * (0.25 / 4000) ** 0.5


def test_the_same_seed_gives_the_same_dropout_and_another_seed_another():
    model = random_model(ARCHITECTURES["two layers"])
    raster = torch.from_numpy(random_raster(100, 12))[None].float()

    def run(seed):
        with torch.no_grad():
            return model(raster, dropout=0.3, generator=torch.Generator().manual_seed(seed))

    first, again, other = run(1), run(1), run(2)
    assert torch.equal(first.out, again.out)
    assert all(torch.equal(a, b) for a, b in zip(first.spk, again.spk, strict=True))
    assert not torch.equal(first.out, other.out)


@pytest.mark.slow
def test_a_batch_is_decoded_like_its_streams_one_by_one():
    model = random_model(Architecture(12, (20, 15), FEW_HEADS)).double()
    raster = torch.from_numpy(np.stack([random_raster(200, 12, seed=seed) for seed in range(3)]))
    with torch.no_grad():
        together = model(raster.double())
        for i in range(3):
            alone = model(raster[i : i + 1].double())
            assert torch.equal(alone.spk[1][0], together.spk[1][i])
            torch.testing.assert_close(alone.out[0], together.out[i], rtol=1e-12, atol=1e-12)


# Errors


def test_a_raster_of_other_channels_is_refused():
    message = r"^the raster has 4 channels, the model 5; use a recording with as many channels$"
    with pytest.raises(MismatchError, match=message):
        RSNN(tiny(5))(torch.zeros(1, 3, 4))


def test_an_architecture_without_units_or_layers_is_refused():
    with pytest.raises(RangeError, match=r"^n_inputs is 0; a layer needs at least 1 unit$"):
        tiny(0)
    with pytest.raises(RangeError, match=r"^hidden\[1\] is 0; a layer needs at least 1 unit$"):
        Architecture(5, (4, 0))
    with pytest.raises(RangeError, match=r"^a network needs at least one hidden layer and one"):
        Architecture(5, ())
