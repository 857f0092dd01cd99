"""Power cuts, by the recorded order of changes: what a disk may hold after each.

The model is POSIX's: bytes are on the disk once their file was synced, names once their folder was,
and both may be there earlier, names in any order. So after every change there are these disks:

- `kept`: all of it, as after a kill;
- `names`: all names, but only synced bytes;
- `bytes`: only synced names and bytes;
- one for each name not yet synced, as if it alone had reached the disk.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harm.judge import Plain, Tree, is_temporary, without_place
from harm.shim import Change

_ALONE = 6  # of the names not synced, the newest


@dataclass
class Disk:
    """Files by number, their bytes in memory and on the disk, and the names of both."""

    names: dict[str, int] = field(default_factory=dict)
    synced_names: dict[str, int] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    synced: dict[int, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)  # folders: new name, not synced, and old

    @classmethod
    def of(cls, tree: Tree) -> "Disk":
        """A disk on which everything is synced."""
        numbers = dict(zip(tree, range(len(tree)), strict=True))
        data = {numbers[name]: content for name, content in tree.items()}
        return cls(dict(numbers), dict(numbers), dict(data), dict(data))

    def apply(self, change: Change, root: Path) -> None:
        """Follow one change."""
        name = os.path.relpath(change.path, root)
        match change.what:
            case "open":
                if name not in self.names:
                    self._make(name, b"")
                elif change.place & os.O_TRUNC:
                    self.data[self.names[name]] = b""
            case "write":
                number, end = self.names.get(name), change.place + len(change.data)
                if number is not None:
                    old = self.data[number].ljust(change.place, b"\0")
                    self.data[number] = old[: change.place] + change.data + old[end:]
            case "truncate":
                number = self.names[name]
                self.data[number] = self.data[number][: change.place].ljust(change.place, b"\0")
            case "fsync":
                if name in self.names:
                    self.synced[self.names[name]] = self.data[self.names[name]]
                else:
                    self._sync_folder("" if name == "." else name)
            case "rename":
                target = os.path.relpath(change.other, root)
                if name in self.names:
                    self.names[target] = self.names.pop(name)
                elif _move_folder(self.names, name, target):
                    self.moved[target] = name
            case "unlink":
                self.names.pop(name, None)
            case "symlink":
                self._make(name, b"-> " + os.fsencode(change.other))
                self.synced[self.names[name]] = self.data[self.names[name]]
            case "link":
                self.names[os.path.relpath(change.other, root)] = self.names[name]

    def images(self) -> Iterator[tuple[str, Tree]]:
        """What may be found after a cut, by the name of the case."""
        durable = {number: self.synced.get(number, b"") for number in self.data}
        yield "kept", {name: self.data[number] for name, number in self.names.items()}
        yield "names", {name: durable[number] for name, number in self.names.items()}
        synced = {name: durable[number] for name, number in self.synced_names.items()}
        yield "bytes", synced
        changed = [
            name for name, number in self.names.items() if self.synced_names.get(name) != number
        ]
        for name in changed[-_ALONE:]:
            yield f"alone {name}", synced | {name: durable[self.names[name]]}

    def _make(self, name: str, content: bytes) -> None:
        number = len(self.data)
        self.names[name], self.data[number] = number, content

    def _sync_folder(self, folder: str) -> None:
        for target in [t for t in self.moved if os.path.dirname(t) == folder]:
            _move_folder(self.synced_names, self.moved.pop(target), target)
        for names in (self.synced_names, self.names):
            for name in [n for n in names if os.path.dirname(n) == folder]:
                if name in self.names:
                    self.synced_names[name] = self.names[name]
                else:
                    self.synced_names.pop(name, None)


def _move_folder(names: dict[str, int], source: str, target: str) -> bool:
    """Give the files below a folder their new names; whether that was done.

    It is refused by a folder of that name that is not empty.
    """
    if any(name.startswith(f"{target}/") for name in names):
        return False
    inside = [name for name in names if name.startswith(f"{source}/")]
    for name in inside:
        names[target + name.removeprefix(source)] = names.pop(name)
    return bool(inside)


@dataclass
class Cut:
    """A cut that does harm: after which change, which disk, and the files torn and lost."""

    after: int
    disk: str
    torn: list[str]
    lost: list[str]


def cuts(plain: Plain) -> Iterator[Cut]:
    """Every disk after every change of a run that holds a torn file or lacks an old one."""
    disk, root = Disk.of(plain.before), plain.root
    for number, change in enumerate(plain.changes, 1):
        disk.apply(change, root)
        if change.what in ("write", "mkdir"):
            continue  # a later change shows as much
        for name, image in disk.images():
            torn = [
                path
                for path, data in image.items()
                if not is_temporary(path)
                and without_place(path, data, root) not in plain.known.get(path, ())
            ]
            lost = plain.lost(
                {path: without_place(path, data, root) for path, data in image.items()}
            )
            if torn or lost:
                yield Cut(number, name, torn, lost)


def not_durable(plain: Plain) -> list[str]:
    """Files that a cut right after the end of the command may take back or keep."""
    disk, root = Disk.of(plain.before), plain.root
    for change in plain.changes:
        disk.apply(change, root)
    found = dict(disk.images())["bytes"]
    return sorted(
        name
        for name, data in plain.after.items()
        if without_place(name, found.get(name, b""), root) != data
    )
