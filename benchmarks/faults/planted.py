"""A copy of the tree in which a fault is planted, and the tests that run there until one fails."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from faults.concerned import Concerned
from faults.tokens import Fault

HERE = Path(__file__).resolve().parent
IMPORTS = "the imports of the tests"
WITHOUT_FAULT, WITH_FAULT = "compiled", "compiled_with_fault"  # what Numba keeps on disk
PASSED, NONE_SELECTED = 0, 5  # exit codes of pytest


@dataclass(frozen=True)
class Limits:
    """Seconds for all tests of a fault, seconds for one test, and bytes of memory."""

    seconds: float
    test_seconds: float
    memory: int


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: `caught` by a test, or `survived` or `not run`.

    `passed` tests passed before; they are all that concern the file where `is_complete`.
    """

    state: str
    test: str = ""
    passed: int = 0
    is_complete: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class _Ran:
    """One run of pytest: its first failure, and how many tests had ended."""

    failure: str | None
    passed: int
    is_finished: bool


class Copy:
    """A copy of a tree, never the tree itself, in which faults are planted one after the other."""

    def __init__(self, root: Path, folder: Path, limits: Limits) -> None:
        """Copy what git knows of `root` or would add, into `folder`, with a link to `shared`."""
        self.folder, self.limits, self.tree = folder, limits, folder / "main"
        self.paths = _files(root)
        for path in self.paths:
            (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, self.tree / path)
        if (root.parent / "shared").is_dir():
            (folder / "shared").symlink_to((root.parent / "shared").resolve())
        self.concerned = Concerned(self.tree, self.paths)
        self.passes: dict[str, bool] = {}  # without a fault
        self.n_planted = 0

    def outcome(self, fault: Fault) -> Outcome:
        """Plant a fault and run tests, the nearest and quickest first, until one fails."""
        begin = time.monotonic()
        self.n_planted += 1
        shutil.rmtree(self.folder / WITH_FAULT, ignore_errors=True)
        found = self._tried(fault, begin + self.limits.seconds)
        return replace(found, seconds=time.monotonic() - begin)

    def _tried(self, fault: Fault, end: float) -> Outcome:
        groups, passed = self.concerned.groups(fault.path), 0
        order = [(far + 1.5 * slow, slow, far) for far in range(len(groups)) for slow in (0, 1)]
        for _, slow, far in sorted(order):
            words = [*groups[far], "-m", "slow" if slow else "not slow"]
            while True:
                with self._planted(fault) as cache:
                    ran = self._run(words, max(0.0, end - time.monotonic()), cache)
                passed += ran.passed
                if ran.failure is None:
                    break
                if self._passes_without(ran.failure, groups[far]):
                    return Outcome("caught", ran.failure, passed)
                if "::" not in ran.failure:  # cannot be left out alone
                    break
                words += [f"--deselect={ran.failure}"]
            if not ran.is_finished:
                return Outcome("survived" if passed else "not run", "", passed)
        return Outcome("survived" if passed else "not run", "", passed, is_complete=True)

    @contextmanager
    def _planted(self, fault: Fault) -> Iterator[Path]:
        """The fault in its file, and the folder for what Numba compiles meanwhile."""
        path = self.tree / fault.path
        text, date = path.read_text(encoding="utf-8"), path.stat().st_mtime
        fresh = self.concerned.is_compiled_in(fault.path)
        cache = self.folder / (WITH_FAULT if fresh else WITHOUT_FAULT)
        path.write_text(fault.plant(text), encoding="utf-8")
        os.utime(path, (date, date + 10 * self.n_planted))  # caches on disk go by the date
        try:
            yield cache
        finally:
            path.write_text(text, encoding="utf-8")
            os.utime(path, (date, date))

    def _passes_without(self, test: str, group: list[str]) -> bool:
        if test not in self.passes:
            words = [test] if "::" in test else [*group, "--collect-only"]
            ran = self._run(words, 2 * self.limits.test_seconds, self.folder / WITHOUT_FAULT)
            self.passes[test] = ran.is_finished and ran.failure is None
        return self.passes[test]

    def _run(self, words: list[str], seconds: float, cache: Path) -> _Ran:
        """Run pytest until the first failure, or until the time is over."""
        notes = self.folder / "notes"
        notes.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "watch_tests", f"--basetemp={self.folder / 'tmp'}", *words]
        command += ["--hypothesis-seed=0"] if find_spec("hypothesis") else []
        environment = os.environ | {
            "PYTHONPATH": f"{self.tree}{os.pathsep}{HERE}",
            "NUMBA_CACHE_DIR": str(cache),
            "TMPDIR": str(self.folder),
            "FAULT_NOTES": str(notes),
            "FAULT_SECONDS": str(self.limits.test_seconds),
            "FAULT_BYTES": str(self.limits.memory),
        }
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                code: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what its tests have started
                process.wait()
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        said = [line.partition(" ")[::2] for line in lines]
        failed = [name for word, name in said if word == "fail"]
        begun = [name for word, name in said if word == "begin"]
        ended = sum(word == "end" for word, _ in said)
        if not failed and (code is None or code in {PASSED, NONE_SELECTED}):
            return _Ran(None, ended, code is not None)
        return _Ran([IMPORTS, *begun, *failed][-1], ended - bool(failed), True)


def _files(root: Path) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return sorted(path for path in set(done.stdout.split("\0")) if (root / path).is_file())
