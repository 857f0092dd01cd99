"""Targets by file and on the command line; the projects that are built for them."""

import json
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from networks import random_network
from tools import need

from export.firmware.storage import LAYOUTS
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
    assert "'--target': 'abacus' is not one of 'cortex_m0plus'" in done.err
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
    assert all(row["fits"] is True and row["flash"] < 4000 for row in rows)


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
    assert table.count("not checked") == sum(t.limits != Limits() for t in TARGETS.values())
    arm = ", ".join(name for name in TARGETS if name.startswith("cortex"))
    assert f"\n{arm}: not checked: {ARM}\n" in lines
    rows = json.loads(run("check", network, "--json").out)["targets"]
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


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_project_builds_and_its_self_test_passes_and_notices_a_fault(run, network, layout):
    """The fault is in one word of a step in the middle."""
    need("cc", "gcc")
    need("make", "make")
    done = run("build", network, "--target", "host_c", "--layout", layout, "-o", "project")
    assert done.code == 0, done
    folder = Path("project")
    subprocess.run(["make", "-C", str(folder), "example"], check=True, capture_output=True)
    assert subprocess.run([str(folder / "example")], check=False).returncode == 0
    before, row, after = (folder / "selftest.h").read_text().rpartition("\n    {-")
    rows = before.splitlines()
    assert rows[-20].startswith("    {")
    rows[-20] = rows[-20].replace("{", "{1 + ", 1)
    (folder / "selftest.h").write_text("\n".join(rows) + row + after)
    subprocess.run(["make", "-C", str(folder), "example"], check=True, capture_output=True)
    assert subprocess.run([str(folder / "example")], check=False).returncode == 1


@pytest.mark.parametrize("name", ["host_c", "cortex_m4"])
def test_a_project_is_one_for_cmake_too(run, network, name):
    assert run("build", network, "--target", name, "-o", "project").code == 0
    text = Path("project/rsnn.cmake").read_text()
    flags = import_module(f"hw_targets.{name}").MACHINE.processor
    assert "add_library(rsnn STATIC rsnn.c)" in text
    assert "@" not in text
    assert f"target_compile_options(rsnn PUBLIC {' '.join(flags)})" in text
    need("cmake", "cmake")
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    goals = ["rsnn", "example"] if name == "host_c" else ["rsnn"]  # a board's flags are missing
    for command in (["-S", "project", "-B", "made"], ["--build", "made", "--target", *goals]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    if name == "host_c":
        assert subprocess.run(["made/example"], check=False).returncode == 0


def test_a_project_for_webassembly_passes_its_self_test_in_node(run, network):
    for program, package in {**TARGETS["wasm"].tools, "make": "make"}.items():
        need(program, package)
    if not Path("/usr/include/wasm32-wasi/stdint.h").exists():
        need("wasi-libc", "wasi-libc")  # which is no program, so this tells that it is missing
    assert run("build", network, "--target", "wasm", "-o", "project").code == 0
    done = subprocess.run(
        ["make", "-C", "project", "example"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    Path("run.mjs").write_text(
        """
        import { WASI } from "node:wasi";
        import fs from "node:fs";
        const wasi = new WASI({ version: "preview1", returnOnExit: true });
        const program = await WebAssembly.compile(fs.readFileSync("project/example"));
        const imports = { wasi_snapshot_preview1: wasi.wasiImport };
        process.exit(wasi.start(await WebAssembly.instantiate(program, imports)));
        """
    )
    command = ["node", "--no-warnings", "--experimental-wasi-unstable-preview1", "run.mjs"]
    assert subprocess.run(command, check=False).returncode == 0
    text = Path("project/selftest.h").read_text()
    head, values = text.rsplit("\n    {", 1)
    Path("project/selftest.h").write_text(f"{head}\n    {{1 + {values}")
    subprocess.run(["make", "-C", "project", "example"], check=True, capture_output=True)
    assert subprocess.run(command, check=False).returncode == 1


@pytest.mark.parametrize("name", ["cortex_m0plus", "rv32imc"])
def test_a_project_for_a_microcontroller_compiles_as_it_is_and_twice_the_same(run, network, name):
    need("make", "make")
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    for folder in ("a", "b"):
        assert run("build", network, "--target", name, "-o", folder).code == 0
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()
    command = ["make", "-C", "a", "rsnn.o", "example_main.o"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
