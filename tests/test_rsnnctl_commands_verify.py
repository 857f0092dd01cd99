"""`rsnnctl verify` on a backend that is wrong: the report, the reproducer and its replay."""

import json
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from faulty_backends import late_recurrence, never_reset, wrong_weight
from networks import random_network

from base.ownership import MANIFEST
from cli import rsnnctl
from sim import reference
from sim.artifact import load_network, save_network
from sim.fast import runs

NAMES = ["my net.int.h5", "my net.numba.reproducer.int.h5", "my net.numba.reproducer.npy"]
RIGHT = runs.run_backend


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A network's file; the backends are `numba` and `other`, which is right."""
    monkeypatch.setattr("export.formats.backends", lambda: {"other": RIGHT})
    network = random_network(np.random.default_rng(5), n_inputs=30, hidden=(20,), n_heads=2)
    path = tmp_path / NAMES[0]
    save_network(network, path)
    return path


def verify(*arguments):
    return CliRunner().invoke(rsnnctl, ["verify", *map(str, arguments)])


def files(path):
    return sorted(file.name for file in path.parent.iterdir() if file.name != MANIFEST)


def plant(monkeypatch, backend):
    monkeypatch.setattr(runs, "run_backend", backend)


def test_without_a_difference_nothing_is_written(path):
    result = verify(path, "--steps", 100)
    assert result.exit_code == 0
    assert "reproducer" not in result.output
    assert files(path) == NAMES[:1]


@pytest.mark.parametrize(
    "fault", [late_recurrence, wrong_weight(1, 2), never_reset()], ids=["delay", "weight", "state"]
)
def test_a_difference_leaves_a_small_case_that_replays_it(path, monkeypatch, fault):
    plant(monkeypatch, fault)
    result = verify(path, "--steps", 200)
    assert result.exit_code == 1
    assert files(path) == NAMES
    [replay] = [x for x in result.output.splitlines() if x.startswith("numba: reproducer: replay:")]
    assert "other: reproducer" not in result.output

    small = load_network(path.with_name(NAMES[1]))
    raster = np.load(path.with_name(NAMES[2]))
    assert small.metadata == {"shrunk_from": load_network(path).digest()}
    assert small.hidden[0].n_neurons <= 3
    assert small.n_inputs <= 3
    assert len(raster) <= 6
    assert np.load(path.with_name(NAMES[2]), allow_pickle=False).dtype == np.uint8

    command = shlex.split(replay.removeprefix("numba: reproducer: replay: "))
    assert command[:2] == ["rsnnctl", "verify"]
    again = verify(*command[2:])
    assert again.exit_code == 1
    assert "numba: first difference: step " in again.output
    assert "reproducer:" not in again.output
    assert files(path) == NAMES

    plant(monkeypatch, RIGHT)
    assert verify(*command[2:]).exit_code == 0


def test_json_names_the_reproducer_under_its_backend(path, monkeypatch):
    plant(monkeypatch, late_recurrence)
    result = verify(path, "--steps", 200, "--json")
    assert result.exit_code == 1
    backends = json.loads(result.stdout)["backends"]
    network, raster = (str(path.with_name(name)) for name in NAMES[1:])
    assert backends["numba"]["reproducer"] == {
        "network": network,
        "raster": raster,
        "replay": f"rsnnctl verify '{network}' --session '{raster}'",
    }
    assert "reproducer" not in backends["other"]


def test_minimal_cases_go_where_they_are_asked_to_go(path, monkeypatch, tmp_path):
    plant(monkeypatch, late_recurrence)
    assert verify(path, "--steps", 200, "-o", tmp_path / "cases").exit_code == 1
    assert [name for name in files(path) if name != "cases"] == NAMES[:1]
    assert files(tmp_path / "cases" / "any") == NAMES[1:]


@pytest.mark.slow
def test_the_same_difference_gives_the_same_files(path, monkeypatch):
    plant(monkeypatch, late_recurrence)
    contents = []
    for _ in range(2):
        verify(path, "--steps", 200)
        contents.append([path.with_name(name).read_bytes() for name in NAMES])
    assert contents[0] == contents[1]


def test_the_report_is_printed_even_where_no_reproducer_can_be_written(path, monkeypatch):
    plant(monkeypatch, late_recurrence)
    taken = path.with_name(NAMES[1])
    taken.mkdir()
    result = verify(path, "--steps", 200)
    assert result.exit_code == 1
    assert "numba: first difference: step " in result.output
    expected = f"numba: reproducer: not made: {taken}: cannot be written: is a directory"
    assert expected in result.output.splitlines()


def test_a_difference_that_comes_and_goes_has_no_reproducer(path, monkeypatch):
    runs = []

    def flaky(network, raster):
        runs.append(network)
        return (late_recurrence if len(runs) == 1 else RIGHT)(network, raster)

    plant(monkeypatch, flaky)
    result = verify(path, "--steps", 200)
    assert result.exit_code == 1
    assert "numba: reproducer: not made: run once more, the backend does not" in result.output
    assert files(path) == NAMES[:1]


def test_a_golden_run_under_other_semantics_is_refused_everywhere(path, monkeypatch, run):
    """The reference computes something else than when the file was written."""
    right = reference.run
    monkeypatch.setattr(reference, "run", lambda network, raster: right(network, raster[::-1]))
    np.save("raster.npy", np.zeros((5, 30), np.uint8))
    for options in ((), ("--target", "host_c"), ("--target", "host_c", "--session", "raster.npy")):
        done = run("verify", path, *options)
        assert done.code == 1
        assert "the golden run in the file is not what this rsnnctl computes" in done.err
        assert done.err.endswith("quantize again\n")
