"""Targets by file and on the command line; the projects that are built for them."""

import json

import numpy as np
import pytest
from networks import random_network
from tools import need

from hw_targets import targets
from hw_targets.machines.target import Limits

TARGETS = targets()
NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5), n_heads=5)


def test_targets_are_found_by_listing_files_and_named_like_them():
    assert set(TARGETS) >= {
        "host_c",
        "cortex_m0plus",
        "cortex_m4",
        "cortex_m33",
        "cortex_m55",
        "rv32imc",
        "wasm",
        "icarus",
        "verilator",
        "ice40_up5k",
        "ice40_hx8k",
        "asic_osu018",
        "loihi1",
    }
    assert all(name == found.name for name, found in TARGETS.items())


def test_commands_list_check_and_verify_targets(run, network):
    need("cc", "gcc")
    rows = json.loads(run("targets", "--json").out)["targets"]
    assert [row["target"] for row in rows] == sorted(TARGETS)
    assert run("check", network, "--target", "host_c").out.endswith("fits host_c\n")
    done = run("verify", network, "--target", "host_c", "--steps", 50)
    assert done.code == 0, done
    assert done.out.endswith(" state words, 0 differences\n")
    done = run("check", network, "--target", "abacus")
    assert done.code == 2
    assert "'--target': 'abacus' is not one of 'asic_osu018'" in done.err
    assert "--steps is 0" in run("verify", network, "--target", "host_c", "--steps", 0).err


TOO_MUCH = "flash: too much. --layout compact takes 9 B"


def test_a_check_that_finds_violations_ends_with_1(run, network, monkeypatch):
    found = {
        "target": "x",
        "fits": False,
        "violations": ["flash: too much. `layout=compact` takes 9 B"],
        "not_checked": [],
    }
    monkeypatch.setattr("hw_targets.machines.target.check", lambda target, network, options: found)
    done = run("check", network, "--target", "host_c")
    assert (done.code, done.out.splitlines()[-1]) == (1, TOO_MUCH)
    done = run("check", network, "--target", "host_c", "--json")
    assert (done.code, json.loads(done.out)["violations"]) == (1, [TOO_MUCH])
    done = run("check", network, "--json")
    assert (done.code, json.loads(done.out)["targets"][0]["violations"]) == (1, [TOO_MUCH])


def test_a_check_of_samples_adds_its_columns_where_they_are_known(run, network, monkeypatch):
    known = {"instructions_clocked": 9.5, "instructions_events": None, "worst_sample_ms": 2.5}
    lines = {"fits": True, "violations": [], "not_checked": []}

    def found(target, network, options):
        more = known if target.name == "cortex_m4" else {}
        return {"target": target.name} | more | lines

    monkeypatch.setattr("hw_targets.machines.target.check", found)
    done = run("check", network, "--json")
    rows = {row["target"]: row for row in json.loads(done.out)["targets"]}
    assert known.items() <= rows["cortex_m4"].items()
    assert "instructions_decision" not in rows["cortex_m4"]
    assert not known.keys() & rows["cortex_m33"].keys()
    done = run("check", network, "--target", "cortex_m4")
    assert "instructions clocked (per sample)" in done.out
    assert "worst sample (ms)" in done.out
    assert "per sample" not in run("check", network, "--target", "cortex_m33").out


@pytest.mark.slow
def test_without_a_target_every_part_is_checked(run, network, monkeypatch):
    for target in TARGETS.values():
        for program, package in target.tools.items():
            need(program, package)
    parts = [name for name, target in TARGETS.items() if target.limits != Limits()]
    done = run("check", network, "--layout", "compact", "--json")
    rows = json.loads(done.out)["targets"]
    assert done.code == 0
    assert [row["target"] for row in rows] == parts
    assert all(row["fits"] is True for row in rows)
    assert all(row["flash"] < 4000 for row in rows if TARGETS[row["target"]].limits.flash)


ARM = (
    "there is no `arm-none-eabi-gcc`, `qemu-system-arm`: install Debian's gcc-arm-none-eabi and"
    " picolibc-arm-none-eabi and qemu-system-arm"
)


def test_parts_whose_tools_are_missing_are_not_checked_and_the_packages_are_named(
    run, network, monkeypatch
):
    monkeypatch.setattr("hw_targets.machines.c_machine.which", lambda program: None)
    done = run("check", network)
    assert done.code == 0
    table, lines = done.out.split("└", 1)
    parts = {name for name, t in TARGETS.items() if t.limits.flash is not None}
    assert table.count("not checked") == len(parts)
    arm = ", ".join(name for name in TARGETS if name.startswith("cortex"))
    assert f"\n{arm}: not checked: {ARM}\n" in lines
    rows = json.loads(run("check", network, "--json").out)["targets"]
    rows = [row for row in rows if row["target"] in parts]
    assert {row["fits"] for row in rows} == {None}
    assert all(row["violations"] == [] and row["flash"] is None for row in rows)
    assert rows[0]["not_checked"] == [ARM]
    done = run("check", network, "--target", "cortex_m4")
    assert (done.code, done.out.splitlines()[-1]) == (1, f"not checked: {ARM}")
    done = run("check", network, "--target", "cortex_m4", "--json")
    assert done.code == 1
    assert json.loads(done.out) == {
        "schema": "checked/1",
        "target": "cortex_m4",
        "fits": None,
        "violations": [],
        "not_checked": [ARM],
    }


@pytest.mark.parametrize(
    ("states", "code"),
    [((True, None), 0), ((None, None), 0), ((True, False), 1), ((None, False), 1)],
)
def test_a_check_of_all_ends_with_1_if_a_part_was_checked_and_does_not_fit(
    run, network, monkeypatch, states, code
):
    fits = iter(states)
    parts = [target for target in TARGETS.values() if target.limits != Limits()][: len(states)]
    monkeypatch.setattr("hw_targets.targets", lambda: {part.name: part for part in parts})

    def found(target, network, options):
        return {"target": target.name, "fits": next(fits), "violations": [], "not_checked": []}

    monkeypatch.setattr("hw_targets.machines.target.check", found)
    done = run("check", network, "--json")
    assert (done.code, tuple(row["fits"] for row in json.loads(done.out)["targets"])) == (
        code,
        states,
    )
