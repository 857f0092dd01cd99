"""The stack of exported C: what a call takes at most, and no function that calls itself."""

import subprocess
from importlib import import_module

import numpy as np
import pytest
from networks import adaptive, random_network
from tools import need

from base.errors import ToolError
from export.firmware.code import layouts
from hw_targets.machines.stack import GRAPH, deepest

MOST = {"cortex_m0plus": 900, "cortex_m4": 300, "rv32imc": 300}
C = """
void other(int *words);
int leaf(int x);
__attribute__((noinline)) int leaf(int x)
{
    int words[100];
    other(words);
    return words[x];
}
int middle(int x);
int middle(int x)
{
    int words[50];
    other(words);
    return leaf(x) + words[x];
}
int alone(int x);
int alone(int x)
{
    int words[140];
    other(words);
    return words[x];
}
"""


def graph_of(text, folder, *flags):
    need("cc", "gcc")
    (folder / "a.c").write_text(text)
    words = ["cc", "-O1", *flags, *GRAPH, "-c", "a.c", "-o", "a.o"]
    subprocess.run(words, cwd=folder, check=True)
    return (folder / "a.ci").read_text()


def test_the_deepest_path_of_calls_counts(tmp_path):
    """600 bytes through two functions, 560 in the third; and what frames need besides."""
    found = deepest(graph_of(C, tmp_path))
    assert 600 <= found <= 600 + 64
    assert 560 <= deepest(graph_of(C.replace("leaf(x) +", "0 +"), tmp_path)) <= 560 + 64
    assert deepest("") == 0


def test_recursion_and_frames_without_a_bound_are_refused(tmp_path):
    text = "int f(int x);\nint g(int x);\nint f(int x)\n{\n    return x ? g(x - 1) + 1 : 0;\n}\n"
    text += "int g(int x)\n{\n    return x ? f(x - 2) * 3 : 1;\n}\n"
    with pytest.raises(ToolError, match=r"^[fg] calls itself, so its stack has no bound$"):
        deepest(graph_of(text, tmp_path, "-fno-inline", "-fno-optimize-sibling-calls"))
    text = "void g(int *a);\nint f(int n);\nint f(int n)\n{\n    int a[n];\n    g(a);\n"
    text += "    return a[0];\n}\n"
    with pytest.raises(ToolError, match="the frame of f varies in size"):
        deepest(graph_of(text, tmp_path))


def networks():
    rng = np.random.default_rng(1)
    small = random_network(rng, hidden=(6, 5))
    large = random_network(rng, n_inputs=200, hidden=(150, 90), n_heads=3)
    return {"small": small, "large": large, "generated": adaptive(rng, small)}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOST)
def test_a_step_takes_little_stack_whatever_the_network_is(name, tmp_path):
    """A bit per input, and frames; on M0+ the compiler keeps many addresses of layers there."""
    machine = import_module(f"hw_targets.{name}").MACHINE
    need(machine.compiler, machine.packages[machine.compiler])
    for which, network in networks().items():
        for layout in layouts(network):
            folder = tmp_path / f"{which}{layout}"
            found = machine.measure(network, folder, layout).stack
            assert 40 < found < MOST[name] + network.n_inputs // 8, (which, layout)
