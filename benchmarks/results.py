"""Train, prune and measure decoders on synthetic sessions of 20 minutes, one for each seed.

    python benchmarks/results.py --folder results --seeds 1..5

Session k and network k come from seed k. Everything is kept in the folder: repeating an
interrupted call continues it. Prints the table of docs/results.md; `--json` prints its rows.
"""

import json
import os
import sys
from pathlib import Path

import click
import numpy as np

from rsnn.checkpoint import load_model
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize
from rsnn.evaluate import evaluate
from rsnn.training.config import resolve
from rsnnctl.runs import folders
from rsnnctl.runs.folders import UNPRUNED
from rsnnctl.runs.jobs import parse_seeds, start_all
from rsnnctl.runs.pruning import prune_run
from rsnnctl.runs.training import train_config, train_run


def measured(path: Path, session_path: Path) -> dict[str, float]:
    """Figures of a model on a session's test part."""
    session = load_session(session_path)
    steps = split_session(session).test
    metrics = evaluate(load_model(path)[0], session.raster[steps], session.velocity[steps])
    return {
        "test_r2": metrics.r2,
        "connection_sparsity": metrics.connection_sparsity,
        "activation_sparsity": metrics.activation_sparsity,
        "effective_acs": metrics.effective_acs,
    }


def run_seed(seed: int, model: str, recipe: str, settings: tuple[str, ...]) -> list[dict]:
    """Rows of one seed: the trained network and, for tiny, the pruned one."""
    session = Path(f"session{seed}.mat")
    if not session.exists():
        synthesize(session, minutes=20.0, seed=seed)
    name = f"{model}-{recipe}-seed{seed}"
    folder = folders.ROOT / name
    if not folder.exists():
        start_all(
            sessions=[session],
            preset=model,
            recipe=recipe,
            config=None,
            settings=settings,
            epochs=None,
            kernel=None,
            device=None,
            seeds=str(seed),
            pretrain=False,
            name=name,
        )
    if folder in folders.unfinished():
        train_run(folder, lambda record: None)
    rows = []
    trained = folder / folders.MODEL
    if model == "tiny":
        if not (folder / "pruning.json").exists():
            config = resolve(files=[folder / "config.toml"], settings=settings)
            prune_run(
                trained,
                config,
                fraction=None,
                output=None,
                resume=True,
                report=lambda record: None,
            )
        rows.append({"network": "tiny, pruned", **measured(trained, session)})
        trained = folder / UNPRUNED
    rows.insert(0, {"network": model, **measured(trained, session)})
    epochs = train_config(folder).training.epochs
    return [{"seed": seed, "epochs": epochs, **row} for row in rows]


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--seeds", default="1..5", show_default=True)
@click.option("--model", default="tiny", show_default=True)
@click.option("--recipe", default="short", show_default=True)
@click.option("--set", "settings", multiple=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    folder: Path, seeds: str, model: str, recipe: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Print one row per seed and network, then mean and sd of each network."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    rows = []
    for seed in parse_seeds(seeds):
        rows += run_seed(seed, model, recipe, settings)
        print(f"seed {seed}: {rows[-1]}", file=sys.stderr, flush=True)
    for network in dict.fromkeys(row["network"] for row in rows):
        same = [row for row in rows if row["network"] == network]
        keys = [key for key in same[0] if key not in ("seed", "epochs", "network")]
        if len(same) < 2:
            continue
        for name, figure in (("mean", np.mean), ("sd", lambda v: np.std(v, ddof=1))):
            values = {key: float(figure([row[key] for row in same])) for key in keys}
            fixed = {"seed": name, "epochs": same[0]["epochs"], "network": network}
            rows.append(fixed | values)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows:
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
