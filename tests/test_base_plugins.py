"""A format and a target unknown to the project: one file each, or an installed package's."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from networks import random_network, random_raster, with_arrays
from strangers import install

import hw_targets
from base.errors import RangeError, ToolError
from export.format import place, write_network
from export.formats import formats
from hw_targets import find_target, targets
from hw_targets.machines.target import build, check, run_whole, runners
from rsnnctl.backends import backends
from rsnnctl.exporting import command_of, function_of
from sim import reference
from sim.artifact import load_network
from sim.contract import PAPER
from sim.trace import first_difference
from sim.verify import verify

NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5), n_heads=2)
RASTER = random_raster(np.random.default_rng(2), 40, 12)


def test_a_format_is_found_and_verified(added):
    assert formats()["raw"].name == "raw"
    report = verify(NETWORK, [RASTER], {"raw": backends()["raw"]})
    assert report.differences == 0
    assert report.backends["raw"].words > 0
    path = place(formats()["raw"], added / "net.int.h5", None)
    words, listing = write_network(formats()["raw"], NETWORK, path, {"byte_order": "big"})
    assert (words.name, listing.name) == ("net.raw", "net.raw.json")
    assert ">i4" in listing.read_text()


def test_a_format_has_a_command_and_a_function_with_its_options(added, network):
    raw = formats()["raw"]
    words = [str(network), "-o", str(added / "out"), "--byte-order", "big"]
    done = CliRunner().invoke(command_of(raw), words, standalone_mode=False)
    assert done.exit_code == 0, done.output
    paths = [Path(file) for file in done.return_value.value["files"]]
    stem = network.name.removesuffix(".int.h5")
    assert paths == [added / "out" / f"{stem}{suffix}" for suffix in raw.suffixes]
    written = function_of(raw)(load_network(network), added / "again", byte_order="big")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in paths]
    assert CliRunner().invoke(command_of(raw), ["--byte-order", "odd"]).exit_code == 2


def test_the_command_line_lists_what_is_installed(python_with_package):
    done = python_with_package("-m", "rsnnctl", "--help")
    assert "  export-raw       Write raw arrays of words.\n" in done.stdout


def test_a_target_is_found_checked_built_and_run(added):
    target = find_target("abacus")
    assert target.name == "abacus"
    assert list(targets()) == sorted(targets())
    found = check(target, NETWORK, {"beads": 5})
    size = found["flash"]
    lines = {"violations": [], "not_checked": []}
    assert found == {"target": "abacus", "fits": True, "flash": size, "rods": size // 5} | lines
    small = replace(target, limits=replace(target.limits, flash=100))
    assert check(small, NETWORK)["violations"] == [f"flash: {size} B; abacus has 100 B"]
    written = build(target, NETWORK, RASTER, added / "project", {"byte_order": "little"})
    assert [path.name for path in written.files] == ["rsnn.raw", "rsnn.raw.json", "golden.npy"]
    assert all(path.parent == added / "project" for path in written.files)
    assert "<i4" in written.files[1].read_text()
    ((name, run),) = runners(target, NETWORK, added / "run").items()
    assert name == "abacus"
    assert (added / "run" / "by hand" / "beads").read_text() == "o" * 10
    expected = reference.run(NETWORK, RASTER)
    assert first_difference(expected, run_whole(run, RASTER)) is None
    blocks = list(run([RASTER[:7], RASTER[7:]], len(RASTER)))
    assert np.array_equal(
        np.vstack([trace.variables["readout.out"] for _, trace in blocks]),
        expected.variables["readout.out"],
    )
    several = replace(target, backends=dict.fromkeys("ab", target.backends["by hand"]))
    assert list(runners(several, NETWORK, added / "more")) == ["abacus (a)", "abacus (b)"]


def test_a_target_refuses_a_contract_that_it_does_not_compute(added):
    target = find_target("abacus")
    contract = replace(PAPER, overflow_mem="wrap", weight_bits=12)
    network = random_network(np.random.default_rng(1), contract)
    way_out = ". Make a network of such a contract, or name another target"
    refused = [
        f"contract: `overflow_mem` is wrap; abacus computes saturate{way_out}",
        f"contract: `weight_bits` is 12; abacus computes 2..8{way_out}",
    ]
    found = check(target, network)
    assert (found["fits"], found["violations"], found["not_checked"]) == (False, refused, [])
    for use in (
        lambda: build(target, network, RASTER, added / "project"),
        lambda: runners(target, network, added / "run"),
    ):
        with pytest.raises(RangeError) as error:
            use()
        assert str(error.value) == "; ".join(refused)
    assert not (added / "project").exists()
    simple = replace(target, kinds=("cuba_li",))
    assert check(simple, NETWORK)["violations"] == [
        f"kind: `hidden{i}` is cuba_lif; abacus computes cuba_li. Name another target"
        for i in range(2)
    ]
    assert check(replace(target, kinds=("cuba_lif", "cuba_li")), NETWORK)["violations"] == []
    shifted = with_arrays(NETWORK, -1, e_out=[1] * NETWORK.readout.n_neurons)
    assert check(replace(target, writer="numba"), shifted)["violations"] == []
    assert check(target, shifted)["violations"] == []
    assert check(replace(target, writer="verilog"), shifted)["violations"] == [
        "array: `readout` has `e_out`, which abacus does not compute. Name another target"
    ]


def test_a_target_refuses_options_that_it_does_not_have(added):
    target = find_target("abacus")
    for use in (
        lambda options: check(target, NETWORK, options),
        lambda options: build(target, NETWORK, RASTER, added / "project", options),
        lambda options: runners(target, NETWORK, added / "run", options),
    ):
        with pytest.raises(RangeError, match="there is no option `layout`; known: byte_order, b"):
            use({"layout": "fast"})


def test_a_target_needs_a_format_that_there_is(added, monkeypatch):
    known = {name: found for name, found in formats().items() if name != "raw"}
    monkeypatch.setattr(hw_targets, "formats", lambda: known)
    with pytest.raises(ToolError) as error:
        targets()
    assert str(error.value) == (
        "target `abacus` needs the format `raw`; known: c, nir, onnx, verilog. Install what writes"
        " it"
    )


def test_commands_know_a_target_that_was_added(added, run):
    rows = {row["target"]: row for row in json.loads(run("targets", "--json").out)["targets"]}
    assert rows["abacus"]["format"] == "raw"
    assert rows["abacus"]["flash"] == 4096


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ({"c": "export.formats.c:FORMAT"}, "has a name that is taken; rename or uninstall it"),
        ({"x": "nowhere:FORMAT"}, "cannot be loaded: No module named 'nowhere'; fix or uninst"),
        ({"x": "json:FORMAT"}, "cannot be loaded: module 'json' has no attribute 'FORMAT'; fi"),
        ({"x": "json:dumps"}, "is no Format; fix or uninstall it"),
    ],
)
def test_what_cannot_be_used_of_an_installed_package_is_said(entries, text, tmp_path, monkeypatch):
    install(tmp_path, formats=entries)
    monkeypatch.syspath_prepend(tmp_path)
    ((name, value),) = entries.items()
    with pytest.raises(ToolError) as error:
        formats()
    assert str(error.value).startswith(f"format `{name}` of an installed package, {value}, {text}")
