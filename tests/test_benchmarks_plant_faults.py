"""Faults planted in a tiny tree: the tests' catches and gaps are found, the tree is left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
MODULE = '''"""Adds 2 + 2 = 4."""


def capped(count: int | None, most=3) -> int:
    """At most 3 < 4."""
    if count < 0:
        raise ValueError(f"{count + 1} is below 1" + "0")
    return count if count < most else most


def remaining(n):
    while n != 0:
        n -= 1
    return n
'''
SMALL = """def capped(count, most):
    return count if count < most else most


def remaining(n):
    while n != 0:
        n -= 1
    return n
"""
TESTS = """from pathlib import Path

import pytest

from base.count import capped, remaining


def test_broken_anyway():
    assert False


def test_shared_files_are_there():
    assert (Path(__file__).parents[2] / "shared" / "note").is_file()


def test_counts_are_capped():
    assert [capped(n, 3) for n in (0, 2, 3, 5)] == [0, 2, 3, 3]


@pytest.mark.slow
def test_nothing_remains():
    assert remaining(3) == 0
"""
TEMPLATE = """/* x * 2 < 3 */
#define A 1
static int32_t half(int32_t x, const int8_t *w, int32_t *y)
{
    *y = -x; // 1 + 1
    return (*w + x) >> 1u;
}
"""


def drawn(path: str, text: str) -> list[tuple[int, str, list[str]]]:
    """Line, token and choices of every token of a file that may be drawn."""
    code = (
        "import sys, json; from faults.tokens import faults_of\n"
        "tokens = faults_of(sys.argv[1], sys.argv[2])\n"
        "for fault in sum(tokens, []): fault.plant(sys.argv[2])\n"  # which finds each token
        "print(json.dumps([(t[0].line, t[0].before, [f.after for f in t]) for t in tokens]))"
    )
    command = [sys.executable, "-c", code, path, text]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=BENCHMARKS)
    return [tuple(token) for token in json.loads(done.stdout)]


def test_tokens_of_code_are_drawn_and_none_of_texts_annotations_and_errors():
    assert drawn("a.py", MODULE) == [
        (4, "3", ["4", "2"]),
        (6, "<", ["<="]),
        (6, "0", ["1", "-1"]),
        (8, "<", ["<="]),
        (12, "!=", ["=="]),
        (12, "0", ["1", "-1"]),
        (13, "-=", ["+="]),
        (13, "1", ["2", "0"]),
    ]


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("def f(a, *, b=-1): return b in a[::-1]", "-:+  1:2,0  in:not in  -:+  1:2,0"),
        ("x = abs(y) - np.abs(y) * abs(y, 0x1F)", "abs:  -:+  np.abs:  *:+  0x1F:32,30"),
        ("def f(n_a, n_b): return n_a is not n_b", "n_a:n_b  is:is not  not:  n_b:n_a"),
        ("def f(a): n_b; n_c = a; n_b = a; return n_c", "n_c:n_b"),
        ("layer.tau_mem, layer.tau_syn", "tau_mem:tau_syn  tau_syn:tau_mem"),
        ("x: int | None = min(1_000 // 1.5, True)", "min:max  1_000:1001,999  //:*  1.5:2.5,0.5"
         "  True:False"),
    ],
)  # fmt: skip
def test_a_token_becomes_its_like(line, tokens):
    found = [f"{before}:{','.join(after)}" for _, before, after in drawn("a.py", line)]
    assert "  ".join(found) == tokens


def test_a_token_is_replaced_in_its_place_and_refused_in_another():
    code = (
        "from faults.tokens import Fault\n"
        "print(Fault('a.py', 2, 5, '+', '**').plant('x\\ny - + z +\\nz'))\n"
        "Fault('a.py', 2, 3, '+', '-').plant('x\\ny - + z')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BENCHMARKS)
    assert done.stdout == "x\ny - ** z +\nz\n"
    assert done.stderr.endswith("ValueError: a.py:2: no `+` in column 3\n")


def test_tokens_of_c_are_drawn_but_not_pointers_and_macros():
    assert drawn("a.c", TEMPLATE) == [
        (3, "int32_t", ["int16_t"]),
        (3, "int32_t", ["int16_t"]),
        (3, "int32_t", ["int16_t"]),
        (5, "-", ["+"]),
        (6, "+", ["-"]),
        (6, ">>", ["<<"]),
        (6, "1u", ["2u", "0u"]),
    ]


def laid_out(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("path", "groups", "is_compiled_in"),
    [
        ("sim/fast/a.py", [["test_sim_fast"], ["test_other"], ["test_far"]], True),
        (
            "sim/b.py",
            [["test_sim_b", "test_sim_b_more"], ["test_sim_fast", "test_other"], ["test_far"]],
            True,
        ),
        ("sim/kinds/c.py", [["test_kinds"]], False),
        ("sim/c_code/part.c", [["test_far"]], False),
        ("sim/alone.py", [], False),
        ("sim/d.py", [["test_kinds"], ["test_sim_fast", "test_other"], ["test_far"]], True),
    ],
)
def test_tests_are_found_by_name_and_imports_nearest_first(path, groups, is_compiled_in, tmp_path):
    files = {
        "sim/fast/a.py": "from sim import b, d\nfrom numba import njit",
        "sim/b.py": "x = 1\nimport numba",
        "sim/d.py": "",
        "sim/kinds/__init__.py": "def kinds(): ...",
        "sim/kinds/c.py": "",
        "sim/c_code/part.c": "",
        "sim/write.py": "template('part.c')",
        "sim/alone.py": "",
        "tests/fixture.py": "import sim.fast.a, sim.write",
        "tests/test_far.py": "import fixture",
        "tests/test_sim_fast.py": "def f():\n    from sim.fast import a",
        "tests/test_other.py": 'import_module("sim.fast.a")',
        "tests/test_sim_b.py": "from sim.b import x\nfrom sim import b",
        "tests/test_sim_b_more.py": "import sim.b",
        "tests/test_kinds.py": "import sim.kinds, sim.d",
        "tests/test_docs.py": "import sim.b, sim.kinds",
    }
    code = (
        "import sys, json; from pathlib import Path; from faults.concerned import Concerned\n"
        "root, path, *paths = sys.argv[1:]; tests = Concerned(Path(root), paths)\n"
        "print(json.dumps([tests.groups(path), tests.is_compiled_in(path)]))"
    )
    command = [sys.executable, "-c", code, laid_out(tmp_path, files), path, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=BENCHMARKS)
    found, compiled = json.loads(done.stdout)
    assert [[Path(test).stem for test in group] for group in found] == groups
    assert compiled == is_compiled_in


def planted(tree: Path, *options: str) -> tuple[int, dict[tuple[int, str, str], dict]]:
    """The exit code, and each fault's outcome by line, token and what the token became."""
    command = [sys.executable, BENCHMARKS / "plant_faults.py", "--root", tree, *options]
    done = subprocess.run(
        [*map(str, command), "--json", str(tree / "found.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    rows = json.loads((tree / "found.json").read_text(encoding="utf-8"))
    assert done.stdout.count("\n| base/count.py:") == len(rows)
    return done.returncode, {(r["line"], r["before"], r["after"]): r for r in rows}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    configuration = "[pytest]\nmarkers = slow\n"
    files = {"base/count.py": SMALL, "tests/test_base_count.py": TESTS}
    laid_out(tmp_path / "shared", {"note": ""})
    tree = laid_out(tmp_path / "tree", files | {"pytest.ini": configuration})
    subprocess.run(["git", "init", "-q", tree], check=True)
    return tree


def test_what_cannot_be_planted_is_refused_in_one_line(tree: Path):
    moved = {"path": "base/count.py", "line": 1, "column": 1, "before": "<", "after": "<="}
    (tree / "old.json").write_text(json.dumps([moved | {"state": "survived"}]))
    for options, text in (
        (("--only", "sim"), "no token to draw in sim; name a .py, .c or .h file or a folder\n"),
        (("--again", "old.json"), "old.json: base/count.py:1: no `<` in column 1; the source has"),
    ):
        command = [sys.executable, BENCHMARKS / "plant_faults.py", "--root", ".", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(text)
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_catches_loops_and_survivors_are_told_apart_and_survivors_planted_again(tree: Path):
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    code, found = planted(tree, "--count", "100", "--test-limit", "4")
    assert code == 1
    assert before == {path: path.read_bytes() for path in tree.rglob("*.py")}
    remaining = "tests/test_base_count.py::test_nothing_remains"
    survivor = found.pop((2, "<", "<="))  # the cap is returned either way
    assert survivor["state"] == "survived"
    assert (survivor["passed"], survivor["is_complete"]) == (3, True)
    assert len(found) == 4
    assert (7, "-=", "+=") in found  # it never ends
    for outcome in found.values():
        assert (outcome["state"], outcome["test"]) == ("caught", remaining)
    code, second = planted(tree, "--again", str(tree / "found.json"))
    assert code == 1
    assert set(second) == {(2, "<", "<=")}


@pytest.mark.slow
def test_the_seed_decides_what_is_drawn_and_a_file_without_tests_is_not_run(tree: Path):
    (tree / "tests" / "test_base_count.py").write_text("def test_other():\n    pass\n")
    code, first = planted(tree, "--count", "2", "--seed", "3", "--only", "base")
    assert code == 0
    assert [row["state"] for row in first.values()] == ["not run", "not run"]
    assert list(planted(tree, "--count", "2", "--seed", "3")[1]) == list(first)
    assert list(planted(tree, "--count", "2", "--seed", "4")[1]) != list(first)
