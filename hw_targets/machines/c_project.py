"""The project of a target of exported C: what its build files call, and what it costs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hw_targets.machines.c_machine import Machine
from hw_targets.machines.target import Target, check
from sim.network import IntegerNetwork

_OPTION = re.compile(r"`(\w+)=(\w+)`")
_HERE = "${CMAKE_CURRENT_SOURCE_DIR}"
_COSTS = {
    "flash": "bytes of flash, without start-up code and library",
    "ram": "bytes of RAM per decoder, without stack",
    "stack": "bytes of stack that a call takes at most, without what a libc's functions take",
    "instructions_mean": "instructions per step on random input",
    "instructions_worst_case": "instructions per step at most, on any input",
    "worst_case_ms": "milliseconds of that step on the part, estimated",
    "instructions_events": "instructions per sample, event by event",
    "instructions_worst_sample": "instructions per sample at most, event by event",
}


def build_parts(machine: Machine, target: Target) -> dict[str, str]:
    """What the templates of build files name of a target: commands, flags, sources."""
    sources = [word for word in machine.program if word in machine.files]
    sources = [word for word in sources if word.endswith(".c")]
    flags = [word for word in machine.program if word not in sources]
    is_cross = bool(machine.launcher)
    return {
        "TARGET": target.name,
        "DESCRIPTION": target.description,
        "COMPILER": machine.compiler,
        "SIZE": machine.size,
        "PROCESSOR": _words(machine.processor),
        "LIBRARY": _words(machine.library),
        "PROGRAM": _words(machine.program),
        "FILES": _words(machine.files),
        "RUN": _words(machine.launcher),
        "RUNNER": machine.launcher[0] if is_cross else "this machine",
        "SYSTEM": "Generic" if is_cross else "",
        "CMAKE_LIBRARY": _words(machine.placed(machine.library, _HERE)),
        "CMAKE_SOURCES": _words(machine.placed(sources, _HERE)),
        "CMAKE_PROGRAM": _words(machine.placed(flags, _HERE)),
        "CMAKE_RUN": _words(machine.placed(machine.launcher, _HERE)),
    }


def costs(target: Target, network: IntegerNetwork, options: Mapping[str, Any]) -> Iterator[str]:
    """Lines of Markdown: what a network costs on a target, and what of it is not known here."""
    found = check(target, network, options)
    known = {name: found[name] for name in _COSTS if found.get(name) is not None}
    if known:
        yield "| | |"
        yield "|---|---|"
        yield from (f"| {_COSTS[name]} | {_number(value)} |" for name, value in known.items())
    else:
        yield "`make size` prints bytes. Instructions are counted for microcontrollers alone."
    lines = [*found["violations"], *found["not_checked"]]
    if lines:
        yield ""
        yield from ("- " + _OPTION.sub(r"`--\1 \2`", line) for line in lines)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _words(words: Iterable[str]) -> str:
    return " ".join(words)
