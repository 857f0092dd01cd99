"""Blows by number: item n of a campaign is made from the seed and n alone, so it can be continued.

Each campaign yields one row per item, as JSON values.
"""

import errno
import fnmatch
import json
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from harm import strace
from harm.commands import SHORT, WRITING, Folders
from harm.judge import Plain, judge, run_plain, strike_once
from harm.power import cuts, not_durable
from harm.races import PAIRS, meet
from harm.readers import FLIPPED, READERS
from harm.shim import Strike, build
from harm.warm import Ended, Warm, run_cold

Row = dict[str, Any]
_ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


class Harm:
    """What all campaigns need: a warm Python, folders to start in, uninterrupted runs."""

    def __init__(self, place: Path) -> None:
        """Compile the shim and start a warm Python below a folder."""
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self.warm = Warm(place / "texts", build(place))
        self.folders = Folders(place / "folders", self.warm)
        self._plain: dict[str, Plain] = {}

    def close(self) -> None:
        """Stop the warm Python."""
        self.warm.close()

    def run(self, words: str | list[object], root: Path, **how: Any) -> Ended:
        """Run a command with a limit on its memory, 20 s at most unless `deadline` says so."""
        split = words.split() if isinstance(words, str) else words
        given = {"deadline": 20.0, "limits": self.warm.memory(), "patches": SHORT} | how
        return self.warm.run(split, root, **given)

    def plain(self, name: str) -> Plain:
        """The uninterrupted run of a command of `WRITING`, made once."""
        if name not in self._plain:
            self._plain[name] = run_plain(self.warm, self.folders, WRITING[name])
        return self._plain[name]

    def strike(self, name: str, strike: Strike | float, *, whole: bool = False) -> Row:
        """Strike a command of `WRITING`; the verdict as a row."""
        case, plain = WRITING[name], self.plain(name)
        verdict = strike_once(self.warm, self.folders, case, plain, strike, whole=whole)
        return {"case": name, **verdict.as_dict()}

    def at(self, name: str, what: str, path: str, which: int = 0) -> int:
        """The number of a command's change of a kind whose path, or new path, ends like that."""
        root = self.plain(name).root
        found = [
            number
            for number, change in enumerate(self.plain(name).changes, 1)
            if change.what == what and _ends(change.other or change.path, path, root)
        ]
        return found[which]


@contextmanager
def harm_in(place: Path) -> Iterator[Harm]:
    """A `Harm` that is closed at the end."""
    harm = Harm(place)
    try:
        yield harm
    finally:
        harm.close()


def kills(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Kill commands by turns: at random times, and before, in and after a random change."""
    for number in numbers:
        random = Random(f"kills/{seed}/{number}")
        name = names[number % len(names)]
        plain = harm.plain(name)
        strike: Strike | float
        if WRITING[name].is_long or random.random() < 0.25:
            strike = random.uniform(0.0, plain.seconds)
        else:
            at = random.randrange(1, len(plain.changes) + 1)
            strike = Strike(at, random.choice(("before", "half", "after")))
        yield {"number": number, **harm.strike(name, strike)}


def writes(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Let one change of a command fail, or all from one on, by turns of commands.

    A fault that the interpreter's own end would show, such as HDF5's, is looked for.
    """
    for number in numbers:
        random = Random(f"writes/{seed}/{number}")
        name = names[number % len(names)]
        changes = harm.plain(name).changes
        may = [n for n, c in enumerate(changes, 1) if c.what not in ("unlink", "rmdir")]
        when = "full" if random.random() < 0.2 else "fail"
        error = errno.ENOSPC if when == "full" or random.random() < 0.5 else errno.EIO
        strike = Strike(random.choice(may), when, error)
        row = harm.strike(name, strike, whole=True)
        row["changed"] = changes[strike.at - 1].what
        yield {"number": number, **row}


def every(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Let each change of each command fail, one at a time; of repeated ones, three."""
    blows = [(name, at) for name in names for at in distinct(harm.plain(name))]
    for number in numbers:
        if number < len(blows):
            name, at = blows[number]
            error = Random(f"every/{seed}/{number}").choice((errno.ENOSPC, errno.EIO))
            row = harm.strike(name, Strike(at, "fail", error), whole=True)
            row["changed"] = harm.plain(name).changes[at - 1].what
            yield {"number": number, "of": len(blows), **row}


def distinct(plain: Plain) -> list[int]:
    """Numbers of a command's changes that can fail: of equal ones the first, second and last."""
    alike: dict[tuple[str, str], list[int]] = {}
    for number, change in enumerate(plain.changes, 1):
        if change.what not in ("unlink", "rmdir"):
            path = re.sub(r"\w{8}\.rsnnctl-tmp", "", change.path)
            alike.setdefault((change.what, path), []).append(number)
    return sorted({n for found in alike.values() for n in (*found[:2], found[-1])})


def cold(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Let one system call of the real command line fail, by turns of commands."""
    known: dict[str, list[strace.Call]] = {}
    log = harm.place / "strace.log"
    for number in numbers:
        random = Random(f"cold/{seed}/{number}")
        name = names[number % len(names)]
        case, plain = WRITING[name], harm.plain(name)
        words = case.words.split()
        root = harm.folders.copy(case.before)
        if strace.may_trace():
            if name not in known:
                known[name] = strace.calls(words, root, log)
                shutil.rmtree(root)
                root = harm.folders.copy(case.before)
            call = random.choice(known[name])
            ended, hit = strace.run_failing(words, root, log, call, random)
            blow = hit or f"missed: {call.words}"
        else:
            strike = Strike(random.choice(distinct(plain)), "fail", errno.ENOSPC)
            ended, blow = run_cold(words, root, harm.warm.library, strike), str(strike)
        verdict = judge(harm.warm, root, case, plain, ended, blow)
        shutil.rmtree(root)
        yield {"number": number, "case": name, **verdict.as_dict()}


def signals(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Send SIGINT, SIGTERM and SIGHUP at a random change."""
    for number in numbers:
        random = Random(f"signals/{seed}/{number}")
        name = names[number % len(names)]
        sent = list(_ENDS)[number // len(names) % len(_ENDS)]
        at = random.randrange(1, len(harm.plain(name).changes) + 1)
        row = harm.strike(name, Strike(at, random.choice(("before", "after")), sent))
        yield {"number": number, "expected": _ENDS[sent], **row}


def races(harm: Harm, seed: int, numbers: Iterable[int], names: list[str]) -> Iterator[Row]:
    """Let two processes meet on a run, the first standing still at a random change, or freely."""
    for number in numbers:
        random = Random(f"races/{seed}/{number}")
        pair = names[number % len(names)]
        at: int | float = random.randrange(1, 200)
        if random.random() < 0.3:
            at = random.uniform(0.0, 0.5)
        yield {"number": number, **vars(meet(harm.warm, harm.folders, pair, at))}


def power(harm: Harm, names: Iterable[str]) -> Iterator[Row]:
    """Every disk that a cut after every change of a command may leave, by the POSIX model."""
    for name in names:
        plain = harm.plain(name)
        found = list(cuts(plain))
        yield {
            "case": name,
            "changes": len(plain.changes),
            "cuts that tear": sum(bool(cut.torn) for cut in found),
            "cuts that lose": sum(bool(cut.lost) for cut in found),
            "files": sorted({path for cut in found for path in (*cut.torn, *cut.lost)}),
            "first": [vars(cut) for cut in found[:1]],
            "not durable at the end": not_durable(plain),
        }


def _read(
    what: str, harm: Harm, seed: int, first: int, count: int, names: Iterable[str]
) -> Iterator[Row]:
    root = harm.folders.copy("read")
    for name in names:
        words = [what, name, seed, first, count, root]
        done = harm.warm.run(words, root, module="harm.fuzz", deadline=20.0 * count + 60)
        assert done.code == 0, f"{name}: {done.err}"
        yield json.loads(done.out)
    shutil.rmtree(root)


fuzz: Callable[..., Iterator[Row]] = partial(_read, "mutate")
flips: Callable[..., Iterator[Row]] = partial(_read, "flip")

STRUCK = [name for name, case in WRITING.items() if not case.is_long]
"""The commands that are struck by turns; the others take too long for that."""
COLD = [name for name in STRUCK if "synthetic" not in name]
"""Those of them that need no patch, which a Python of its own does not get."""
NAMES = {
    "kills": list(WRITING),
    "writes": STRUCK,
    "every": STRUCK,
    "cold": COLD,
    "signals": STRUCK,
    "races": list(PAIRS),
    "power": STRUCK,
    "fuzz": list(READERS),
    "flips": list(FLIPPED),
}


def _ends(path: str, end: str, root: Path) -> bool:
    return fnmatch.fnmatch(path.removeprefix(f"{root}/"), f"*{end}")
