"""Compiled code is cached in safe folders only, and everything runs where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from networks import random_network

from base import numba_cache
from base.numba_cache import can_cache
from sim.artifact import save_network

ROOT = Path(__file__).resolve().parents[1]
LINE = (
    "Compiled code is not kept, so every run takes longer to start: there is no folder for it that"
    " only you can write to; set NUMBA_CACHE_DIR to one\n"
)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A source file in a folder that nothing can be written to, of a user without a home."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", os.devnull)
    path = tmp_path / "installed" / "code.py"
    path.parent.mkdir()
    path.touch()
    (path.parent / "__pycache__").touch()  # a file, because root could write to any folder
    numba_cache._tell.cache_clear()
    return path


def test_the_folder_beside_the_source_is_used_where_it_can_be(source, capsys):
    (source.parent / "__pycache__").unlink()
    assert can_cache(str(source))
    assert not capsys.readouterr().err


def test_the_users_cache_is_used_where_there_is_one(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert can_cache(str(source))
    assert not capsys.readouterr().err


def test_without_any_folder_nothing_is_cached_and_one_line_says_so(source, capsys):
    assert not can_cache(str(source))
    assert not can_cache(str(source))
    assert capsys.readouterr().err == LINE


def test_the_users_own_choice_of_a_folder_is_taken(source, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "mine"))
    assert can_cache(str(source))


def test_folders_that_others_can_write_to_are_not_used(source, capsys):
    (source.parent / "__pycache__").unlink()
    (source.parent / "__pycache__").mkdir()
    (source.parent / "__pycache__").chmod(0o777)
    assert not can_cache(str(source))
    assert capsys.readouterr().err == LINE


def test_folders_of_others_are_not_used(source, monkeypatch):
    (source.parent / "__pycache__").unlink()
    real = Path.stat

    def of_another(path):
        found = list(real(path))
        found[4] += 1  # uid
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", of_another)
    assert not can_cache(str(source))


def test_a_folder_below_the_working_directory_is_not_used(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert not can_cache(str(source))


@pytest.mark.slow
def test_a_read_only_installation_without_a_home_verifies_networks(tmp_path):
    for name in ("base", "sim", "rsnn", "export", "rsnnctl", "hw_targets"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / "installed" / name, ignore=ignored)
    shutil.copy(ROOT / "cli.py", tmp_path / "installed")
    for folder in [p for p in (tmp_path / "installed").rglob("*") if p.is_dir()]:
        (folder / "__pycache__").touch()
    save_network(random_network(np.random.default_rng(1)), tmp_path / "n.int.h5")
    left_out = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    environment |= {"HOME": os.devnull, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-m", "rsnnctl", "verify", "n.int.h5", "--steps", "50"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "0 differences" in done.stdout
    assert done.stderr.count(LINE) == 1


def test_nothing_is_cached_without_asking():
    for folder in ("base", "sim", "rsnn", "export", "hw_targets", "rsnnctl"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "cache=True" not in path.read_text(encoding="utf-8"), path
