"""Print scores of decoders without spikes on synthetic sessions: `python benchmarks/baselines.py`.

Seeds 1 to 3, 20 minutes, 96 channels, and one seed of the GRU; every decoder is scored on every
step of the test part. The last column is the wall time of choosing, learning and decoding.
"""

import statistics
import tempfile
import time
from pathlib import Path

from rsnn.baselines.gru import train_gru
from rsnn.baselines.kalman import kalman
from rsnn.baselines.ridge import HISTORIES, ridge
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize

SEEDS = (1, 2, 3)
DECODERS = {
    "ridge regression, 200 ms": ridge,
    "ridge regression, best history": lambda *data: ridge(*data, histories=HISTORIES),
    "Kalman filter": kalman,
    "GRU": train_gru,
}


def main() -> None:
    scores: dict[str, list[float]] = {kind: [] for kind in DECODERS}
    print("| seed | decoder | bytes | dense | R2 | seconds |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            path = Path(folder) / "session.mat"
            synthesize(path, seed=seed)
            session = load_session(path)
            for kind, decoder in DECODERS.items():
                began = time.perf_counter()
                found = decoder(session, split_session(session))
                seconds = time.perf_counter() - began
                scores[kind].append(found.r2)
                print(
                    f"| {seed} | {found.name} | {found.footprint} | {found.dense:.0f} |"
                    f" {found.r2:.3f} | {seconds:.0f} |",
                    flush=True,
                )
    for kind, found in scores.items():
        print(f"| mean | {kind} | | | {statistics.mean(found):.3f} | |")


if __name__ == "__main__":
    main()
