"""MISRA C:2012 in exported C, by cppcheck's addon: docs/misra.md has every rule that is broken."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import random_network
from tools import need

from export.firmware.code import layouts
from export.firmware.decoder import export_c
from sim.conformance.cases import cases
from sim.contract import PAPER

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "misra.md").read_text(encoding="utf-8")
KIT = {case.name: case.network for case in cases()}
MANDATORY = {"9.1", "12.5", "13.6", "17.3", "17.4", "17.6", "19.1", "21.13", "21.17", "22.5"}


def deviations():
    """The category of each rule that the page lists."""
    rows = re.findall(r"^\| ([\d.]+) \| (\w+) \| \S.*\|$", PAGE, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return dict(rows)


def broken(path, *flags):
    """The rules that a source breaks, as the addon says."""
    words = ("--addon=misra", "--std=c99", "--enable=style", "--quiet", "--template={id}")
    done = subprocess.run(
        ["cppcheck", *words, *flags, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^misra-c2012-([\d.]+)$", done.stderr, re.MULTILINE))


def networks():
    """Every form of rows and every way to take inputs, hand-written and generated."""
    rng = np.random.default_rng(1)
    wide = replace(PAPER, weight_bits=16, decay_frac=16, syn_bits=20, overflow_syn="wrap")
    packed = replace(PAPER, weight_bits=4, mem_bits=14)
    return [
        random_network(rng, hidden=(9, 5), n_heads=2),
        random_network(rng, wide, hidden=(6,), sparsity=0.5),
        random_network(rng, packed, hidden=(40,), sparsity=0.95),
        *(KIT[name] for name in ("bias-saturate", "order-5", "narrowest-floor", "contract-3")),
        *(KIT[name] for name in ("adaptive-cuba-lif-1", "inputs-cuba-lif-s8", "first-spike-1")),
    ]


@pytest.mark.slow
def test_no_rule_is_broken_but_those_that_the_page_lists(tmp_path):
    need("cppcheck", "cppcheck")
    found = set()
    for i, network in enumerate(networks()):
        for layout in layouts(network):
            path = export_c(network, tmp_path / f"{i}{layout}", layout=layout)[1]
            own = broken(path, "-DRSNN_CHECKED" if i % 2 else "-DPLAIN")
            assert own, "the addon says nothing: it did not run"
            assert own <= set(deviations()), (i, layout, own - set(deviations()))
            found |= own
    assert found == set(deviations()), "rules that nothing breaks any more"
    assert not found & MANDATORY


def test_the_addon_notices_a_rule_that_is_broken(tmp_path):
    need("cppcheck", "cppcheck")
    path = export_c(networks()[0], tmp_path)[1]
    path.write_text(
        path.read_text() + "\nint jump(int x)\n{\n    goto end;\nend:\n    return x;\n}\n"
    )
    assert "15.1" in broken(path) - set(deviations())
