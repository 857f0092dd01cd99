"""The shape of the project: who may import whom, how long a file may be, what loads when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("rsnnctl", "rsnn", "sim", "export", "hw_targets")
GROUND = {"errors", "files", "metrics", "provenance", "runs", "show"}  # of rsnnctl
MAY_IMPORT = {
    "rsnn": {"rsnn", "rsnnctl"},
    "sim": {"sim", "rsnnctl"},
    "export": {"export", "rsnn", "sim", "rsnnctl"},
    "hw_targets": {"hw_targets", "export", "sim", "rsnnctl"},
    "rsnnctl": {"rsnnctl"},
    "rsnnctl.commands": {"rsnnctl", "hw_targets", "export", "rsnn", "sim"},
    "rsnnctl.steps": {"rsnnctl", "hw_targets", "export", "rsnn", "sim"},
}


def sources() -> list[Path]:
    return [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return names


def test_the_arrows_point_one_way():
    for path in sources():
        package = ".".join(path.relative_to(ROOT).parts[:-1])
        package = package if package in MAY_IMPORT else package.split(".")[0]
        own = {name for name in imported(path) if name.split(".")[0] in (*PACKAGES, "cli")}
        for name in own:
            assert name.split(".")[0] in MAY_IMPORT[package], f"{path} imports {name}"
            if name.startswith("rsnnctl.steps"):
                above = ("rsnnctl.steps", "rsnnctl.commands")
                assert package in above, f"{path} imports {name}; only commands may"
            elif name.startswith("rsnnctl.commands"):
                assert package == "rsnnctl.commands", f"{path} imports {name}; only cli.py may"
            elif name.startswith("rsnnctl."):
                assert name.split(".")[1] in GROUND, f"{path} imports {name}"


def test_torch_lives_in_rsnn_and_in_what_makes_networks_of_its_models():
    allowed = {
        "export/quantize.py",
        "export/qat.py",
        "export/quantization/straight.py",
        "rsnnctl/steps",
    }
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("rsnn/") or any(name.startswith(a) for a in allowed):
            continue
        assert not any(n.split(".")[0] == "torch" for n in imported(path)), name


def test_no_file_is_longer_than_400_lines_and_none_is_a_drawer():
    for path in [*sources(), ROOT / "cli.py", *sorted((ROOT / "tests").glob("*.py"))]:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= 400, f"{path}: {lines} lines"
        assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_every_module_and_public_name_says_what_it_is_for():
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) or not tree.body, f"{path}: no docstring"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"


def run_python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("blocked", ["torch"])
def test_the_integer_world_and_recordings_import_without_torch(blocked):
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources()
        if path.parts[-2] in ("sim", "data", "hw_targets") and path.stem != "__init__"
    ]
    assert len(modules) > 10
    code = f"import sys; sys.modules[{blocked!r}] = None\n"
    code += "\n".join(f"import {name}" for name in [*modules, "export.nir", "rsnnctl.steps.verify"])
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_help_loads_neither_torch_nor_numba_nor_numpy():
    code = (
        "import sys, cli\n"
        "try: cli.rsnnctl(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numba', 'numpy', 'h5py', 'rich'} & set(sys.modules)))"
    )
    done = run_python(code)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_the_golden_files_stay_small():
    golden = ROOT / "tests" / "golden"
    files = list(golden.glob("*")) if golden.exists() else []
    assert len(files) <= 10
    assert sum(path.stat().st_size for path in files) < 100_000
