"""The counting shim: how it is built, told where to strike, and what its log says."""

import errno
import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_GO, _BEFORE, _HALF, _AFTER, _FAIL, _FULL = range(6)
_STRIKES = {"before": _BEFORE, "half": _HALF, "after": _AFTER, "fail": _FAIL, "full": _FULL}
KINDS = {
    "o": "open",
    "w": "write",
    "t": "truncate",
    "s": "fsync",
    "m": "rename",
    "u": "unlink",
    "r": "rmdir",
    "d": "mkdir",
    "l": "symlink",
    "h": "link",
}


@dataclass(frozen=True)
class Strike:
    """What is done to a process, and at which of its changes to files.

    Attributes:
        at: number of the change, from 1; 0 for none.
        when: `before`, `half` (in the middle of a write) or `after` it for a signal; `fail` once,
            or `full`, that change and all later ones that need room.
        number: the signal, or the errno.
    """

    at: int = 0
    when: str = "before"
    number: int = signal.SIGKILL

    def plan(self, folder: Path, log: Path | None) -> str:
        """As text for the environment variable HARM_PLAN."""
        return f"{self.at}:{_STRIKES[self.when]}:{self.number}:{log or '-'}:{folder}"

    def arguments(self) -> tuple[int, int, int]:
        """For the shim's `harm_arm`."""
        return self.at, _STRIKES[self.when], self.number

    def __str__(self) -> str:
        name = (
            errno.errorcode[self.number]
            if self.when in ("fail", "full")
            else signal.Signals(self.number).name
        )
        return f"{name} {self.when} {self.at}"


@dataclass(frozen=True)
class Change:
    """One change to files: its kind (of `KINDS`), paths, place (or flags) and bytes."""

    kind: str
    path: str
    other: str
    place: int
    data: bytes

    @property
    def what(self) -> str:
        return KINDS[self.kind]


def build(folder: Path) -> Path:
    """Compile the shim into a folder; return the library."""
    library = folder / "shim.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", library, SOURCE]
    subprocess.run(command, check=True, capture_output=True)
    return library


def read_log(path: Path) -> list[Change]:
    """The changes that a process has logged, in order."""
    head = struct.Struct("=5q")
    data, place, found = path.read_bytes(), 0, []
    while place + head.size <= len(data):
        kind, where, *sizes = head.unpack_from(data, place)
        place += head.size
        parts = []
        for size in sizes:
            parts.append(data[place : place + size])
            place += size
        path_, other = (part.decode(errors="surrogateescape") for part in parts[:2])
        found.append(Change(chr(kind), path_.replace("/./", "/"), other, where, parts[2]))
    return found
