"""The table of builds in docs/fpga.md: `python benchmarks/fpga.py FOLDER [--only TEXT]`.

FOLDER has published weights (`indy01-tinyRSNN-1.pth`, `loco01-tinyRSNN-1.pth`); they are quantized
with the defaults, and built by the commands of the first column. Needs the programs that
`rsnnctl targets` names for FPGAs. Prints a line of the table per build, as soon as it is done.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.published import import_published
from sim.artifact import save_network

BUILDS = (
    ("indy01", 8, "ice40_up5k --layout compact --unique-inputs"),
    ("indy01", 8, "ice40_up5k --layout compact --unique-inputs --pack"),
    ("indy01", 8, "ice40_up5k --layout compact --unique-inputs --pack --storage bitmap"),
    ("loco01", 8, "ice40_up5k --layout compact --unique-inputs --pack --storage bitmap"),
    ("loco01", 8, "ice40_hx8k --layout compact --unique-inputs --pack --storage bitmap"),
    ("loco01", 8, "ice40_up5k --update single --unique-inputs --storage spram"),
    ("indy01", 8, "ice40_up5k --layout compact --unique-inputs --link uart"),
    ("indy01", 8, "ice40_up5k --lanes 2 --update single --unique-inputs"),
    ("indy01", 8, "ice40_up5k --unique-inputs"),
    ("indy01", 8, "ice40_up5k"),
    ("indy01", 8, "ice40_hx8k --layout compact --unique-inputs"),
    ("indy01", 4, "ice40_up5k --layout compact --unique-inputs"),
    ("loco01", 4, "ice40_up5k --update single --unique-inputs"),
)
COLUMNS = (
    *("lut4", "flip_flops", "block_rams", "spram", "multipliers", "fmax_mhz"),
    *("cycles_mean", "cycles_worst", "first_output_cycles", "margin"),
)


def built(network: Path, options: str, folder: Path) -> dict:
    """What `rsnnctl build --target OPTIONS --json` prints."""
    command = [sys.executable, "-m", "rsnnctl", "build", str(network), "--json", "--target"]
    words = [*command, *shlex.split(options), "-o", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{options}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def line(session: str, bits: int, options: str, figures: dict) -> str:
    """A line of the table."""
    values = [figures[name] for name in COLUMNS]
    said = [f"{value:.3g}" if 0 < value < 1 else f"{value:,g}" for value in values]
    return f"| {session}, {bits} bits | `{options}` | {' | '.join(said)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="builds whose options have this text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for session, bits, options in BUILDS:
            if given.only not in options:
                continue
            float_model = import_published(given.folder / f"{session}-tinyRSNN-1.pth")
            network = quantize(float_model, Precision(bits=bits))
            path = Path(place) / f"{session}-{bits}.int.h5"
            if not path.exists():
                save_network(replace(network, metadata={"command": "quantize"}), path)
            folder = Path(place) / options.replace(" ", "") / session
            print(line(session, bits, options, built(path, options, folder)), flush=True)


if __name__ == "__main__":
    main()
