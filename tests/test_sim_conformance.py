"""The conformance kit: its cases show what they claim; our backends and its checker pass it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from itertools import combinations, product
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from faulty_backends import (
    choosing,
    flipping,
    late_recurrence,
    never_reset,
    other_contract,
    wrong_readout,
    wrong_weight,
)
from networks import CHOICES

from base.errors import FileError
from base.ownership import MANIFEST
from cli import rsnnctl
from export.formats import backends
from sim import reference
from sim.conformance.case import covering_contracts
from sim.conformance.cases import cases
from sim.conformance.kit import export_kit
from sim.contract import PAPER, signed_range
from sim.fast import runs
from sim.trace import first_difference
from sim.verify import verify

CASES = {case.name: case for case in cases()}
TRACES = {name: reference.run(case.network, case.raster) for name, case in CASES.items()}
OTHER = {
    field: next(v for v in values if v != getattr(PAPER, field))
    for field, values in CHOICES.items()
}


def layers_of(name):
    return CASES[name].network.layer_names


def words(name, variable):
    return TRACES[name].variables[variable].astype(int)


BACKENDS = {"numba": runs.run_backend, **backends()}


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_our_own_backends_pass_every_case(backend):
    for case in CASES.values():
        report = verify(case.network, [case.raster], {backend: BACKENDS[backend]})
        if reason := report.not_run.get(backend):
            if "ONNX has no operator that adds spikes one by one" in reason:
                assert case.network.contract.delivery == "each"
                continue
            if "for which NIR has no node" in reason:
                assert case.name.startswith(("double-exp-lif", "inputs-double-exp-lif"))
                continue
            if backend == "verilog" and re.search("Verilog (computes|does not compute)", reason):
                continue
            # a tool is missing
            (pytest.fail if os.environ.get("RSNN_REQUIRE_TOOLS") == "1" else pytest.skip)(reason)
        assert report.differences == 0, (case.name, report.backends[backend].first)


def test_any_two_choices_of_a_contract_meet_in_all_combinations():
    assert covering_contracts()[0] == PAPER
    contracts = [
        case.network.contract for name, case in CASES.items() if name.startswith(("contr", "order"))
    ]
    for (a, xs), (b, ys) in combinations(CHOICES.items(), 2):
        seen = {(getattr(c, a), getattr(c, b)) for c in contracts}
        assert seen == set(product(xs, ys)), (a, b)


def test_membranes_come_to_be_exactly_at_their_threshold():
    for fires_on in CHOICES["fires_on"]:
        silent, fires = (f"tie-{kind}-{fires_on}" for kind in ("silent", "fires"))
        layer = CASES[silent].network.hidden[0]
        assert (words(silent, "hidden0.mem") == layer.threshold).any(0)[[0, 1, 3]].all()
        spikes = [words(name, "hidden0.spk").sum(0) for name in (silent, fires)]
        assert (spikes[0] < spikes[1])[[0, 1, 3]].all()


def test_states_reach_both_ends_of_their_words_and_wrap_beyond():
    for reset in ("zero", "subtract"):
        contract = CASES[f"saturate-{reset}"].network.contract
        for variable in ("hidden0.syn", "hidden0.mem", "readout.syn", "readout.out"):
            bits = contract.syn_bits if variable.endswith("syn") else contract.mem_bits
            kept = words(f"saturate-{reset}", variable)
            assert (kept.min(), kept.max()) == signed_range(bits), variable
            jumps = np.abs(np.diff(words(f"wrap-{reset}", variable), axis=0))
            assert jumps.max() > 1 << (bits - 1), variable


def test_the_lowest_of_32_bit_words_decays_both_ways():
    for rounding in ("toward_zero", "floor"):
        syn = words(f"int-min-{rounding}", "hidden0.syn")
        assert syn.min() == -(2**31)
        assert syn[-1, 0] > -(2**31)  # it decays
        assert syn[-1, 1] == -(2**31)  # unity keeps it
    negative = {r: words(f"negative-{r}", "hidden0.syn") for r in ("toward_zero", "floor")}
    assert (negative["toward_zero"][-1] == 0).all()
    assert (negative["floor"][-1][:3] == -3).all()  # the dead zone of floor


def test_silence_is_silent_and_always_is_always():
    assert not words("silent", "hidden0.spk").any()
    assert not words("silent", "hidden1.spk").any()
    assert words("silent", "readout.out")[0].any()
    for name in ("always-firing", "always-firing-on"):
        assert words(name, "hidden0.spk").all()
    for bits in (2, 8, 16):
        layer = CASES[f"lowest-weight-{bits}"].network.hidden[0]
        assert (layer.w_in == -(2 ** (bits - 1))).all()
    pruned = CASES["pruned-rows"].network
    assert (pruned.hidden[0].w_in == 0).all(1).any()
    assert (pruned.readout.w_out == 0).all(1).any()


def test_cases_are_no_special_cases_of_nothing_happening():
    still = set()
    for name, case in CASES.items():
        filled = {at: "v" if name.startswith("first-spike") else "syn" for at in layers_of(name)}
        still |= {(name, at) for at in filled if not words(name, f"{at}.{filled[at]}").any()}
        assert case.raster.dtype == case.network.input_dtype
    without_input = {(name, layer) for name in ("silent", "one-step") for layer in layers_of(name)}
    decays_only = ("decay-ends", "int-min-*", "negative-*")  # no neuron fires
    assert still == without_input | {
        (name, "readout") for name in CASES if any(fnmatch(name, some) for some in decays_only)
    }
    assert np.array_equal(CASES["again"].raster, CASES["contract-0"].raster)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    done = CliRunner().invoke(rsnnctl, ["verify", "--export-kit", str(folder)])
    assert done.output == f"{folder / 'kit.json'}\n"
    return folder


def write(traces, backend, names=CASES):
    traces.mkdir()
    for name in names:
        case = CASES[name]
        with h5py.File(traces / f"{name}.h5", "w") as file:
            for variable, array in backend(case.network, case.raster).variables.items():
                file[variable.replace(".", "/")] = array


def check(kit, *arguments):
    command = [sys.executable, "-I", str(kit / "check.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_checker_finds_every_word_right(kit, tmp_path):
    write(tmp_path / "traces", runs.run_backend)
    done = check(kit, tmp_path / "traces")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{len(CASES)} cases, 0 wrong"
    assert done.stdout.count("every word is right\n") == len(CASES)


FAULTS = {field: other_contract(**{field: value}) for field, value in OTHER.items()}
FAULTS |= {"weight": wrong_weight(0, 0), "delay": late_recurrence, "state": never_reset()}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_caught_and_told_as_verify_tells_it(kit, tmp_path, fault):
    right = {"rounding": "negative-toward_zero", "fires_when": "tie-silent-new_membrane"}
    right |= {"reset_delay": "twice-over-at-once", "bias_on": "bias-saturate"}
    right |= {"readout_delayed": "twice-over-at-once"}
    names = [*dict.fromkeys([right.get(fault, "contract-0"), "saturate-subtract", "again"])]
    write(tmp_path / "traces", FAULTS[fault], names)
    done = check(kit, tmp_path / "traces", *names)
    assert done.returncode == 1, done.stdout
    case = CASES[names[0]]
    if fault != "state":  # which shows only in what runs later
        found = verify(case.network, [case.raster], {"x": FAULTS[fault]}).backends["x"].first
        d = found.difference
        assert done.stdout.splitlines()[0] == (
            f"{names[0]}: step {d.step}, {d.layer}/{d.variable}, neuron {d.neuron}:"
            f" expected {d.expected}, found {d.found}"
        )
    else:
        assert any(line.startswith("again: step 0, ") for line in done.stdout.splitlines())


READOUT_CHOICES = ("current", "rounding", "overflow_syn", "overflow_mem", "delay_steps")
READOUT_CHOICES += ("bias_on", "saturation")
READOUT_ARRAYS = ("w_out", "decay_syn", "decay_mem", "initial_out", "bias", "e_out")


@pytest.mark.parametrize("fault", [*READOUT_CHOICES, *READOUT_ARRAYS])
def test_every_fault_of_the_readout_alone_is_caught_by_some_case(fault):
    change = choosing(**{fault: OTHER[fault]}) if fault in OTHER else flipping(-1, fault, 0)
    backend = wrong_readout(change)
    traces = ((TRACES[name], backend(case.network, case.raster)) for name, case in CASES.items())
    found = (first_difference(right, wrong) for right, wrong in traces)
    assert next(filter(None, found)).layer == "readout"


@pytest.mark.slow
def test_the_checker_says_what_is_missing_or_of_another_kind(kit, tmp_path):
    traces = tmp_path / "traces"
    write(traces, runs.run_backend, ["one-step", "one-neuron", "silent"])
    (traces / "silent.h5").write_text("not hdf5")
    with h5py.File(traces / "one-neuron.h5", "r+") as file:
        del file["hidden0/mem"]
    with h5py.File(traces / "one-step.h5", "r+") as file:
        file["hidden0/spk"].file.move("hidden0/spk", "hidden0/old")
        file["hidden0/spk"] = np.zeros((1, 1))
    done = check(kit, traces, "one-step", "one-neuron", "silent", "always-on")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == ("one-step: hidden0/spk is float64 (1, 1); integers (1, 1) are needed")
    assert lines[1] == "one-neuron: hidden0/mem is missing"
    assert lines[2].startswith("silent: cannot be read: ")
    assert lines[3] == f"always-on: {traces / 'always-on.h5'} is missing"
    assert lines[4] == "4 cases, 4 wrong"
    assert check(kit).returncode == 2
    assert "usage: check.py TRACES" in check(kit, traces, "no-such-case").stderr


@pytest.mark.slow
def test_the_kit_is_plain_files_and_the_same_bytes_each_time(kit, tmp_path):
    paths = export_kit(tmp_path / "other")
    assert {p.name for p in paths} == {p.name for p in kit.iterdir()} - {MANIFEST}
    for path in paths:
        assert path.read_bytes() == (kit / path.name).read_bytes(), path.name
    index = json.loads((kit / "kit.json").read_text())
    assert (index["format"], index["version"]) == ("rsnnctl-conformance-kit", 9)
    for entry in index["cases"]:
        network = CASES[entry["name"]].network
        assert entry["digest"] == network.digest()
        with h5py.File(kit / f"{entry['name']}.h5") as file:
            for layer in entry["layers"]:
                assert set(file["network"][layer["name"]]) == set(layer["arrays"])
    assert sum(path.stat().st_size for path in paths) < 2_600_000
    assert "integrated  = mem(asked_sum)" in (kit / "README.md").read_text()


def test_the_readme_names_every_array_that_a_case_has(kit):
    readme = (kit / "README.md").read_text()
    index = json.loads((kit / "kit.json").read_text())
    arrays = {key for case in index["cases"] for each in case["layers"] for key in each["arrays"]}
    assert "bias" in arrays
    for key in arrays:
        assert re.search(rf"\b{key}\b", readme), key
    assert "an array `bias` adds it to the current in every step" in readme


def test_the_checker_is_short_and_imports_nothing_of_ours(kit):
    text = (kit / "check.py").read_text()
    assert text.count("\n") < 100
    assert "rsnnctl" not in text
    imports = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert {line.split()[1] for line in imports} == {
        *("hashlib", "json", "sys", "pathlib"),
        *("h5py", "numpy"),
    }


def test_the_kit_has_the_sums_that_coreutils_check(kit, tmp_path):
    text = (kit / "SHA256SUMS").read_text()
    listed = [line.split("  ")[1] for line in text.splitlines()]
    assert set(listed) == {p.name for p in kit.iterdir()} - {MANIFEST, "SHA256SUMS"}
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=kit, capture_output=True)
    assert done.returncode == 0
    assert done.stdout.count(b": OK\n") == len(listed)


@pytest.fixture
def own_kit(kit, tmp_path):
    return Path(shutil.copytree(kit, tmp_path / "own"))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kit.json", "one-neuron.h5"])
def test_the_checker_refuses_a_damaged_kit(own_kit, tmp_path, name):
    write(tmp_path / "traces", runs.run_backend, ["one-neuron", "one-step"])
    assert check(own_kit, tmp_path / "traces", "one-neuron").returncode == 0
    flip(own_kit / name)
    done = check(own_kit, tmp_path / "traces", "one-step", "one-neuron")
    assert (done.returncode, done.stdout) == (2, "")
    text = f"{own_kit / name}: damaged or missing; get the kit again\n"
    assert done.stderr == text
    (own_kit / name).unlink()
    assert check(own_kit, tmp_path / "traces", "one-neuron").stderr == text
    code = 0 if name == "one-neuron.h5" else 2
    assert check(own_kit, tmp_path / "traces", "one-step").returncode == code


@pytest.mark.slow
def test_the_checker_misses_the_sums_of_a_kit_that_should_have_them(own_kit, tmp_path):
    write(tmp_path / "traces", runs.run_backend, ["one-step"])
    sums = own_kit / "SHA256SUMS"
    for break_it in (lambda: sums.write_text(""), sums.unlink):
        break_it()
        done = check(own_kit, tmp_path / "traces", "one-step")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"{sums}: damaged or missing; get the kit again\n"
    index = json.loads((own_kit / "kit.json").read_text())
    (own_kit / "kit.json").write_text(json.dumps(index | {"version": 3}))
    assert check(own_kit, tmp_path / "traces", "one-step").returncode == 0


def test_a_kit_needs_no_network(tmp_path):
    (tmp_path / "net.int.h5").touch()
    words = ["verify", str(tmp_path / "net.int.h5"), "--export-kit", "kit"]
    done = CliRunner().invoke(rsnnctl, words)
    assert done.exit_code == 2
    assert "NETWORK has no effect beside --export-kit, which has its own networks" in done.output


def test_a_kit_is_not_written_into_a_file(tmp_path):
    (tmp_path / "kit").touch()
    with pytest.raises(FileError, match="cannot be written"):
        export_kit(tmp_path / "kit")


def test_the_page_describes_every_case_and_shows_a_line_that_the_checker_prints(kit, tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "conformance.md").read_text("utf-8")
    patterns = re.findall(r"`([a-z*-]+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.M)))
    for name in CASES:
        assert any(fnmatch(name, pattern) for pattern in patterns), name
    for pattern in patterns:
        assert any(fnmatch(name, pattern) for name in CASES), pattern
    write(tmp_path / "traces", FAULTS["rounding"], ["contract-0"])
    assert f"`{check(kit, tmp_path / 'traces', 'contract-0').stdout.splitlines()[0]}`" in page


def test_a_version_keeps_its_cases():
    """A case that changes or is added increases `VERSION`; its digest is written here."""
    assert fingerprint([*list(CASES)[:35], "again"]) == "72854bfd842e3bd4"  # all of version 1
    assert fingerprint([*list(CASES)[:52], "again"]) == "81b71265f744679c"  # all of version 2
    assert fingerprint([*list(CASES)[:59], "again"]) == "8e340e34a52e1427"  # all of version 4
    assert fingerprint([*list(CASES)[:68], "again"]) == "cd4266e92da6b2bc"  # all of version 5
    assert fingerprint([*list(CASES)[:93], "again"]) == "0a6c0c349bd61688"  # all of version 7
    assert fingerprint([*list(CASES)[:98], "again"]) == "2317375ec939329a"  # all of version 8
    assert fingerprint(CASES) == "8de94102d7b4b3ab"


def fingerprint(names):
    everything = hashlib.sha256()
    for name, case in ((name, CASES[name]) for name in names):
        everything.update(name.encode() + case.raster.tobytes())
        for _, array in (*case.network.arrays(), *TRACES[name].variables.items()):
            everything.update(array.tobytes())
    return everything.hexdigest()[:16]
