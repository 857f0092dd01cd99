"""Compare traces with those of this conformance kit; tell the first word that differs.

    python check.py TRACES [CASE ...]

TRACES is a folder with one HDF5 file per case, `CASE.h5`, that holds an integer dataset
(n_steps, n_neurons) for each one under `trace/` in the kit's own `CASE.h5`: `hidden0/spk`,
`hidden0/syn`, `hidden0/mem` and so on. Without a CASE, all of them are checked. The exit status is
0 where every word is right, 1 where one is not, 2 for a mistake in the command or a damaged kit:
files of the kit are compared with its `SHA256SUMS`, as `sha256sum -c SHA256SUMS` does.
"""

import hashlib
import json
import sys
from pathlib import Path

import h5py
import numpy as np


def wrong(case: dict, expected: h5py.File, traces: Path) -> str:
    """What is wrong with the traces of a case, in a line; nothing if every word is right."""
    path = traces / f"{case['name']}.h5"
    if not path.is_file():
        return f"{path} is missing"
    first: tuple[int, str] | None = None
    with h5py.File(path, "r") as found:
        for name in case["variables"]:  # in the order of computation
            right = expected[f"trace/{name}"][()]
            if not isinstance(found.get(name), h5py.Dataset):
                return f"{name} is missing"
            if found[name].dtype.kind not in "iub" or found[name].shape != right.shape:
                return (
                    f"{name} is {found[name].dtype} {found[name].shape};"
                    f" integers {right.shape} are needed"
                )
            given = found[name][()]
            places = np.argwhere(given != right)
            if len(places) and (first is None or places[0][0] < first[0]):
                step, neuron = map(int, places[0])
                words = f"expected {right[step, neuron]}, found {int(given[step, neuron])}"
                first = (step, f"step {step}, {name}, neuron {neuron}: {words}")
    return first[1] if first else ""


def damaged(kit: Path, names: list[str]) -> str:
    """The first of some files of the kit that is not as it was written; empty if all are."""
    sums = kit / "SHA256SUMS"
    lines = sums.read_text("ascii", "replace").splitlines() if sums.is_file() else []
    known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in names if known else ():
        path = kit / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != known.get(name):
            return name
    if not known and json.loads((kit / "kit.json").read_text())["version"] >= 4:
        return sums.name  # which older kits do not have
    return ""


def main(arguments: list[str]) -> int:
    """Check the cases and print a line for each."""
    kit = Path(__file__).parent
    if name := damaged(kit, ["kit.json"]):
        print(f"{kit / name}: damaged or missing; get the kit again", file=sys.stderr)
        return 2
    cases = {case["name"]: case for case in json.loads((kit / "kit.json").read_text())["cases"]}
    names = arguments[1:] or list(cases)
    if not arguments or not set(names) <= set(cases):
        print(f"usage: check.py TRACES [CASE ...]; cases: {', '.join(cases)}", file=sys.stderr)
        return 2
    if name := damaged(kit, [f"{name}.h5" for name in names]):
        print(f"{kit / name}: damaged or missing; get the kit again", file=sys.stderr)
        return 2
    failed = 0
    for name in names:
        with h5py.File(kit / f"{name}.h5", "r") as expected:
            try:
                text = wrong(cases[name], expected, Path(arguments[0]))
            except OSError as error:
                text = f"cannot be read: {str(error).splitlines()[0]}"
        failed += bool(text)
        print(f"{name}: {text or 'every word is right'}")
    print(f"{len(names)} cases, {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
