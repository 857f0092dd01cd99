"""Fixtures that call `rsnnctl` as the installed command does; `conftest.py` offers them to all.

Their imports are local, since this file is loaded for every test.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import cli


@dataclass
class Done:
    code: int
    out: str
    err: str


def leaves(group: click.Group, before: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command below a group, by the words that call it."""
    found = {}
    for name, command in group.commands.items():
        words = (*before, name)
        inner = isinstance(command, click.Group)
        found |= leaves(command, words) if inner else {" ".join(words): command}
    return found


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call `rsnnctl` in an empty folder, as the installed command does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments) -> Done:
        monkeypatch.setattr(sys, "argv", ["rsnnctl", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    from rsnn.data.synthetic import synthesize

    path = tmp_path_factory.mktemp("session") / "short.mat"
    synthesize(path, minutes=1.0, seed=3)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    import torch

    from rsnn.checkpoint import save_model
    from rsnn.model import RSNN, tiny

    path = tmp_path_factory.mktemp("model") / "tiny.rsnn.h5"
    float_model = RSNN(tiny(96))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in float_model.connections().values():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
    save_model(float_model, path, {})
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    import numpy as np
    from networks import random_network

    from sim.artifact import save_network

    path = tmp_path_factory.mktemp("network") / "small.int.h5"
    save_network(random_network(np.random.default_rng(0), n_inputs=96, hidden=(16,)), path)
    return path
