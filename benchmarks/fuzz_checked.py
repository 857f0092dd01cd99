"""Fuzz the checked steps of exported C under the address and undefined-behaviour sanitizers.

`python benchmarks/fuzz_checked.py --calls 10000000` shares the calls between all conformance cases
and layouts. Input is arbitrary, and so is a byte of what a state counts or lists. A call has to say
what it should, and change nothing if it refuses; a step has to compute what the plain one does.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

from export.firmware.code import layouts
from export.firmware.decoder import FLAGS, export_c
from export.firmware.events.code import has_events
from export.firmware.inputs import parts
from sim.conformance.cases import cases
from sim.layer import SPIKES
from sim.network import IntegerNetwork

SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OUTCOMES = ("steps", "null pointers", "counts", "inputs", "states")
_DRIVER = Path(__file__).with_suffix(".c")


def main() -> None:
    """Fuzz every case in every layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    every = [(case, layout) for case in cases() for layout in layouts(case.network)]
    share, rest = divmod(options.calls, len(every))
    total = dict.fromkeys(OUTCOMES, 0)
    for i, (case, layout) in enumerate(every):
        with tempfile.TemporaryDirectory() as folder:
            program = compile_fuzz(case.network, Path(folder), layout)
            found = fuzz(program, share + (i < rest), options.seed + i)
        total = {name: total[name] + found[name] for name in OUTCOMES}
        print(f"{case.name}, {layout}: {said(found)}", flush=True)
    print(f"{sum(total.values())} calls, no report: {said(total)}")


def said(found: dict[str, int]) -> str:
    """Counts in words: steps, and what was refused."""
    steps, *refused = (f"{found[name]} {name}" for name in OUTCOMES)
    return f"{steps}; refused {', '.join(refused)}"


def compile_fuzz(
    network: IntegerNetwork, folder: Path, layout: str, flags: tuple[str, ...] = ()
) -> Path:
    """The program that fuzzes a network's C, with sanitizers and further flags."""
    header, source = export_c(network, folder, "rsnn", layout)
    members = re.findall(r"^ +uint(?:8|16)_t (\w+)(?:\[.*\])?;", header.read_text(), re.MULTILINE)
    state = members[: members.index("t")] if has_events(network) else members
    lines = [f"{{offsetof(rsnn_state, {m}), sizeof(((rsnn_state *)0)->{m})}},\n" for m in state]
    (folder / "fields.h").write_text("".join(lines))
    inputs = parts(network)
    defined = [f"-D{name}={inputs[name]}" for name in ("LOW", "HIGH")]
    if network.input_values != SPIKES:
        defined.append(f"-DVALUES={inputs['CTYPE']}")
    if has_events(network):
        defined.append("-DFIRST_SPIKES")
    program = folder / "fuzz"
    words = [*FLAGS, *SANITIZED, *flags, *defined, f"-I{folder}", str(source), str(_DRIVER)]
    subprocess.run(["cc", *words, "-o", str(program)], check=True)
    return program


def fuzz(program: Path, calls: int, seed: int) -> dict[str, int]:
    """How many calls ended in which way.

    Raises:
        RuntimeError: a call was wrong, or a sanitizer reports; the text says what.
    """
    command = [str(program), str(calls), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}{done.stderr}")
    return dict(zip(OUTCOMES, map(int, done.stdout.split()), strict=True))


if __name__ == "__main__":
    main()
