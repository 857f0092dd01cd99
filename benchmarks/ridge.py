"""Print scores of ridge regression on synthetic sessions: `python benchmarks/ridge.py`.

Shows how hard they are to decode. Seeds 1 to 5, 20 minutes, 96 channels; 0.2 s and 0.4 s of spikes
in bins of 20 ms; trained on train and validation part, scored on every step of the test part.
"""

import tempfile
from pathlib import Path

import numpy as np

from rsnn.baselines.ridge import ridge
from rsnn.data.describe import describe
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize

SEEDS = (1, 2, 3, 4, 5)
HISTORIES = (0.2, 0.4)  # s


def main() -> None:
    rows = []
    print("| seed | reaches | mean Hz | max Hz | drift | R2, 0.2 s | R2, 0.4 s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            path = Path(folder) / "session.mat"
            synthesize(path, seed=seed)
            session, figures = load_session(path), describe(path)
            split = split_session(session)
            scores = [ridge(session, split, histories=(h,)).r2 for h in HISTORIES]
            rows.append(scores)
            print(
                f"| {seed} | {figures['reaches']} | {figures['rate_mean_hz']:.1f} |"
                f" {figures['rate_max_hz']:.1f} | {figures['rate_drift']:+.3f} |"
                f" {scores[0]:.3f} | {scores[1]:.3f} |",
                flush=True,
            )
    mean = np.mean(rows, axis=0)
    print(f"| mean | | | | | {mean[0]:.3f} | {mean[1]:.3f} |")


if __name__ == "__main__":
    main()
