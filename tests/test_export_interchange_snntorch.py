"""Float models of snnTorch's networks against snnTorch itself, and what is refused."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import snntorch
import torch
from torch import nn

from export.interchange.snntorch.description import Description, Layer, describe
from export.interchange.snntorch.import_state import import_snntorch, import_state
from rsnn.evaluate import decode
from rsnnctl import api
from rsnnctl.errors import DataError
from sim import kernels, reference
from sim.contract import PAPER, SNNTORCH
from sim.network import CubaLI, CubaLIF, IntegerNetwork

N_INPUTS, N_STEPS = 9, 300
RESETS = [
    {"reset_mechanism": mechanism, "reset_delay": delay}
    for mechanism, delay in product(("subtract", "zero"), (True, False))
]


def neurons(kind: str, n: int, generator: torch.Generator, **options):
    """A layer with decays and thresholds of its own for each neuron, all of them learned."""

    def between(low, high):
        return low + (high - low) * torch.rand(n, generator=generator)

    options = {"threshold": between(0.5, 1.5), "learn_threshold": True, **options}
    options |= {"learn_beta": True, "init_hidden": False}
    if "Synaptic" in kind:
        options |= {"alpha": between(0.2, 0.9), "learn_alpha": True}
    if kind.startswith("R"):
        options |= {"linear_features": n}
    return getattr(snntorch, kind)(beta=between(0.3, 0.95), **options)


class Network(nn.Module):
    """Two hidden layers and a readout without reset."""

    def __init__(self, kinds, reset, seed=0, bias=True, sizes=(12, 10)):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.fc1 = nn.Linear(N_INPUTS, sizes[0], bias=bias)
        self.lif1 = neurons(kinds[0], sizes[0], generator, **reset)
        self.fc2 = nn.Linear(sizes[0], sizes[1], bias=bias)
        self.lif2 = neurons(kinds[1], sizes[1], generator, **reset)
        self.fc3 = nn.Linear(sizes[1], 2, bias=bias)
        self.out = neurons(kinds[2], 2, generator, reset_mechanism="none")
        with torch.no_grad():
            for linear in (self.fc1, self.fc2):
                linear.weight *= 3.0

    def forward(self, raster):
        """Spikes of both layers and the readout's membrane, (n_steps, n) each."""
        layers = [(self.fc1, self.lif1), (self.fc2, self.lif2), (self.fc3, self.out)]
        states = [
            tuple(torch.zeros(1, len(linear.weight)).double() for _ in range(n_states(layer)))
            for linear, layer in layers
        ]
        kept = [[], [], []]
        for x in raster:
            signal = x[None]
            for i, (linear, layer) in enumerate(layers):
                result = [each.double() for each in layer(linear(signal), *states[i])]
                signal = result[0]
                states[i] = result if is_recurrent(layer) else result[1:]
                kept[i].append(result[-1] if layer is self.out else signal)
        return [torch.cat(rows) for rows in kept]


def n_states(layer) -> int:
    kind = type(layer).__name__
    return 1 + is_recurrent(layer) + kind.endswith("Synaptic")


def is_recurrent(layer) -> bool:
    return type(layer).__name__.startswith("R")


def spikes(seed=0, n_steps=N_STEPS):
    rng = np.random.default_rng(seed)
    return (rng.random((n_steps, N_INPUTS)) < 0.3).astype(np.uint8)


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

    model_dynamics = import_snntorch(Network((kind, kind, "Leaky"), reset), dt=0.004)
    contract = replace(
        SNNTORCH,
        **model_dynamics.architecture.dynamics.contract_fields(),
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
    fields = model.architecture.dynamics.contract_fields()
    assert replace(PAPER, **fields) == SNNTORCH


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
    theirs = nn.Sequential(nn.Linear(N_INPUTS, 8), snntorch.Leaky(0.9), nn.Linear(8, 2)).double()
    with torch.no_grad():
        theirs[0].weight *= 4.0
    model = import_snntorch(theirs, dt=0.004)
    out, spk = decode(model, spikes(5), dtype=torch.float64)
    sent = torch.from_numpy(spk[0]).double()
    assert np.allclose(out, theirs[2](sent).detach().numpy(), atol=1e-12)
    assert spk[0].any()


DESCRIPTION = """
dt = 0.004

[[layers]]
linear = "fc1"
name = "lif1"
neuron = "RSynaptic"

[[layers]]
linear = "fc2"
name = "lif2"
neuron = "Synaptic"

[[layers]]
linear = "fc3"
name = "out"
neuron = "Leaky"
"""


@pytest.fixture
def checkpoint(tmp_path):
    theirs = Network(("RSynaptic", "Synaptic", "Leaky"), {"reset_mechanism": "zero"})
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    (tmp_path / "theirs.toml").write_text(DESCRIPTION)
    return theirs, tmp_path


COMMAND = ("import-snntorch", "theirs.pt", "--description", "theirs.toml")


def test_a_checkpoint_with_its_description_is_the_module(run, checkpoint, tmp_path):
    theirs, _ = checkpoint
    done = run(*COMMAND)
    assert done.code == 0, done.err
    path, digest = done.out.split("\n")[:2]
    assert path == "theirs.rsnn.h5"
    model = api.import_snntorch(theirs, dt=0.004)
    assert digest == f"digest {api.save_model(model, tmp_path / 'other.rsnn.h5')}"


def test_an_imported_network_is_quantized_and_every_backend_computes_its_bits(checkpoint):
    theirs, _ = checkpoint
    model = api.import_snntorch(theirs, dt=0.004)
    network = api.quantize(model, bits=8)
    c = network.contract
    assert (c.fires_on, c.reset_delay, c.delay_steps) == ("reset_membrane", True, 0)
    report = api.verify(network, spikes(6))
    assert report.differences == 0
    raster = spikes(7, 2000)
    exact, _ = decode(model, raster)
    found = network.readout.decode(kernels.run(network, raster).out)
    assert np.corrcoef(found[:, 0], exact[:, 0])[0, 1] > 0.9


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
            "`lif1` and `lif2` reset in different ways (`reset` is subtract and zero)",
        ),
        (
            (replace(SECOND, linear="fc1", name="lif1"), replace(SECOND, reset_delay=False), LAST),
            None,
            {},
            "(`reset_delay` is True and False); a network has one",
        ),
        ((FIRST, SECOND, LAST), None, {"lif1__beta": 1.5}, "`lif1.beta` is 1 for neuron 0; a"),
        ((FIRST, SECOND, LAST), None, {"lif1__alpha": [0.5, 0.5]}, "`lif1.alpha` has shape (2,);"),
        ((FIRST, SECOND, LAST), None, {"lif2__threshold": 0.0}, "`lif2.threshold` is 0; it is"),
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
            "`lif1.reset_mechanism_val` is 7.0; 0 to 2 is known",
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
            "`1` has state_quant, which a float model has not; turn it off",
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
        ("dt = 0.004", "there are 0 layers; describe at least one"),
        ("dt = ", "theirs.toml: not TOML: "),
        ("dt = true", "`dt` of the description is True"),
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
    assert "theirs.toml: cannot be read: No such file" in run(*COMMAND).err
    (folder / "theirs.toml").write_text(DESCRIPTION)
    (folder / "theirs.pt").write_bytes(b"no torch file")
    assert "not a torch file of weights" in run(*COMMAND).err
