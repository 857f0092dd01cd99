"""A kind, a format and a target from outside the project: as files, or as an installed package.

They lie in `plugins/`. `conftest.py` offers the fixtures to all tests; what they need is imported
in them, since this file is loaded for every test.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = Path(__file__).parent / "plugins"
STRANGERS = {"leaky": "sim.kinds", "raw": "export.formats", "abacus": "hw_targets"}
ENTRIES = {
    "kinds": {"leaky": "leaky:KIND"},  # the module of a kind is called like it
    "formats": {"raw": "stranger_raw:FORMAT"},
    "targets": {"abacus": "stranger_abacus:TARGET"},
}


def install(folder: Path, **groups: dict[str, str]) -> None:
    """Make a folder look like that of an installed package: `group={name: value}`."""
    info = folder / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    lines = []
    for group, entries in groups.items():
        lines += [f"[rsnnctl.{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def as_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy each into a folder in which its kind of thing is looked for."""
    for name, package in STRANGERS.items():
        place = folder / name
        place.mkdir()
        shutil.copy(PLUGINS / f"{name}.py", place)
        path = [*import_module(package).__path__, str(place)]
        monkeypatch.setattr(f"{package}.__path__", path)


def as_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install all three."""
    make_package(folder)
    monkeypatch.syspath_prepend(folder)


def make_package(folder: Path) -> None:
    """Write what an installer would."""
    for entries in ENTRIES.values():
        for name, value in entries.items():
            shutil.copy(PLUGINS / f"{name}.py", folder / f"{value.partition(':')[0]}.py")
    install(folder, **ENTRIES)


@pytest.fixture(params=[as_files, as_package])
def added(request, tmp_path, monkeypatch) -> Iterator[Path]:
    """All three are there, in one way or the other; returns the folder."""
    yield from _placed(request.param, tmp_path, monkeypatch)


@pytest.fixture
def added_as_files(tmp_path, monkeypatch) -> Iterator[Path]:
    """All three are there, for tests to which it does not matter how; returns the folder."""
    yield from _placed(as_files, tmp_path, monkeypatch)


def _placed(place: Callable, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from rsnnctl.options import TARGET

    place(folder, monkeypatch)
    vars(TARGET).pop("choices", None)  # which it remembers
    yield folder
    vars(TARGET).pop("choices", None)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def python_with_package(tmp_path):
    """Call Python where all three are installed."""
    make_package(tmp_path)
    places = os.pathsep.join([str(tmp_path), str(ROOT)])

    def call(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": places},
        )

    return call
