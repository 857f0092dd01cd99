"""A warm Python that forks a child per command line, so that hundreds of them are cheap.

`python -m harm.warm` is the server, on stdin and stdout; `Warm` starts it and speaks to it. A child
is a process group of its own, has its own folder and limits, and ends at once when
the command does or, on request, by the interpreter's own end.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harm.shim import Change, Strike, read_log

ROOT = Path(__file__).resolve().parents[2]
QUIET = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONFAULTHANDLER": "",
    "COLUMNS": "200",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code or minus the signal, texts, seconds, changes to files."""

    code: int
    out: str
    err: str
    seconds: float
    changes: list[Change] = field(default_factory=list)
    timed_out: bool = False

    @property
    def is_one_line(self) -> bool:
        """Whether it was refused as a user should see it: exit 1 and one line."""
        lines = self.err.strip().splitlines()
        return self.code == 1 and len(lines) == 1 and lines[0].startswith("Error: ")

    @property
    def has_traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.err


@dataclass
class Child:
    """A command that is running."""

    pid: int
    folder: Path
    start: float
    log: bool

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it and to the processes it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Warm:
    """The client of a warm Python."""

    def __init__(self, place: Path, library: Path) -> None:
        """Start it; `place` is a folder for what children print, `library` the shim."""
        self.place = place
        self.library = library
        place.mkdir(parents=True, exist_ok=True)
        paths = [str(ROOT), str(ROOT / "tests")]
        environment = {
            **os.environ,
            **QUIET,
            "PYTHONPATH": os.pathsep.join(paths),
            "LD_PRELOAD": str(library),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-m", "harm.warm", library],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=place,
            text=True,
        )
        self._count = 0
        self._ask({"do": "hello"})

    def close(self) -> None:
        """Stop it."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def memory(self, more: int = 2 << 30) -> dict[str, int]:
        """A limit on a child's memory: what the warm Python has, and `more` bytes."""
        pages = int(Path(f"/proc/{self._server.pid}/statm").read_text().split()[0])
        return {"RLIMIT_AS": pages * resource.getpagesize() + more}

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError("the warm Python ended; its stderr says why")
        return json.loads(line)

    def start(
        self,
        words: Sequence[object],
        root: Path,
        *,
        strike: Strike | None = None,
        log: bool = False,
        limits: dict[str, int] | None = None,
        given: str | None = None,
        patches: dict[str, Any] | None = None,
        whole: bool = False,
        module: str | None = None,
    ) -> Child:
        """Start `rsnnctl WORDS` in the folder `root`, whose changes are counted.

        `limits` are names of `resource`, as RLIMIT_AS, `given` a file for stdin, `patches`
        constants of modules by dotted name. `whole`: with the interpreter's own end, which takes
        longer; what goes wrong there is seen only then. `module`: its `main(WORDS)` is called
        in place of `rsnnctl`.
        """
        self._count += 1
        texts = self.place / f"child-{self._count}"
        request = {
            "do": "start",
            "words": [str(word) for word in words],
            "root": str(root),
            "texts": str(texts),
            "strike": None if strike is None else strike.arguments(),
            "log": log,
            "limits": limits or {},
            "given": given,
            "patches": patches or {},
            "whole": whole,
            "module": module,
        }
        pid = self._ask(request)["pid"]
        return Child(pid, texts, time.perf_counter(), log)

    def wait(self, child: Child, deadline: float = 60.0) -> Ended | None:
        """Wait for a child; None if a signal has stopped it. Past its deadline it is killed."""
        answer = self._ask({"do": "wait", "pid": child.pid, "deadline": deadline})
        if answer.get("stopped"):
            return None
        changes = child.folder.with_suffix(".log")
        out, err = child.folder.with_suffix(".out"), child.folder.with_suffix(".err")
        ended = Ended(
            code=answer["code"],
            out=out.read_text(errors="replace"),
            err=err.read_text(errors="replace"),
            seconds=time.perf_counter() - child.start,
            changes=read_log(changes) if child.log else [],
            timed_out=answer["timed_out"],
        )
        for path in (changes, out, err):
            path.unlink(missing_ok=True)
        return ended

    def run(self, words: Sequence[object], root: Path, *, deadline: float = 60.0, **how) -> Ended:
        """Start a command and wait for its end."""
        child = self.start(words, root, **how)
        ended = self.wait(child, deadline)
        assert ended is not None
        return ended


def run_cold(
    words: Sequence[object], root: Path, library: Path, strike: Strike, deadline: float = 120.0
) -> Ended:
    """The same through the real command line, in a Python of its own."""
    environment = {
        **os.environ,
        **QUIET,
        "PYTHONPATH": str(ROOT),
        "LD_PRELOAD": str(library),
        "HARM_PLAN": strike.plan(root, None),
    }
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rsnnctl", *map(str, words)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=deadline,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)


def _serve(library: str) -> dict[str, Any]:
    """Answer requests until stdin ends; returns in a child only, the request for it."""
    requests = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in requests:
        request = json.loads(line)
        if request["do"] == "start":
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                requests.close()
                answers.close()
                _become(request, library)
                return request
            answer = {"pid": pid}
        elif request["do"] == "wait":
            answer = _wait(request["pid"], request["deadline"])
        else:
            _import_everything()
            answer = {}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)


def _wait(pid: int, deadline: float) -> dict[str, Any]:
    end = time.monotonic() + deadline
    timed_out = False
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            return {"stopped": True}
        if found:
            break
        if time.monotonic() > end and not timed_out:
            timed_out = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.004)
    return {"code": os.waitstatus_to_exitcode(status), "timed_out": timed_out}


def _become(request: dict[str, Any], library: str) -> None:
    """Turn the forked child into the process of one command line, up to its call."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    texts = Path(request["texts"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    for fd, suffix in ((1, ".out"), (2, ".err")):
        opened = os.open(texts.with_suffix(suffix), flags, 0o600)
        os.dup2(opened, fd)
        os.close(opened)
    opened = os.open(request["given"] or os.devnull, os.O_RDONLY)
    os.dup2(opened, 0)
    os.close(opened)
    log = -1
    if request["log"]:
        log = os.open(texts.with_suffix(".log"), flags, 0o600)
        os.dup2(log, 900)
        os.close(log)
        log = 900
    for name, value in request["patches"].items():
        module, _, constant = name.rpartition(".")
        setattr(sys.modules[module], constant, value)
    os.chdir(request["root"])
    for name, value in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
        if name == "RLIMIT_FSIZE":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.argv = ["rsnnctl", *request["words"]]
    strike = request["strike"] or (0, 0, 0)
    if request["strike"] or request["log"]:
        arm = ctypes.CDLL(library).harm_arm
        root = request["root"].encode()
        arm(root, ctypes.c_long(strike[0]), strike[1], strike[2], log)


def _import_everything() -> None:
    """Load what the commands load, and their compiled kernels."""
    import pkgutil
    import tempfile

    for package in ("base", "sim", "rsnn", "export", "hw_targets", "rsnnctl"):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot
    import torch

    import cli

    torch.set_num_threads(1)
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for words in WARMING:
            with contextlib.suppress(SystemExit):  # how every command ends
                cli.rsnnctl(words.split(), standalone_mode=False)
        os.chdir(here)
    gc.collect()
    gc.freeze()  # so that collections in children copy no pages


WARMING = (
    "data synth -o s.mat --minutes 0.5 --channels 8",
    "train s.mat --epochs 1",
    "prune --fraction 0.4 --epochs 1",
    "quantize --qat-epochs 1",
    "simulate",
)


def main() -> None:
    request = _serve(sys.argv[1])
    whole = request["whole"]
    code = 0
    try:
        if request["module"]:
            importlib.import_module(request["module"]).main(request["words"])
        else:
            importlib.import_module("cli").main()
    except SystemExit as stop:
        if whole:
            raise
        code = int(stop.code or 0)
    except BaseException:
        if whole:
            raise
        sys.excepthook(*sys.exc_info())
        code = 1
    if not whole:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
