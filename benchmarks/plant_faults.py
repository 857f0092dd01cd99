"""Plant faults of one token and print which test catches each: `python benchmarks/plant_faults.py`.

The faults are drawn by a seed from every token of the packages' Python and C; each is planted alone
in a copy of the tree. Tests named after the file run first, then those that import it, nearest
first, until one fails that passes without the fault. A test that does not end has caught it too.
Exits with 1 if a fault survived.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from faults.planted import Copy, Limits, Outcome
from faults.tokens import Fault, changes, faults_of

PACKAGES = ("base", "sim", "rsnn", "export")
SUFFIXES = {".py", ".c", ".h", ".cu"}


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that tests never outlive us
    limits = Limits(options.limit, options.test_limit, int(options.memory * 2**30))
    rows = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy = Copy(options.root.resolve(), Path(folder), limits)
        faults = again(options.again, copy.tree) if options.again else draw(copy, options)
        print("| file, line | fault | outcome | s |\n|---|---|---|---|", flush=True)
        for fault in faults:
            outcome = copy.outcome(fault)
            rows.append(asdict(fault) | asdict(outcome))
            print(_row(fault, outcome), flush=True)
            if options.json:  # after each, so that what was interrupted is not lost
                options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    states = [row["state"] for row in rows]
    counts = {state: states.count(state) for state in ("caught", "survived", "not run")}
    print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()))
    sys.exit(1 if counts["survived"] else 0)


def draw(copy: Copy, options: argparse.Namespace) -> list[Fault]:
    """Faults in as many different tokens, each token as probable as any other."""
    places = options.only or PACKAGES
    files = [
        path
        for path in copy.paths
        if Path(path).suffix in SUFFIXES and any(Path(path).is_relative_to(p) for p in places)
    ]
    texts = {path: (copy.tree / path).read_text(encoding="utf-8") for path in files}
    tokens = [faults for path, text in texts.items() for faults in faults_of(path, text)]
    generator = random.Random(options.seed)
    generator.shuffle(tokens)
    drawn: list[Fault] = []
    for faults in tokens:
        fault = generator.choice(faults)
        if len(drawn) < options.count and changes(fault, texts[fault.path]):
            drawn.append(fault)
    if not drawn:
        sys.exit(f"no token to draw in {', '.join(places)}; name a .py, .c or .h file or a folder")
    return drawn


def again(path: Path, tree: Path) -> list[Fault]:
    """The faults that survived in a file that `--json` has written."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    names = Fault.__dataclass_fields__
    faults = [Fault(**{k: row[k] for k in names}) for row in rows if row["state"] != "caught"]
    for fault in faults:
        try:
            fault.plant((tree / fault.path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            sys.exit(f"{path}: {error}; the source has changed since, draw again")
    return faults


def _row(fault: Fault, outcome: Outcome) -> str:
    change = f"`{fault.before}` to `{fault.after}`".replace("|", "\\|")
    said = f"**{outcome.state}**"
    if outcome.state == "caught":
        said = f"caught by `{outcome.test}`"
    elif outcome.state == "survived":
        said += f" {outcome.passed} tests" + ("" if outcome.is_complete else ", then time was up")
    return f"| {fault.path}:{fault.line} | {change} | {said} | {outcome.seconds:.0f} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0].split(":")[0])
    add = parser.add_argument
    add("--seed", type=int, default=1, help="seed of the draw (default 1)")
    add("--count", type=int, default=20, help="number of faults (default 20)")
    add("--only", action="append", metavar="PATH", help="a file or folder to draw from, repeatable")
    add("--json", type=Path, metavar="FILE", help="write the outcomes to a file as well")
    add("--again", type=Path, metavar="FILE", help="plant what survived in such a file once more")
    add("--limit", type=float, default=300.0, help="seconds for all tests of a fault (300)")
    add("--test-limit", type=float, default=100.0, help="seconds that one test may take (100)")
    add("--memory", type=float, default=6.0, help="GiB that the tests may allocate (6)")
    root = Path(__file__).resolve().parents[1]
    add("--root", type=Path, default=root, help="the tree, a git checkout (default: this one)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
