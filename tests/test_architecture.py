"""The shape of the project: which package imports which, how long a file is, what loads when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("base", "sim", "rsnn", "export", "hw_targets", "rsnnctl", "cli")
"""From the ground up: a module imports from its own floor and from those below it."""
WITHOUT_TORCH = (
    "base",
    "sim",
    "export/formats",
    "export/nir",
    "export/onnx",
    "export/firmware",
    "hw_targets",
    "rsnn/first_spike",
)
ONE_OF_A_KIND = {"commands", "hw_targets", "formats", "kinds", "templates", "tests"}
"""Folders that may hold any number of files, because each is one of a kind."""


def sources() -> list[Path]:
    below = [path for name in FLOORS for path in sorted((ROOT / name).rglob("*.py"))]
    return [*below, ROOT / "cli.py"]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.slow
def test_all_arrows_point_down():
    for path in sources():
        own = FLOORS.index(module_of(path).split(".")[0])
        for name in imported(path):
            floor = name.split(".")[0]
            if floor in FLOORS:
                assert FLOORS.index(floor) <= own, f"{path} imports {name}, which is above it"


@pytest.mark.slow
def test_no_two_folders_of_a_package_import_each_other():
    arrows = {}
    names = {module_of(path) for path in sources()}
    for path in sources():
        folder = path.parent.relative_to(ROOT)
        for name in imported(path) & names:
            target = ROOT / name.replace(".", "/")
            below = (target if target.is_dir() else target.parent).relative_to(ROOT)
            if below != folder:
                arrows.setdefault(folder, set()).add(below)
    circles = [
        (str(a), str(b))
        for a, targets in arrows.items()
        for b in targets
        if a in arrows.get(b, ()) and a not in b.parents and b not in a.parents
    ]
    assert not circles


@pytest.mark.slow
def test_torch_is_needed_above_the_integer_world_only():
    modules = [module_of(p) for p in sources() if p.is_relative_to(ROOT) and _torchless(p)]
    assert len(modules) > 40
    code = "import sys; sys.modules['torch'] = None\n"
    code += "\n".join(f"import {name}" for name in modules)
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def _torchless(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / name) for name in WITHOUT_TORCH)


def test_no_file_is_longer_than_400_lines_and_none_is_a_drawer():
    for path in [*sources(), *sorted((ROOT / "tests").glob("*.py"))]:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 400, f"{path}: {lines} lines"
        assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_no_folder_holds_more_files_than_can_be_read_at_a_glance():
    for folder in {path.parent for path in sources()} - {ROOT}:
        files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        if folder.name not in ONE_OF_A_KIND:
            assert len(files) <= 15, f"{folder}: {len(files)} files: {sorted(files)}"


def test_every_module_and_public_name_says_what_it_is_for():
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or not tree.body, f"{path}: no docstring"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"


def run_python(code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("words", [["--help"], []])
def test_help_loads_neither_torch_nor_numba_nor_numpy(words):
    code = (
        "import sys, cli\n"
        f"try: cli.rsnnctl({words!r})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numba', 'numpy', 'h5py', 'rich', 'onnx'} & set(sys.modules)))"
    )
    done = run_python(code)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


@pytest.mark.slow
def test_no_test_imports_another():
    """What two of them share is a file of its own, named after its idea."""
    for path in (ROOT / "tests").glob("*.py"):
        others = [name for name in imported(path) if name.split(".")[0].startswith("test_")]
        assert not others, f"{path} imports {others}"


@pytest.mark.slow
def test_collecting_tests_of_the_integer_world_leaves_torch_out():
    code = (
        "import sys, pytest\n"
        "words = '--collect-only -q -p no:cacheprovider tests/test_sim_trace.py'\n"
        "code = pytest.main(words.split())\n"
        "print(int(code), 'torch' in sys.modules)"
    )
    done = run_python(code)
    assert done.stdout.endswith("\n0 False\n"), done.stdout + done.stderr


def test_the_golden_files_stay_small():
    golden = ROOT / "tests" / "golden"
    files = list(golden.glob("*")) if golden.exists() else []
    assert len(files) <= 10
    assert sum(path.stat().st_size for path in files) < 100_000


@pytest.mark.slow
def test_no_layer_is_asked_for_its_class_outside_the_file_of_its_kind():
    kinds = {
        node.name
        for path in sorted((ROOT / "sim" / "kinds").glob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    assert "CubaLIF" in kinds
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                asked = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
                assert not asked & kinds, f"{path}:{node.lineno}"
