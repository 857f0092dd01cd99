"""Which tests concern a file: those named after it, then those that import it, nearest first."""

import ast
import re
from collections import defaultdict
from itertools import takewhile
from pathlib import Path

LEFT_OUT = re.compile(r"test_(docs|architecture|benchmarks)")
"""Tests that compare texts would find any fault by its letters alone."""


class Concerned:
    """The import graph of a tree, and its tests."""

    def __init__(self, root: Path, paths: list[str]) -> None:
        """Read the imports of all modules among `paths`, which are relative to `root`."""
        self.texts = {p: (root / p).read_text(encoding="utf-8") for p in paths if p[-3:] == ".py"}
        modules = {_module(path): path for path in self.texts}
        self.importers: dict[str, set[str]] = defaultdict(set)
        for path, text in self.texts.items():
            for name in _imported(path, text):
                if name in modules:
                    self.importers[modules[name]].add(path)
        for path, text in self.texts.items():  # a package that lists its files imports them
            if path.endswith("/__init__.py") and "def " in text:
                folder = path.removesuffix("__init__.py")
                for other in self.texts:
                    if other.rpartition("/")[0] + "/" == folder and other != path:
                        self.importers[other].add(path)

    def groups(self, path: str) -> list[list[str]]:
        """Test files in groups: those named after `path`, then one import away, two, and so on.

        Where none is named after the file, those named after its folder. In a group, those whose
        names are most like the path come first.
        """
        far = self._distances(path)
        tests = [p for p in sorted(far) if Path(p).name.startswith("test_")]
        tests = [test for test in tests if not LEFT_OUT.match(Path(test).name)]
        file, folder = Path(path).with_suffix(""), Path(path).parent
        named = [t for t in tests if _is_named_after(t, file)]
        if not named and len(folder.parts) > 1:
            named = [t for t in tests if _is_named_after(t, folder)]
        groups: dict[int, list[str]] = defaultdict(list)
        for test in tests:
            groups[0 if test in named else far[test]].append(test)
        return [sorted(groups[far], key=lambda t: -_alike(t, file)) for far in sorted(groups)]

    def is_compiled_in(self, path: str) -> bool:
        """Whether compiled code may hold constants or functions of a file, so not be from before.

        Numba caches a function by the date of its own file alone.
        """
        files = {path, *self.importers[path]} & set(self.texts)
        return any(re.search(r"^(from|import) numba", self.texts[p], re.M) for p in files)

    def _distances(self, path: str) -> dict[str, int]:
        far, reached, distance = {path: 0}, [path], 0
        while reached:
            distance += 1
            nearer = {importer for p in reached for importer in self._users(p)}
            reached = sorted(nearer - set(far))
            far |= dict.fromkeys(reached, distance)
        return far

    def _users(self, path: str) -> set[str]:
        """What imports a module; of a template, the modules of its package that name it."""
        if path.endswith(".py"):
            return self.importers[path]
        package, word = path.split("/")[0] + "/", rf"\b{re.escape(Path(path).stem)}\b"
        ours = {p: text for p, text in self.texts.items() if p.startswith(package)}
        named = {p for p, text in ours.items() if re.search(word, text)}
        return named or {p for p, text in ours.items() if Path(path).parent.name in text}


def _is_named_after(test: str, path: Path) -> bool:
    return _alike(test, path) == len(_words(path))


def _alike(test: str, path: Path) -> int:
    """How many words the name of a test has in common with a path, from the first on."""
    pairs = zip(Path(test).stem.removeprefix("test_").split("_"), _words(path), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _words(path: Path) -> list[str]:
    return path.as_posix().removesuffix("/__init__").replace("/", "_").split("_")


def _module(path: str) -> str:
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name.removeprefix("tests.")


def _imported(path: str, text: str) -> set[str]:
    names = set(re.findall(r"import_module\(\"([\w.]+)\"", text))
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names
