"""What each version of snnTorch computes: the traces it left, against the model of its state."""

from dataclasses import replace

import numpy as np
import pytest
import snntorch
import torch
from snntorch_combinations import (
    COMBINATIONS,
    EVERY,
    GOLDEN,
    N_INPUTS,
    N_STEPS,
    RASTER,
    READOUTS,
    THRESHOLD,
    N,
    layer_of,
    spikes_of,
    state_of,
)
from snntorch_networks import COMMAND, DESCRIPTION, saved

from base.errors import DataError, RangeError
from rsnn.evaluate import decode
from rsnn.snntorch.description import VERSIONS, Description, Layer
from rsnn.snntorch.import_state import import_snntorch, import_state
from rsnn.snntorch.versions import remarks, step_of, version_of

RECORDED = {"0.6": "0.6.2", "0.7": "0.7.0", "0.8": "0.8.1", "0.9": "0.9.1", "0.9.4": "0.9.4"}
FIRST = {  # passes the raster on
    "first.weight": 4.0 * torch.eye(N_INPUTS),
    "relay.beta": torch.zeros(()),
    "relay.threshold": torch.ones(()),
    "relay.reset_mechanism_val": torch.tensor(0),
}


def describe(chosen, version):
    layer = Layer(
        "fc", "lif", chosen.kind, None, chosen.reset_delay, init_hidden=chosen.init_hidden
    )
    before = [Layer("first", "relay", "Leaky", init_hidden=True)] if chosen in READOUTS else []
    return Description(0.004, (*before, layer), snntorch=version)


def spikes_of_model(keys, chosen, version):
    state = state_of(keys, chosen) | (FIRST if chosen in READOUTS else {})
    model = import_state(state, describe(chosen, version))
    out, spk = decode(model, RASTER, dtype=torch.float64)
    return out > THRESHOLD if chosen in READOUTS else spk[0]


def cannot_be_run(chosen, version):
    if chosen.reset_delay:
        return False
    if version in ("0.6", "0.7"):
        return True
    stops = ("RSynaptic", "Synaptic") if version in ("0.8", "0.9") else ("RSynaptic",)
    return chosen.kind in stops and chosen.init_hidden and chosen.mechanism != "none"


def cannot_be_represented(chosen, version):
    return (
        version in ("0.6", "0.7")
        and chosen.kind in ("Synaptic", "RSynaptic")
        and chosen.mechanism == "zero"
        and chosen.init_hidden
    )


def check(version, i, runs, found, keys):
    chosen = EVERY[i]
    assert runs != cannot_be_run(chosen, version), chosen
    if runs and not cannot_be_represented(chosen, version):
        assert found.any()
        assert not found.all()
        assert np.array_equal(spikes_of_model(keys, chosen, version), found), chosen
        return
    layer = describe(chosen, version).layers[-1]
    with pytest.raises(DataError, match=f"`lif`, a {chosen.kind} of snnTorch {version},"):
        step_of(layer, chosen.mechanism, version)


@pytest.mark.slow
@pytest.mark.parametrize("version", RECORDED)
def test_the_model_fires_as_that_version_did_in_every_combination(version):
    with np.load(GOLDEN) as golden:
        runs, packed, keys = (
            golden[f"{RECORDED[version]}.{name}"] for name in ("runs", "spikes", "keys")
        )
    assert len(COMBINATIONS) == 64
    assert len(runs) == len(EVERY)
    for i in range(len(EVERY)):
        found = np.unpackbits(packed[i], count=N_STEPS * N).reshape(N_STEPS, N)
        check(version, i, runs[i], found, str(keys[i]).split())


@pytest.mark.slow
def test_the_model_fires_as_snntorch_does_in_every_combination():
    assert version_of(snntorch.__version__) == VERSIONS[-1]
    for i, chosen in enumerate(EVERY):
        layer = layer_of(snntorch, chosen)
        try:
            found = spikes_of(layer, chosen)
        except TypeError:
            found = None
        check(VERSIONS[-1], i, found is not None, found, layer.state_dict())


def test_versions_differ_where_the_traces_do():
    """So that no table of versions is kept for nothing."""
    with np.load(GOLDEN) as golden:
        spikes = {version: golden[f"{name}.spikes"] for version, name in RECORDED.items()}
        runs = {version: golden[f"{name}.runs"] for version, name in RECORDED.items()}
    assert np.array_equal(spikes["0.6"], spikes["0.7"])
    assert np.array_equal(spikes["0.8"], spikes["0.9"])
    for old, n_different in (("0.6", 13), ("0.9", 10)):
        both = runs[old] & runs["0.9.4"]
        assert (spikes[old] != spikes["0.9.4"])[both].any(1).sum() == n_different


def test_the_recorded_traces_are_small():
    assert GOLDEN.stat().st_size < 20_000


@pytest.mark.parametrize(
    ("version", "layer", "mechanism", "text"),
    [
        (
            "0.7",
            Layer("fc", "lif", "RLeaky"),
            "subtract",
            "`lif`, a RLeaky of snnTorch 0.7, computes one thing with init_hidden and another with"
            " states passed; add init_hidden = true or init_hidden = false to its [[layers]]",
        ),
        (
            "0.6",
            Layer("fc", "lif", "Leaky", reset_delay=False),
            "zero",
            "`lif`, a Leaky of snnTorch 0.6, has reset_delay false, which came with 0.8; leave it"
            " out, or name the version that trained the network",
        ),
        (
            "1.0",
            Layer("fc", "lif", "RSynaptic", reset_delay=False, init_hidden=True),
            "zero",
            "`lif`, a RSynaptic of snnTorch 1.0, stops with an error if reset_delay is false and"
            " init_hidden true; describe the layer as it was run",
        ),
        (
            "0.6",
            Layer("fc", "lif", "Synaptic", init_hidden=True),
            "zero",
            "`lif`, a Synaptic of snnTorch 0.6, with init_hidden and reset_mechanism zero cannot be"
            " represented: a reset leaves -alpha syn in the membrane; train it again with 1.0, or"
            " with states passed",
        ),
        (
            "0.7",
            Layer("fc", "lif", "RSynaptic", init_hidden=True),
            "zero",
            "cannot be represented: a reset clears the synaptic current too; train it again",
        ),
    ],
)
def test_a_layer_that_a_version_leaves_open_or_cannot_have_is_refused(
    version, layer, mechanism, text
):
    with pytest.raises(DataError) as caught:
        step_of(layer, mechanism, version)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("version", "neuron", "mechanism"),
    [
        ("0.6", "RLeaky", "zero"),
        ("0.6", "RSynaptic", "subtract"),
        ("0.6", "Leaky", "none"),
        ("0.9", "Leaky", "zero"),
        ("0.9.4", "Synaptic", "zero"),
        ("1.0", "Synaptic", "zero"),
    ],
)
def test_init_hidden_is_asked_for_only_where_it_makes_a_difference(version, neuron, mechanism):
    layer = Layer("fc", "lif", neuron)
    steps = {
        step_of(replace(layer, init_hidden=hidden), mechanism, version)
        for hidden in (None, False, True)
    }
    assert len(steps) == 1


def test_a_membrane_that_grows_because_it_stands_in_for_its_current_is_refused():
    chosen = next(c for c in EVERY if c.kind == "Synaptic" and not c.init_hidden)
    state = state_of(["alpha", "beta", "threshold", "reset_mechanism_val"], chosen)
    state["lif.beta"] = torch.full((N,), 0.75)
    state["lif.alpha"] = torch.tensor([0.125] * (N - 1) + [0.5])
    assert import_state(state, describe(chosen, "1.0")).layers[0].n_neurons == N
    text = r"passed, so it is multiplied by alpha \+ beta, 1\.25, in a step; it cannot grow here"
    with pytest.raises(DataError, match=text):
        import_state(state, describe(chosen, "0.9"))


@pytest.mark.parametrize(
    ("installed", "version"),
    [("0.8.0", "0.8"), ("0.9.1", "0.9"), ("0.9.4", "0.9.4"), ("1.0.0", "1.0"), ("1.2.0rc1", "1.0")],
)
def test_an_installed_version_is_the_known_one_that_computes_alike(installed, version):
    assert version_of(installed) == version


@pytest.mark.parametrize("installed", ["0.5.3", "0.6.0", "0.7.0"])
def test_a_module_of_a_version_without_reset_delay_is_refused(installed, monkeypatch):
    monkeypatch.setattr(snntorch, "__version__", installed)
    with pytest.raises(DataError) as caught:
        import_snntorch(torch.nn.Linear(2, 2), dt=0.004)
    assert str(caught.value) == (
        f"snnTorch {installed} is installed; modules are read from 0.8 on, describe a state dict"
        " instead (docs/snntorch.md)"
    )


def test_a_version_that_is_unknown_is_refused():
    with pytest.raises(RangeError, match=r"`snntorch` is 0\.5; known: 0\.6, 0\.7, 0\.8, 0\.9, 0"):
        Description(0.004, (Layer("fc"),), snntorch="0.5")


@pytest.mark.parametrize(
    ("neuron", "hidden", "version", "remarked"),
    [
        ("Synaptic", None, "0.9", True),
        ("Synaptic", False, "0.9", True),
        ("Synaptic", True, "0.9", False),
        ("Leaky", False, "0.9", False),
        ("Synaptic", False, "0.9.4", False),
    ],
)
def test_two_versions_of_one_number_are_remarked_where_they_differ(
    neuron, hidden, version, remarked
):
    layer = Layer("fc", "lif", neuron, init_hidden=hidden)
    said = remarks(Description(0.004, (layer,), snntorch=version))
    text = 'snntorch = "0.9" is 0.9.0 and 0.9.1; 0.9.4 has another Synaptic, write "0.9.4"'
    assert said == ([text] if remarked else [])


def test_a_description_without_a_version_says_which_one_is_taken(run, tmp_path):
    saved(tmp_path)
    done = run(*COMMAND)
    assert done.code == 0
    line = "no `snntorch` in the description: read as of version 1.0, of 0.6, 0.7, 0.8, 0.9, 0.9.4"
    assert done.err == f"theirs.toml: {line}, 1.0\n"
    (tmp_path / "theirs.toml").write_text(f'snntorch = "1.0"\n{DESCRIPTION}')
    again = run(*COMMAND, "-o", "again.rsnn.h5")
    assert again.err == ""
    assert again.out.split()[-1] == done.out.split()[-1]


def test_the_version_of_a_description_decides_what_is_computed(run, tmp_path):
    saved(tmp_path)
    text = DESCRIPTION.replace('"RSynaptic"', '"RSynaptic"\ninit_hidden = false')
    (tmp_path / "theirs.toml").write_text(f'snntorch = "0.7"\n{text}')
    done = run(*COMMAND)
    assert done.code == 1
    assert "`lif2`, a Synaptic of snnTorch 0.7, computes one thing with init_hidden" in done.err
    text = text.replace('"Synaptic"', '"Synaptic"\ninit_hidden = false')
    (tmp_path / "theirs.toml").write_text(f'snntorch = "0.7"\n{text}')
    assert run(*COMMAND).code == 0
