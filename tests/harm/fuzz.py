"""Mutated files for one reader: `python -m harm.fuzz WHAT READER SEED FIRST COUNT FOLDER`.

WHAT is `mutate` or `flip`. A worker, forked here, does one item after the other with a limit on its
memory; it is ended where an item takes too long, and another continues with the next, as after a
crash. Each item is made from the seed, the reader and its number alone, so that it can be made
again and a later call continues where this one ended.
"""

import functools
import json
import os
import pickle
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

from base import plugins
from harm.mutate_bytes import flip
from harm.readers import FLIPPED, READERS, Reader

DEADLINE = 10.0  # s per item
MEMORY = 2 << 30  # bytes beyond what the worker has at its start


def item(what: str, name: str, reader: Reader, seed: int, number: int, original: bytes) -> bytes:
    """The mutated bytes of one item."""
    random = Random(f"{seed}/{name}/{number}")
    if what == "flip":
        return flip(original, random, number)
    return reader.mutate(original, random)


def outcome(reader: Reader, path: Path, known: bytes) -> tuple[str, str]:
    """What a reader does with a file: refused, same, accepted, unprintable, memory or traceback."""
    from base.errors import RsnnError

    try:
        found = reader.read(path)
    except RsnnError as error:
        text = str(error)
        good = text.isprintable() and len(text) < 2000
        return ("refused", "") if good else ("unprintable", repr(text[:200]))
    except MemoryError as error:
        return "memory", _place(error)
    except Exception as error:
        return "traceback", _place(error)
    return ("same" if _fingerprint(found) == known else "accepted"), ""


def _fingerprint(value: Any) -> bytes:
    return pickle.dumps(value, 4)


def _place(error: BaseException) -> str:
    """The last line of the project's own that an exception came through."""
    root = str(Path(__file__).resolve().parents[2])
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename.startswith(root) and "/tests/" not in f.filename]
    where = f"{Path(own[-1].filename).relative_to(root)}:{own[-1].lineno}" if own else "tests"
    return f"{where} {type(error).__name__}"


def main(words: list[str]) -> None:
    """Do the items and print one JSON line of their outcomes."""
    what, name, seed, first, count, folder = words
    reader = (FLIPPED if what == "flip" else READERS)[name]
    path = Path(folder) / reader.file
    original = path.read_bytes()
    known = _fingerprint(reader.read(path))
    totals: dict[str, int] = {}
    places: dict[str, list[Any]] = {}
    begin, last = int(first), int(first) + int(count)
    slowest = 0.0
    while begin < last:
        done = _worked(what, name, reader, int(seed), begin, last, path, original, known)
        for number, kind, place, seconds in done:
            begin = number + 1
            slowest = max(slowest, seconds)
            totals[kind] = totals.get(kind, 0) + 1
            if kind not in ("refused", "same", "accepted"):
                seen = places.setdefault(f"{kind}: {place}", [0, number])
                seen[0] += 1
    path.write_bytes(original)
    row = {"reader": name, "seed": int(seed), "first": int(first), "count": int(count)}
    row |= {"totals": totals, "places": places}
    row |= {"slowest_s": round(slowest, 3), "peak_mb": _peak() >> 10}
    print(json.dumps(row))


def _peak() -> int:
    """The most memory that a worker has had, in KiB, with the warm Python's own."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _worked(what, name, reader, seed, first, last, path, original, known):
    """Yield (number, outcome, place, s) of one worker, until it has done all or has been ended."""
    own, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(own)
        _work(what, name, reader, seed, first, last, path, original, known, its)
    os.close(its)
    number, text = first, b""
    while True:
        ready, _, _ = select.select([own], [], [], DEADLINE)
        got = os.read(own, 65536) if ready else b""
        if not got:
            break
        *lines, text = (text + got).split(b"\n")
        for line in lines:
            number, kind, place, seconds = json.loads(line)
            yield number, kind, place, seconds
            number += 1
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(own)
    if not ready:
        yield number, "hang", "", DEADLINE
    elif number < last:
        yield number, "crash", f"exit {os.waitstatus_to_exitcode(status)}", 0.0


def _work(what, name, reader, seed, first, last, path, original, known, pipe) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    plugins.entry_points = functools.cache(plugins.entry_points)  # else most of the time goes there
    for number in range(first, last):
        path.write_bytes(item(what, name, reader, seed, number, original))
        start = time.monotonic()
        kind, place = outcome(reader, path, known)
        seconds = time.monotonic() - start
        if seconds > DEADLINE:
            kind = "hang"
        os.write(pipe, json.dumps([number, kind, place, seconds]).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
