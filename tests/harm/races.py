"""Two processes on one run: one is stopped at a change to files while the other runs to its end."""

import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from base.container import read_label
from base.errors import RsnnError
from harm.commands import SHORT, WRITING, Folders
from harm.judge import is_temporary
from harm.shim import Strike
from harm.warm import Ended, Warm

PRUNE = "prune --fraction 0.45 --epochs 2"
QAT = "quantize --qat-epochs 2"
PAIRS = {
    "train | train --resume": ("empty", WRITING["train"].words, "train --resume"),
    "train --resume | train --resume": ("interrupted", "train --resume", "train --resume"),
    "prune | prune --resume": ("trained", PRUNE, f"{PRUNE} --resume"),
    "prune | prune": ("trained", PRUNE, PRUNE),
    "QAT | prune": ("quantized", QAT, PRUNE),
    "QAT | quantize": ("quantized", QAT, "quantize"),
    "quantize | export-c": ("quantized", "quantize --bits 6", "export-c"),
    "explore | explore": ("quantized", WRITING["explore"].words, WRITING["explore"].words),
}


@dataclass
class Met:
    """What two processes did to a run: how they ended, models lost or torn, what stays."""

    pair: str
    stopped_at: str
    first: str
    second: str
    lost: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


def meet(
    warm: Warm, folders: Folders, pair: str, at: int | float, *, interrupt: bool = False
) -> Met:
    """Let two processes meet on a run.

    `at` is the number of the first one's change at which it stands still until the second has
    ended, or seconds by which the second starts later. `interrupt`: the second gets Ctrl-C once the
    first has ended; it stands still at its own first change until then.
    """
    before, first, second = PAIRS[pair]
    root = folders.copy(before)
    models = set(_models(root))
    strike = Strike(at, "after", signal.SIGSTOP) if isinstance(at, int) else None
    one = warm.start(first.split(), root, strike=strike, patches=SHORT)
    if strike is None:
        time.sleep(at)
        other = warm.start(second.split(), root, patches=SHORT)
        done = (warm.wait(one), warm.wait(other))
    else:
        early = warm.wait(one)  # None: it stands still
        if interrupt:
            done = _interrupted(warm, one, second, root)
        else:
            later = warm.run(second.split(), root, patches=SHORT)
            if early is None:
                one.kill(signal.SIGCONT)
            done = (early or warm.wait(one), later)
    met = Met(pair, str(at), *(_how(each) for each in done))
    now = set(_models(root))
    met.lost = sorted(models - now)
    if not now and any(each.code == 0 for each in done):
        met.lost.append("the model of the process that ended well")
    met.torn = [name for name in sorted(now) if not _is_whole(root / name)]
    met.torn += [said for said in (met.first, met.second) if "damaged" in said]
    met.tracebacks = [_how(each) for each in done if each.has_traceback or each.timed_out]
    met.leftovers = [str(p.relative_to(root)) for p in root.rglob(".*") if is_temporary(p.name)]
    shutil.rmtree(root)
    return met


def _interrupted(warm: Warm, one, second: str, root: Path) -> tuple[Ended, Ended]:
    later = warm.start(second.split(), root, strike=Strike(1, "before", signal.SIGSTOP))
    early = warm.wait(later)
    one.kill(signal.SIGCONT)
    first = warm.wait(one)
    if early is None:
        later.kill(signal.SIGINT)
        later.kill(signal.SIGCONT)
        early = warm.wait(later)
    return first, early


def _models(root: Path) -> list[str]:
    found = [*root.glob("runs/*/*.rsnn.h5"), *root.glob("runs/*/*.int.h5")]
    return [str(p.relative_to(root)) for p in found if not p.parent.is_symlink()]


def _is_whole(path: Path) -> bool:
    try:
        read_label(path)
    except RsnnError:
        return False
    return True


def _how(ended: Ended) -> str:
    lines = ended.err.strip().splitlines()
    return f"exit {ended.code}" + (f": {lines[-1]}" if ended.code and lines else "")
