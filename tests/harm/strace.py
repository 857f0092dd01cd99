"""One failing system call of the real command line, injected by strace.

Where strace is missing or may trace nothing, the preloaded shim takes its place.
"""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from harm.warm import QUIET, ROOT, Ended

CALLS = ("openat", "write", "pwrite64", "ftruncate", "fsync", "rename", "mkdir", "symlink")
_LINE = re.compile(r"(\d+) +(\w+)\(")


@dataclass(frozen=True)
class Call:
    """One call of a process that changes files: its name, its number among those, its words."""

    name: str
    number: int
    words: str


@cache
def may_trace() -> bool:
    """Whether strace is here and the system lets it trace."""
    if shutil.which("strace") is None:
        return False
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return done.returncode == 0


def calls(words: Sequence[object], root: Path, log: Path) -> list[Call]:
    """The calls of the command's main thread that change files below a folder."""
    done = _traced(words, root, log, [f"trace={','.join(CALLS)}"])
    assert done.code == 0, done.err
    return list(_changing(log.read_text(errors="replace").splitlines(), root))


def run_failing(
    words: Sequence[object], root: Path, log: Path, call: Call, random: Random
) -> tuple[Ended, str]:
    """Run the command with one failing call; return also strace's line of it, empty if none."""
    number = random.choice((errno.ENOSPC, errno.EIO))
    inject = f"{call.name}:error={errno.errorcode[number]}:when={call.number}"
    done = _traced(words, root, log, [f"trace={','.join(CALLS)}", f"inject={inject}"])
    hit = [line for line in log.read_text(errors="replace").splitlines() if "(INJECTED)" in line]
    return done, hit[0] if hit else ""


def _changing(lines: list[str], root: Path) -> Iterator[Call]:
    numbers: Counter[str] = Counter()
    main = _LINE.match(lines[0])
    for line in lines:
        found = _LINE.match(line)
        if found is None or main is None or found[1] != main[1]:
            continue
        numbers[found[2]] += 1
        if " = -1 " not in line and _is_change(found[2], line, root):
            yield Call(found[2], numbers[found[2]], line)


def _is_change(name: str, line: str, root: Path) -> bool:
    if name in ("rename", "mkdir", "symlink"):
        return '("/' not in line or f'"{root}/' in line
    reads = name == "openat" and not re.search("O_WRONLY|O_RDWR|O_CREAT", line)
    return f"<{root}/" in line and not reads


def _traced(words: Sequence[object], root: Path, log: Path, expressions: list[str]) -> Ended:
    options = [option for expression in expressions for option in ("-e", expression)]
    command = ["strace", "-f", "-y", "-o", str(log), *options]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, sys.executable, "-m", "rsnnctl", *map(str, words)],
        cwd=root,
        env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240.0,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)
