"""A kind of neuron from outside the project: one file, and all that follows from it."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster
from strangers import install
from tools import need

from base.errors import RangeError, ToolError, UnsupportedError
from export.formats import backends as formats_backends
from export.nir.files import export_nir
from rsnnctl.backends import backends
from sim import reference
from sim.arithmetic.text import latex, plain
from sim.artifact import load_network, save_network
from sim.bounds.layers import state_bounds
from sim.conformance.cases import cases
from sim.conformance.kit import export_kit
from sim.contract import PAPER
from sim.inspect import describe
from sim.intermediates import asked_in
from sim.kinds import find_kind, kinds
from sim.kinds.cuba_li import CubaLI
from sim.metrics import storage
from sim.network import IntegerNetwork
from sim.overflow.verdict import verdicts
from sim.shrink import shrink
from sim.verify import verify

NO_NODE = {"nir": "hidden0 is of kind leaky, for which NIR has no node; export C or ONNX"}


def leaky(network: IntegerNetwork) -> IntegerNetwork:
    """The same network, of which every hidden layer keeps what a leaky one has."""
    kind = find_kind("leaky")
    layers = [
        kind(**{name: getattr(layer, name) for name in kind.declared()}) for layer in network.hidden
    ]
    return replace(network, layers=(*layers, network.readout))


def drawn(number: int, hidden=(7, 5)) -> tuple[IntegerNetwork, np.ndarray]:
    rng = np.random.default_rng(number)
    contract = covering_contracts()[number % len(covering_contracts())]
    return leaky(random_network(rng, contract, hidden=hidden)), random_raster(rng, 60, 12)


def test_a_neuron_does_what_its_equations_say(added_as_files):
    """Worked by hand: 3 << 1 per spike, halves toward zero, a spike above 10 leaves 0."""
    contract = replace(PAPER, frac_bits=1, delay_steps=0)
    layer = find_kind("leaky")(
        w_in=np.array([[3], [-3]]),
        decay_mem=np.array([1 << (contract.decay_frac - 1)] * 2),
        threshold=np.array([10, 10]),
    )
    nothing = np.array([0])
    readout = CubaLI(np.array([[1, 0]]), nothing, nothing, nothing, np.ones(1))
    network = IntegerNetwork((layer, readout), contract, 0.004)
    raster = np.array([[1], [1], [1], [1], [1], [0], [0], [0]], np.uint8)
    trace = reference.run(network, raster).variables
    assert trace["hidden0.mem"][:, 0].tolist() == [6, 9, 10, 0, 6, 3, 1, 0]
    assert trace["hidden0.spk"][:, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert trace["hidden0.mem"][:, 1].tolist() == [-6, -9, -10, -11, -11, -5, -2, -1]


@pytest.mark.slow
def test_the_kit_has_cases_of_the_kind_which_every_backend_passes(added):
    found = [case for case in cases() if case.name.startswith("leaky-")]
    assert [case.name for case in found] == [f"leaky-{i}" for i in range(7)]
    for case in found:
        report = verify(case.network, [case.raster], backends())
        assert set(report.backends) >= {"numba", "onnx-reference", "raw"}
        assert report.differences == 0, case.name
    fired = [reference.run(case.network, case.raster).variables for case in found]
    for layer in ("hidden0", "hidden1"):
        assert any(trace[f"{layer}.spk"].any() for trace in fired)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 4, 8])
def test_every_backend_computes_every_word_under_every_contract(number, added_as_files):
    network, raster = drawn(number)
    report = verify(network, [raster, raster], backends())
    assert report.differences == 0
    if os.environ.get("RSNN_REQUIRE_TOOLS") == "1":
        assert set(report.backends) == set(backends()) - {"nir", "verilog"}
    assert report.not_run["nir"] == NO_NODE["nir"]


@pytest.mark.slow
def test_a_wrong_word_is_found_with_its_operands_and_shrunk(added_as_files):
    network, raster = drawn(5, hidden=(6,))

    def wrong(network, raster):
        trace = reference.run(network, raster)
        words = trace.variables["hidden0.mem"]
        words[words > 0] -= 1
        return trace

    first = verify(network, [raster], {"wrong": wrong}).backends["wrong"].first
    assert set(first.operands) == {"step", "arriving", "acc", "mem", "decay_mem", "threshold"}
    small, short = shrink(network, raster, wrong)
    assert small.kinds() == {"hidden0": "leaky"}
    assert small.hidden[0].n_neurons == 1
    assert len(short) <= 20


@pytest.mark.slow
def test_no_input_leaves_the_bounds(added_as_files):
    for number in (1, 4, 8):
        network, raster = drawn(number)
        bounds, trace = state_bounds(network), reference.run(network, raster)
        for index, name in enumerate(network.layer_names):
            for state, found in asked_in(network, raster, trace, index).items():
                low, high = bounds[name].range_of(state)
                assert (found.low >= low).all(), (number, name, state)
                assert (found.high <= high).all(), (number, name, state)


@pytest.mark.slow
def test_overflow_is_shown_by_inputs_that_reach_it(added_as_files):
    contract = replace(PAPER, mem_bits=9, frac_bits=3)
    network = leaky(random_network(np.random.default_rng(3), contract, threshold=200))
    found = {f"{verdict.layer}.{verdict.variable}": verdict for verdict in verdicts(network)}
    assert set(found) == {"hidden0.mem", "readout.syn", "readout.out"}
    witness = found["hidden0.mem"].overflows[0]
    trace = reference.run(network, witness.raster)
    asked = asked_in(network, witness.raster, trace, 0)["mem"]
    assert witness.value in (asked.low[-1, witness.neuron], asked.high[-1, witness.neuron])
    assert not -256 <= witness.value <= 255


@pytest.mark.slow
def test_files_the_kit_and_inspection_know_the_kind(added):
    network, _ = drawn(1)
    path = added / "a.int.h5"
    save_network(network, path)
    assert load_network(path).digest() == network.digest()
    assert load_network(path).kinds() == {"hidden0": "leaky", "hidden1": "leaky"}
    assert {"decay_mem", "threshold"} < set(describe(network)["layers"][0])
    c, n = network.contract, sum(layer.n_neurons for layer in network.hidden)
    rows = network.readout.n_neurons
    words = 12 * 7 + 7 * 5 + 5 * rows
    unity = sum(layer.n_neurons * layer.has_unity(c) for layer in network.hidden)
    unity += 2 * rows * network.readout.has_unity(c)
    decay = 4 if c.decay == "shift" else c.decay_frac
    small = n * (decay + c.mem_bits) + rows * (2 * decay + c.mem_bits) + unity
    assert storage(network).dense_bits == words * c.weight_bits + small
    export_kit(added / "kit")
    assert (added / "kit" / "leaky-6.h5").exists()
    assert f"## Leaky\n\n```\n{plain(find_kind('leaky'))}\n```" in (
        added / "kit" / "README.md"
    ).read_text(encoding="utf-8")


def test_its_equations_are_written_from_its_step(added_as_files):
    assert plain(find_kind("leaky")).splitlines() == [
        "acc        = sum_j w_in x_j",
        "asked_mem  = D(mem, decay_mem) + (acc << frac_bits)",
        "integrated = mem(asked_mem)",
        "spk'       = integrated > threshold",
        "mem'       = 0 where spk', else integrated",
    ]
    assert latex(find_kind("leaky")).count("&=") == 5


@pytest.mark.slow
def test_commands_verify_it_and_check_it_on_a_target(added, run):
    network, _ = drawn(0)
    save_network(network, added / "a.int.h5")
    done = run("verify", added / "a.int.h5", "--steps", 30, "--json")
    assert done.code == 0, done
    report = json.loads(done.out)
    assert set(report["backends"]) >= {"numba", "raw"}
    assert report["not_run"]["nir"] == NO_NODE["nir"]
    done = run("verify", added / "a.int.h5", "--steps", 30, "--target", "abacus")
    assert done.code == 0, done
    assert done.out.splitlines()[-1].startswith("verified: ")
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    need("qemu-system-arm", "qemu-system-arm")
    done = run("check", added / "a.int.h5", "--target", "cortex_m4", "--json")
    row = json.loads(done.out)
    assert (done.code, row["violations"]) == (0, []), done
    assert row["instructions_max"] <= row["instructions_worst_case"]


@pytest.mark.slow
def test_nir_refuses_it_by_name(added_as_files):
    network, _ = drawn(0)
    with pytest.raises(UnsupportedError) as error:
        export_nir(network, added_as_files / "a.nir")
    assert str(error.value) == NO_NODE["nir"]
    assert not (added_as_files / "a.nir").exists()


def test_it_is_gone_when_its_file_is():
    assert "leaky" not in kinds()
    assert "raw" not in formats_backends()
    with pytest.raises(
        RangeError, match="`kind` is leaky; known: adaptive_cuba_lif, cuba_li, cuba"
    ):
        find_kind("leaky")
    assert not [case for case in cases() if case.name.startswith("leaky-")]


@pytest.mark.slow
def test_the_check_of_the_readme_misses_a_format_that_is_not_in_it(python_with_package):
    done = python_with_package(
        *("-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"),
        *("tests/test_docs.py", "-k", "table_of_commands"),
    )
    assert done.returncode == 1, done.stderr
    assert "export-raw" in done.stdout
    assert "2 failed" in done.stdout


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"x": "json:JSONDecoder"}, "kind `x` is JSONDecoder, which is no Layer; derive it"),
        ({"x": "sim.kinds.cuba_lif:KIND"}, "kind `x` lies in sim.kinds.cuba_lif; name it `cuba_l"),
    ],
)
def test_what_is_no_kind_or_has_another_name_is_refused(entry, text, tmp_path, monkeypatch):
    install(tmp_path, kinds=entry)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ToolError) as error:
        kinds()
    assert str(error.value).startswith(text)
