"""What became of the files: whole, old or new, torn, lost, left over; and what comes next works."""

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from base.ownership import MANIFEST
from harm.commands import SHORT, Folders, Writing
from harm.shim import Change, Strike
from harm.warm import Ended, Warm

Tree = dict[str, bytes]
_STAGES = "/stages/"


def tree(root: Path) -> Tree:
    """Every file and link below a folder, by path; texts without the folder's own path."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = b"-> " + os.fsencode(os.readlink(path))
        elif path.is_file():
            found[name] = without_place(name, path.read_bytes(), root)
    return found


def without_place(name: str, data: bytes, root: Path) -> bytes:
    """A text without the path of the folder, on which the checksum of a run.json depends."""
    if name.endswith((".json", ".toml")):
        data = data.replace(bytes(root), b"ROOT")
    if name.endswith("run.json"):
        data = re.sub(rb'"sha256": "[0-9a-f]{64}"', b'"sha256": "of this"', data)
    return data


def is_temporary(name: str) -> bool:
    """Whether a file, or a folder of it, is one that a write in progress uses."""
    return any(part.startswith(".") and part != MANIFEST for part in Path(name).parts)


def versions(before: Tree, changes: list[Change], root: Path) -> dict[str, set[bytes]]:
    """Every whole content that each path has had in an uninterrupted run, from its changes.

    A path has a whole content before the run and whenever a rename has put one there.
    """
    found = {name: {data} for name, data in before.items()}
    files: dict[str, bytearray] = {}
    for change in changes:
        name = os.path.relpath(change.path, root)
        if change.what == "open" and change.place & os.O_TRUNC:
            files[name] = bytearray()
        elif change.what == "write":
            data = files.setdefault(name, bytearray())
            data.extend(bytes(max(0, change.place + len(change.data) - len(data))))
            data[change.place : change.place + len(change.data)] = change.data
        elif change.what == "truncate" and name in files:
            files[name] = files[name][: change.place].ljust(change.place, b"\0")
        elif change.what == "symlink":
            found.setdefault(name, set()).add(b"-> " + os.fsencode(change.other))
        elif change.what == "rename":
            target = os.path.relpath(change.other, root)
            inside = [path for path in files if path.startswith(f"{name}/")]  # of a folder
            if inside and any(path.startswith(f"{target}/") for path in found):
                continue  # refused: a folder of that name is not empty
            for path in [name] if name in files else inside:
                moved = target + path.removeprefix(name)
                files[moved] = files.pop(path)
                found.setdefault(moved, set()).add(without_place(moved, bytes(files[moved]), root))
            if name not in files and not inside:
                found.setdefault(target, set()).update(found.get(name, set()))
    return found


@dataclass(frozen=True)
class Plain:
    """An uninterrupted run of a command: files before and after, changes, seconds.

    `known` are the whole contents of each path, `root` the folder it ran in.
    """

    before: Tree
    after: Tree
    changes: list[Change]
    seconds: float
    known: Mapping[str, set[bytes]]
    root: Path

    def lost(self, now: Tree) -> list[str]:
        """Files that are there before and after, and missing in `now`.

        Also contents of models that are there before and after, perhaps under another name, and
        missing under every name.
        """
        models = {n: data for n, data in self.before.items() if n.endswith(".h5")}
        kept, found = set(self.after.values()), set(now.values())
        gone = {n for n, data in models.items() if data in kept and data not in found}
        return sorted(gone | (set(self.before) & set(self.after)) - set(now))


def run_plain(warm: Warm, folders: Folders, case: Writing) -> Plain:
    """Run a command that nothing happens to."""
    root = folders.copy(case.before)
    before = tree(root)
    ended = warm.run(case.words.split(), root, log=True, patches=SHORT, deadline=240.0)
    assert ended.code == 0, f"{case.words}: {ended.err}"
    after = tree(root)
    known = versions(before, ended.changes, root)
    for name, data in after.items():
        known.setdefault(name, set()).add(data)
    return Plain(before, after, ended.changes, ended.seconds, known, root)


@dataclass
class Verdict:
    """What one blow did.

    Attributes:
        command, blow: what was run, and what was done to it.
        code: its exit code, or minus the signal that ended it.
        said, is_one_line: the last line of its errors, and whether they are one line where it
            exits with 1.
        torn: files that are neither old nor new.
        lost: as `Plain.lost`.
        temporaries: files of unfinished writes, right after.
        says_no: what the natural next command said where it refused.
        tracebacks: commands that ended in one.
        fails: what the plain command said where it failed too, and then with `--force` where it
            names that.
        orphans: run folders without a model, in the end.
        leftovers: temporary files, in the end.
        differs: files that differ from those of an uninterrupted run, in the end.
    """

    command: str
    blow: str
    code: int
    said: str = ""
    is_one_line: bool = True
    torn: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    temporaries: list[str] = field(default_factory=list)
    says_no: str = ""
    tracebacks: list[str] = field(default_factory=list)
    fails: str = ""
    orphans: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def judge_files(root: Path, plain: Plain, verdict: Verdict) -> None:
    """Compare the files right after a blow with those of an uninterrupted run."""
    now = tree(root)
    for name, data in now.items():
        if is_temporary(name):
            verdict.temporaries.append(name)
        elif Path(name).name == MANIFEST:  # after a failure it lists what was written until then
            json.loads(data)
        elif data.startswith(b"-> ") and (root / name).exists():
            continue  # of two that end at a time, either may be the latest
        elif data not in plain.known.get(name, ()):
            verdict.torn.append(name)
    verdict.lost = plain.lost(now)


def judge_next(warm: Warm, root: Path, case: Writing, plain: Plain, verdict: Verdict) -> None:
    """Run what a user would run next, and compare the files then."""
    words = case.next
    if case.command == "train" and not list(root.glob("runs/**/run.json")):
        words = case.words  # nothing has begun
    done = _tried(warm, words, root, verdict)
    if done.code != 0:
        verdict.says_no = _last_line(done)
        done = _tried(warm, case.words, root, verdict)
        if done.code != 0 and "--force" in done.err:
            done = _tried(warm, f"{case.words} --force", root, verdict)
        if done.code != 0 and "so there is none to resume" not in done.err:  # all was done
            verdict.fails = _last_line(done)
    now = tree(root)
    verdict.leftovers = [name for name in now if is_temporary(name)]
    verdict.orphans = sorted(
        path.name
        for path in root.glob("runs/*")
        if path.is_dir() and not path.is_symlink() and not (path / "model.rsnn.h5").exists()
    )
    names = {name for name in {*now, *plain.after} if not is_temporary(name)}
    verdict.differs = sorted(n for n in names if now.get(n) != plain.after.get(n))


def _tried(warm: Warm, words: str, root: Path, verdict: Verdict) -> Ended:
    done = warm.run(words.split(), root, patches=SHORT, deadline=240.0)
    if done.has_traceback or done.timed_out:
        verdict.tracebacks.append(f"{words}: {_last_line(done)}")
    return done


def _last_line(done: Ended) -> str:
    lines = done.err.strip().splitlines()
    return lines[-1] if lines else f"exit {done.code}"


def strike_once(
    warm: Warm,
    folders: Folders,
    case: Writing,
    plain: Plain,
    strike: Strike | float,
    *,
    whole: bool = False,
) -> Verdict:
    """Run a command, strike it, and judge its files then and after the next command.

    `strike` can be seconds after which it is killed; `whole` is as in `Warm.start`.
    """
    root = folders.copy(case.before)
    words = case.words.split()
    if isinstance(strike, float):
        child = warm.start(words, root, patches=SHORT)
        time.sleep(strike)
        child.kill()
        ended = warm.wait(child)
        assert ended is not None
        blow = f"SIGKILL after {strike * 1000:.0f} ms"
    else:
        ended = warm.run(words, root, strike=strike, patches=SHORT, deadline=240.0, whole=whole)
        blow = str(strike)
    verdict = judge(warm, root, case, plain, ended, blow)
    shutil.rmtree(root)
    return verdict


def judge(warm: Warm, root: Path, case: Writing, plain: Plain, ended: Ended, blow: str) -> Verdict:
    """Judge the folder of a command that something was done to, then and after the next command."""
    said = _last_line(ended) if ended.code else ""
    verdict = Verdict(case.words, blow, ended.code, said, ended.is_one_line or ended.code != 1)
    if ended.has_traceback:
        verdict.tracebacks.append(f"{case.words}: {_last_line(ended)}")
    judge_files(root, plain, verdict)
    judge_next(warm, root, case, plain, verdict)
    return verdict
