"""Parts of a snnTorch network that no float model can represent are refused in one line."""

from dataclasses import replace

import numpy as np
import pytest
import snntorch
import torch
from hypothesis import given
from hypothesis import strategies as st
from one_line import FUZZ, one_line
from snntorch_networks import COMMAND, DESCRIPTION, Network, saved
from torch import nn

from base.errors import DataError
from rsnn.snntorch.describe_module import describe
from rsnn.snntorch.description import NEURONS, Description, Layer, read_description
from rsnn.snntorch.import_state import import_state


@pytest.fixture
def checkpoint(tmp_path):
    return saved(tmp_path), tmp_path


FIRST = Layer("fc1", "lif1", "RSynaptic")
SECOND = Layer("fc2", "lif2", "Synaptic")
LAST = Layer("fc3", "out", "Leaky")


def changed(state, **values):
    return state | {
        key.replace("__", "."): torch.as_tensor(np.asarray(v)) for key, v in values.items()
    }


@pytest.mark.parametrize(
    ("layers", "output", "values", "text"),
    [
        ((FIRST, SECOND), "mem", {}, "`lif2` resets, so its `mem` is no output here; use output"),
        ((FIRST, SECOND, LAST), "spk", {}, "`out` never resets; its `mem` is the output"),
        ((LAST,), None, {}, "no layer of it spikes"),
        ((FIRST, LAST), None, {}, "`fc3` takes 10 inputs, but `lif1` has 12 neurons"),
        ((Layer("fc1"), SECOND), None, {}, "`fc1` has no neurons behind it, but `fc2`; multiply"),
        ((FIRST, Layer("fc9")), None, {}, "the state dict has no `fc9.weight`; compare"),
        ((replace(FIRST, reset_mechanism="none"), SECOND), None, {}, "`lif1` never resets; only"),
        (
            (replace(FIRST, reset_mechanism="subtract"), SECOND, LAST),
            None,
            {},
            "`lif1` (RSynaptic, subtract, reset_delay true) and `lif2` (Synaptic, zero, reset_delay"
            " true) reset in different ways; a network has one contract",
        ),
        (
            (FIRST, replace(SECOND, reset_delay=False), LAST),
            None,
            {},
            "`lif1` (RSynaptic, zero, reset_delay true) and `lif2` (Synaptic, zero, reset_delay"
            " false) reset in different ways; a network has one contract: use one class, reset_mec",
        ),
        ((FIRST, SECOND, LAST), None, {"lif1__alpha": [0.5, 0.5]}, "`lif1.alpha` has shape (2,);"),
        ((FIRST, SECOND, LAST), None, {"lif2__threshold": 0.0}, "`lif2.threshold` is 0; it is"),
        (
            (FIRST, SECOND, LAST),
            None,
            {"lif1__threshold": [*[1.0] * 11, -0.5]},
            "`lif1.threshold` is -0.5; it is",
        ),
        ((FIRST, SECOND, LAST), None, {"fc1__bias": float("nan")}, "`fc1.bias` holds NaN or"),
        ((FIRST, SECOND, LAST), None, {"fc1__bias": 1j}, "`fc1.bias` holds complex numbers"),
        ((FIRST, SECOND, LAST), None, {"fc1__weight": 1.0}, "`fc1.weight` has shape (); a Lin"),
        (
            (FIRST, SECOND, LAST),
            None,
            {"lif1__recurrent__weight": [[1.0]]},
            "`lif1.recurrent.weight` has shape (1, 1); (12, 12) is needed",
        ),
        (
            (FIRST, SECOND, LAST),
            None,
            {"lif1__graded_spikes_factor": 2.0},
            "`lif1.graded_spikes_factor` is 2; spikes are 1 here, multiply the weights behind",
        ),
        (
            (FIRST, SECOND, LAST),
            None,
            {"lif1__reset_mechanism_val": 7},
            "`lif1.reset_mechanism_val` is 7; 0 to 2 is known",
        ),
        (
            (FIRST, SECOND, LAST),
            None,
            {"lif1__threshold": 1e-320},
            "weights of `fc1` over the threshold and 1 - beta are too large",
        ),
    ],
)
def test_what_no_float_model_can_represent_is_refused_by_name(
    checkpoint, layers, output, values, text
):
    state = changed(checkpoint[0].state_dict(), **values)
    with pytest.raises(DataError) as caught:
        import_state(state, Description(0.004, layers, output))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def state_of(*kinds):
    reset = {"reset_mechanism": "subtract"}
    return Network((*kinds, "Leaky"), reset, sizes=(12, 12)).state_dict()


def chain(*kinds):
    names = [("fc1", "lif1"), ("fc2", "lif2"), ("fc3", "out")]
    return tuple(Layer(*name, kind) for name, kind in zip(names, (*kinds, "Leaky"), strict=True))


@pytest.mark.parametrize(
    ("kinds", "described", "left"),
    [
        ("RLeaky Leaky", "Leaky Leaky", "`lif1.recurrent.weight`, `lif1.recurrent.bias`"),
        ("Leaky Synaptic", "Leaky Leaky", "`lif2.alpha`"),
        (
            "RSynaptic RSynaptic",
            "Leaky RLeaky",
            "`lif1.alpha`, `lif1.recurrent.weight`, `lif1.recurrent.bias`, `lif2.alpha`",
        ),
    ],
)
def test_neurons_described_as_a_simpler_class_are_refused_by_what_is_left(kinds, described, left):
    state = state_of(*kinds.split())
    import_state(state, Description(0.004, chain(*kinds.split())))
    with pytest.raises(DataError) as caught:
        import_state(state, Description(0.004, chain(*described.split())))
    assert str(caught.value) == (
        f"the state dict holds {left}, which no layer of the description explains; describe every"
        " layer, each with its class"
    )


def test_a_hidden_layer_left_out_is_refused_by_its_keys():
    state = state_of("Leaky", "Leaky")
    first, _, last = chain("Leaky", "Leaky")
    with pytest.raises(DataError) as caught:
        import_state(state, Description(0.004, (first, last)))
    text = "the state dict holds `fc2.weight`, `fc2.bias`, `lif2.threshold`, `lif2.beta`"
    assert str(caught.value).startswith(text)
    assert " and 2 more, which no layer of the description explains" in str(caught.value)


def test_a_batch_norm_is_refused_by_its_keys(run, tmp_path):
    theirs = saved(tmp_path)
    theirs.bn1 = nn.BatchNorm1d(12)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    done = run(*COMMAND)
    assert done.code == 1
    assert (
        "the state dict holds `bn1.weight`, `bn1.bias`, `bn1.running_mean`, `bn1.runn" in done.err
    )
    assert " and 1 more, which no layer" in done.err
    assert not (tmp_path / "theirs.rsnn.h5").exists()


def test_states_that_older_versions_left_in_a_state_dict_do_not_matter():
    state = state_of("RSynaptic", "Synaptic")
    described = Description(0.004, chain("RSynaptic", "Synaptic"))
    wanted = import_state(state, described).state_dict()
    stale = [f"lif1.{key}" for key in ("mem", "syn", "spk")] + ["lif2.mem", "lif2.syn", "out.mem"]
    stale = {key: torch.full((3, 5), float("nan")) for key in stale}
    for key, tensor in import_state(state | stale, described).state_dict().items():
        assert torch.equal(tensor, wanted[key])
    for key in ("lif2.spk", "out.syn", "out.spk", "mem", "fc1.mem"):
        with pytest.raises(DataError, match=f"holds `{key}`, which no layer"):
            import_state(state | {key: torch.zeros(1)}, described)


def test_recurrence_one_to_one_has_one_weight_under_either_name():
    state = state_of("Leaky", "Leaky")
    v = torch.linspace(0.1, 0.9, 12)
    described = Description(0.004, chain("RLeaky", "Leaky"))
    wanted = torch.diag(v).double() / (1 - state["lif1.beta"].clamp(0, 1).double()[:, None])
    wanted = wanted / state["lif1.threshold"].double()[:, None]
    for more in ({"lif1.V": v}, {"lif1.recurrent.V": v}, {"lif1.V": v, "lif1.recurrent.V": v}):
        state = state_of("Leaky", "Leaky") | more
        state |= {"lif2.reset_mechanism_val": torch.tensor(0)}
        assert torch.allclose(import_state(state, described).layers[0].w_rec, wanted)
    with pytest.raises(DataError) as caught:
        import_state(state | {"lif1.V": v * 2}, described)
    assert str(caught.value) == (
        "`lif1.V` and `lif1.recurrent.V` differ; they are one parameter, save it again"
    )
    dense = state_of("RLeaky", "Leaky") | more
    with pytest.raises(DataError, match=r"holds `lif1\.V`, `lif1\.recurrent\.V`, which no layer"):
        import_state(dense, described)


def test_a_threshold_that_a_readout_has_does_not_matter(checkpoint):
    state = changed(checkpoint[0].state_dict(), out__threshold=0.0)
    import_state(state, Description(0.004, (FIRST, SECOND, LAST)))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3)), "`0` is a Conv2d; only Linear and Leaky, RLeaky"),
        (nn.Sequential(snntorch.Leaky(0.5)), "`0` has no Linear in front; put one there"),
        (nn.Sequential(nn.Linear(2, 2), snntorch.Alpha(0.9, 0.5)), "`1` is a Alpha; only"),
        (
            nn.Sequential(nn.Linear(2, 2), snntorch.Leaky(0.5, state_quant=lambda x: x)),
            "`1` has state_quant, which no float model has; turn it off",
        ),
    ],
)
def test_modules_of_other_layers_are_refused(module, text):
    with pytest.raises(DataError) as caught:
        describe(module, 0.004)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("dt = 0.004", "theirs.toml: there are 0 layers; describe at least one"),
        ("dt = ", "theirs.toml: not TOML: "),
        ("dt = true", "`dt` of the description is True"),
        ("dt = 1\nsnntorch = 0.9", "`snntorch` of the description is 0.9; see docs/snntorch.md"),
        ('dt = 1\nsnntorch = "0.5"\n[[layers]]\nlinear = "a"', "`snntorch` is 0.5; known: 0.6, "),
        ('dt = 1\n[[layers]]\nlinear = "a"\ninit_hidden = 1', "`init_hidden` of a layer is 1; se"),
        ("layers = 3", "`layers` is no list of tables; write [[layers]]"),
        ('dt = -1.0\n[[layers]]\nlinear = "a"', "dt is -1.0; a step is longer"),
        ('[[layers]]\nlinear = "a"', "the description lacks `dt`"),
        ("dt = 1\n[[layers]]\n", "a layer lacks `linear`; see docs/snntorch.md"),
        ('dt = 1\n[[layers]]\nlinear = "a"\nbeta = 1', "a layer has no `beta`; known"),
        ('dt = 1\n[[layers]]\nlinear = "a"\nname = "b"', "`name` and `neuron` come"),
        (
            'dt = 1\n[[layers]]\nlinear = "a"\nname = "b"\nneuron = "Lapicque"',
            "layer `a`: `neuron` is Lapicque; known: Leaky, RLeaky, Synaptic, RSynaptic",
        ),
        ('dt = 1\noutput = "v"\n[[layers]]\nlinear = "a"', "`output` is v; known"),
    ],
)
def test_descriptions_that_say_too_little_or_too_much_are_refused(run, checkpoint, toml, text):
    _, folder = checkpoint
    (folder / "theirs.toml").write_text(toml)
    before = sorted(folder.iterdir())
    done = run(*COMMAND)
    assert done.code == 1
    assert text in done.err
    assert done.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_a_missing_description_or_checkpoint_is_one_line(run, checkpoint):
    _, folder = checkpoint
    (folder / "theirs.toml").unlink()
    assert "theirs.toml: no such file" in run(*COMMAND).err
    (folder / "theirs.toml").write_text(DESCRIPTION)
    (folder / "theirs.pt").write_bytes(b"no torch file")
    assert "not a torch file of weights" in run(*COMMAND).err


KEYS = sorted(Network(("RSynaptic", "Synaptic", "Leaky"), {}).state_dict())
tensors = st.builds(
    lambda shape, value, kind: torch.full(shape, value).to(kind),
    st.lists(st.sampled_from([0, 1, 2, 9, 10, 12]), max_size=3),
    st.sampled_from([0.0, -1.0, 0.5, 1.0, 1e-30, 1e30, float("nan"), float("inf")]),
    st.sampled_from([torch.float64, torch.float16, torch.int64, torch.bool, torch.complex64]),
)
words = st.sampled_from(["fc1", "lif1", "fc2", "lif2", "fc3", "out", "x", "", *NEURONS])
values = st.one_of(words, st.integers(-2, 3), st.booleans(), st.floats(), st.lists(words))


@FUZZ
@given(st.dictionaries(st.sampled_from(KEYS), tensors, max_size=4), st.sets(st.sampled_from(KEYS)))
def test_odd_tensors_are_taken_or_refused_in_one_line(checkpoint, odd, missing):
    state = {k: v for k, v in (checkpoint[0].state_dict() | odd).items() if k not in missing}
    with one_line():
        import_state(state, Description(0.004, (FIRST, SECOND, LAST)))


def toml_of(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


fields = st.sampled_from(
    ["linear", "name", "neuron", "reset_mechanism", "reset_delay", "init_hidden", "more"]
)


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["dt", "output", "snntorch", "layers", "more"]), values, max_size=3
    ),
    st.lists(st.dictionaries(fields, values, max_size=5), max_size=4),
    st.text(max_size=3),
)
def test_odd_descriptions_are_refused_in_one_line(checkpoint, top, layers, tail):
    theirs, folder = checkpoint
    lines = [f"{key} = {toml_of(value)}" for key, value in top.items()]
    for layer in layers:
        lines += ["[[layers]]", *(f"{key} = {toml_of(value)}" for key, value in layer.items())]
    path = folder / "odd.toml"
    path.write_text("\n".join([*lines, tail]), encoding="utf-8", newline="")
    with one_line():
        import_state(theirs.state_dict(), read_description(path))
