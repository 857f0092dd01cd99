"""Harm done to rsnnctl, and its results: `python benchmarks/reliability.py kills --count 300`.

Subcommands: `kills`, `writes` (failing ones), `every` (each of them), `cold` (the same through the
real command line, by strace), `races`, `signals`, `power` (cuts), `fuzz`, `flips`.
Item n of each is made from the seed and n alone: `--shard 3 --count 1000` does items 3000 to 3999,
so that a later call continues the count. `--only` names commands, pairs or readers, as the tables
do. `fuzz` and `flips` do COUNT items for each reader; `power` does every cut of every command.
Needs gcc.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harm import campaigns  # noqa: E402  # tests/ is no package that is installed

Row = dict[str, Any]
_FLAWS = ("torn", "lost", "says_no", "tracebacks", "fails", "orphans", "leftovers", "differs")


def table(rows: list[Row]) -> str:
    """Rows as a Markdown table under the union of their keys."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(name, 0)) for name in names) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def summed(what: str, rows: list[Row]) -> list[Row]:
    """One row per command, pair or reader, and their sum."""
    if what == "power":
        return [{k: v for k, v in row.items() if k != "first"} for row in rows]
    if what in ("fuzz", "flips"):
        return [{"reader": row["reader"], **row["totals"]} for row in rows]
    key = "pair" if what == "races" else "case"
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    found = [{key: name, **_counted(what, group)} for name, group in groups.items()]
    return [*found, {key: "sum", **_counted(what, rows)}]


def _counted(what: str, rows: list[Row]) -> Row:
    if what == "races":
        ends = Counter(
            "both fine" if row["first"] == row["second"] == "exit 0" else "one refused"
            for row in rows
        )
        flaws = ("lost", "torn", "tracebacks", "leftovers")
        return {
            "rounds": len(rows),
            "both fine": ends["both fine"],
            "one refused": ends["one refused"],
            **{flaw: sum(bool(row[flaw]) for row in rows) for flaw in flaws},
        }
    counted: Row = {"blows": len(rows)}
    if what in ("writes", "every", "cold"):
        counted["one line"] = sum(row["code"] == 1 and row["is_one_line"] for row in rows)
        counted["exit 0"] = sum(row["code"] == 0 for row in rows)
        counted["crashes"] = sum(row["code"] < 0 for row in rows)
    if what == "signals":
        counted["exit as expected"] = sum(row["code"] == row["expected"] for row in rows)
    counted["temporaries then"] = sum(bool(row["temporaries"]) for row in rows)
    return counted | {flaw: sum(bool(row[flaw]) for row in rows) for flaw in _FLAWS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=campaigns.NAMES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--count", type=int, default=40, help="items; of each reader in fuzz, flips"
    )
    parser.add_argument("--shard", type=int, default=0, help="items SHARD * COUNT and on")
    parser.add_argument("--only", action="append", help="command, pair or reader; repeatable")
    parser.add_argument("--json", action="store_true", help="every row as a line of JSON")
    options = parser.parse_args()
    names = options.only or campaigns.NAMES[options.what]
    if unknown := set(names) - set(campaigns.NAMES[options.what]):
        parser.error(f"no {min(unknown)!r}; known: {', '.join(campaigns.NAMES[options.what])}")
    first = options.shard * options.count
    numbers = range(first, first + options.count)
    campaign = getattr(campaigns, options.what)
    with tempfile.TemporaryDirectory() as folder, campaigns.harm_in(Path(folder)) as harm:
        if options.what == "power":
            rows = list(campaign(harm, names))
        elif options.what in ("fuzz", "flips"):
            rows = list(campaign(harm, options.seed, first, options.count, names))
        else:
            rows = list(campaign(harm, options.seed, numbers, names))
    if options.json:
        for row in rows:
            print(json.dumps({"campaign": options.what, "seed": options.seed, **row}))
        return
    print(f"{options.what}, seed {options.seed}, items {first} to {numbers.stop - 1}\n")
    print(table(summed(options.what, rows)))
    for row in rows:
        for flaw in ("torn", "lost", "tracebacks", "fails"):
            if row.get(flaw):
                print(
                    f"{flaw}: {row.get('number')} {row.get('case', row.get('pair'))}: {row[flaw]}"
                )
        for place, (count, number) in row.get("places", {}).items():
            print(f"{row['reader']}: {count} x {place[:200]}, first item {number}")


if __name__ == "__main__":
    main()
