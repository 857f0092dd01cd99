"""The cost of quantization: published networks against float32, trained ones on their task.

    python benchmarks/quantize.py --published FOLDER --folder results

`published_r2` is the R2 of decoded output against float32, the mean over published networks, on
streams of 20,000 steps of independent spikes at the published rates. `loss` is the test R2 lost
against the float network, on networks that `benchmarks/results.py` trains and prunes on synthetic
sessions in the folder: rounded after training at 8 and 6 bits (ptq), trained in integers at 4, 3
and 2 (qat). Everything is kept in the folder, so repeating an interrupted call continues it;
`--jobs` measures several at a time. `--json` prints means, with `sd` beside them.
"""

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import torch
from results import run_seed

from base.files import write_text
from base.metrics import r2_score
from export.quantization.calibration import RATES, from_session, synthetic
from export.quantization.precision import Precision
from export.quantize import calibrate, quantize
from rsnn.checkpoint import load_model
from rsnn.data.raster import random_raster
from rsnn.data.session import Session, load_session
from rsnn.data.split import split_session
from rsnn.evaluate import decode, respond
from rsnn.model import RSNN
from rsnn.published import import_published
from rsnn.training.config import Config, resolve
from rsnnctl.runs import folders
from rsnnctl.runs.jobs import parse_seeds
from rsnnctl.runs.quantizing import quantize_file
from sim.fast import runs
from sim.network import IntegerNetwork

STREAMS, STEPS = 8, 20_000
PTQ, QAT = (8, 6), (4, 3, 2)


def published_row(path: Path) -> dict[str, float]:
    """R2 against float32 of one published network: float16, calibrated, rounded to nearest."""
    model = import_published(path).float()
    n_inputs = model.architecture.n_inputs
    rasters = random_raster(STREAMS * STEPS, n_inputs, dt=0.004, rate=RATES[n_inputs], seed=11)
    rasters = rasters.reshape(STREAMS, STEPS, n_inputs)
    exact = respond(model, rasters).out.reshape(-1, 2)
    row = {"float16": r2_score(respond(model, rasters, "float16").out.reshape(-1, 2), exact)}
    calibration = synthetic(n_inputs, 0.004)  # of another seed
    for bits in (8, 6, 4):
        network = calibrate(model, Precision(bits=bits), calibration).network
        row[f"int{bits}"] = r2_score(_decoded(network, rasters), exact)
    for bits in (8, 6, 4):
        plain = quantize(model, Precision(bits=bits, scale="max"))
        row[f"plain{bits}"] = r2_score(_decoded(plain, rasters), exact)
    return row


def trained_row(model: RSNN, session: Session, path: Path, config: Config) -> dict[str, float]:
    """Test R2 that a trained network loses; those trained in integers are kept beside it."""
    test = split_session(session).test
    raster, velocity = session.raster[test], session.velocity[test]
    exact = r2_score(decode(model, raster)[0], velocity)

    def loss(network: IntegerNetwork) -> float:
        return exact - r2_score(network.readout.decode(runs.run(network, raster).out), velocity)

    row = {}
    for bits in PTQ:
        found = calibrate(copy.deepcopy(model), Precision(bits=bits), from_session(session))
        row[f"ptq{bits}"] = loss(found.network)
    for bits in QAT:
        target = path.with_name(f"qat{bits}.int.h5")
        done = quantize_file(path, Precision(bits=bits), config, output=target, resume=True)
        row[f"qat{bits}"] = loss(done.network)
    return row


def seed_row(seed: int, epochs: int) -> dict[str, float]:
    """Train, prune and quantize the network of a seed, in the working folder."""
    torch.set_num_threads(1)
    run_seed(seed, "tiny", "short", ())
    path = folders.ROOT / f"tiny-short-seed{seed}" / folders.MODEL
    model = load_model(path)[0].float()
    session = load_session(Path(f"session{seed}.mat"))
    config = resolve("short", settings=(f"qat.epochs={epochs}",), seed=seed)
    return trained_row(model, session, path, config)


def kept(name: str, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The result of `work`, from the file of this name where it was done before."""
    path = Path(f"{name}.json")
    if not path.exists():
        write_text(path, json.dumps(work()) + "\n")
    return json.loads(path.read_text())


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean of every column, and under `sd` the standard deviation."""
    sd = {key: float(np.std([row[key] for row in rows], ddof=1)) for key in rows[0]}
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} | {"sd": sd}


def _decoded(network: IntegerNetwork, rasters: np.ndarray) -> np.ndarray:
    found = runs.run_many(network, rasters)
    return np.concatenate([network.readout.decode(run.out) for run in found])


@click.command()
@click.option("--published", type=click.Path(path_type=Path), help="Folder of .pth files.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--seeds", default="1..5", show_default=True)
@click.option("--epochs", default=10, show_default=True, help="Epochs of training in integers.")
@click.option("--jobs", default=2, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    published: Path | None, folder: Path, seeds: str, epochs: int, jobs: int, as_json: bool
) -> None:
    """Print the table, one row per network, or the means as JSON."""
    paths = sorted(published.resolve().glob("*-tinyRSNN-*.pth")) if published else []
    if published and not paths:
        raise click.UsageError(f"{published}: holds no published weights, *-tinyRSNN-*.pth")
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    numbers = parse_seeds(seeds)
    parallel = joblib.Parallel(n_jobs=jobs)
    tables = {
        "published_r2": parallel(
            joblib.delayed(kept)(f"published-{p.stem}", lambda p=p: published_row(p)) for p in paths
        ),
        "loss": parallel(
            joblib.delayed(kept)(f"loss-{s}-{epochs}", lambda s=s: seed_row(s, epochs))
            for s in numbers
        ),
    }
    names = {"published_r2": [p.stem for p in paths], "loss": [f"seed {s}" for s in numbers]}
    if as_json:
        print(json.dumps({key: summary(rows) for key, rows in tables.items() if rows}, indent=2))
        return
    for key, rows in tables.items():
        if not rows:
            continue
        total = summary(rows)
        sd = total.pop("sd")
        print(f"\n| {key} | " + " | ".join(rows[0]) + " |\n|---" + "|---" * len(rows[0]) + "|")
        for name, row in [*zip(names[key], rows, strict=True), ("mean", total), ("sd", sd)]:
            print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in row.values()) + " |")


if __name__ == "__main__":
    main()
