"""Plots of a run: decoded velocity and spikes, the cost of pruning, the results of exploring."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from base.extras import extra
from base.files import atomic_path
from base.metrics import r2_score
from rsnn.checkpoint import load_model
from rsnn.data.session import load_session
from rsnn.data.stream import session_part
from rsnn.evaluate import decode
from rsnn.training.prune_search import Attempt
from rsnnctl.runs import folders
from sim.artifact import load_network
from sim.fast import runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

plt = extra("matplotlib.pyplot", "plot", "a picture")
plt.switch_backend("agg")  # needs no display

PICTURE = "decoded.png"
_SECONDS = 20.0


def plot_decoded(folder: Path) -> Path:
    """Draw the first 20 s of a run's test part: true, float and integer velocity, and all spikes.

    Args:
        folder: a run with a session, a model and a network.

    Returns:
        The path of the PNG in that folder.

    Raises:
        FileError, DataError: one of them is missing or cannot be read.
    """
    network = load_network(folder / folders.NETWORK)
    model, _ = load_model(folder / folders.MODEL)
    session = load_session(folders.needed_session(folder / folders.NETWORK, None))
    raster, velocity = session_part(session, network)
    run = runs.run(network, raster, record=True)
    assert run.trace is not None  # recorded above
    decoded = {
        "float32": decode(model, raster)[0],
        f"int{network.contract.weight_bits}": network.readout.decode(run.out),
    }
    shown = slice(0, round(_SECONDS / network.dt))
    seconds = np.arange(len(raster))[shown] * network.dt
    figure, axes = plt.subplots(
        4, 1, figsize=(10, 7), sharex=True, height_ratios=(2, 2, 1.2, 1.2), layout="constrained"
    )
    per_second = 1.0 / network.dt
    for axis, coordinate, name in zip(axes[:2], (0, 1), "xy", strict=True):
        axis.plot(seconds, velocity[shown, coordinate] * per_second, "0.7", lw=3, label="true")
        for label, values in decoded.items():
            r2 = r2_score(values, velocity)
            text = f"{label}, test R2 {r2:.3f}"
            axis.plot(seconds, values[shown, coordinate] * per_second, lw=1, label=text)
        axis.set_ylabel(f"{name} velocity (mm/s)")
    axes[0].legend(loc="upper right", ncols=3, frameon=False)
    hidden = run.trace.variables["hidden0.spk"]
    for axis, spikes, name in zip(
        axes[2:], (raster, hidden), ("input channel", "hidden neuron"), strict=True
    ):
        steps, units = np.nonzero(spikes[shown])
        axis.plot(steps * network.dt, units, "k,")
        axis.set_ylabel(name)
    axes[-1].set_xlabel("time (s)")
    target = folder / PICTURE
    _save(figure, target)
    return target


def plot_search(attempts: Sequence[Attempt], path: Path) -> None:
    """Draw R2 over the pruned fraction; accepted and refused attempts are marked.

    Raises:
        FileError: the file cannot be written.
    """
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    ordered = sorted(attempts, key=lambda attempt: attempt.fraction)
    fractions = [attempt.fraction for attempt in ordered]
    for name, values in (
        ("train", [attempt.train_r2 for attempt in ordered]),
        ("validation", [attempt.validation_r2 for attempt in ordered]),
    ):
        (line,) = axis.plot(fractions, values, "-", lw=1, label=name)
        for attempt, value in zip(ordered, values, strict=True):
            face = line.get_color() if attempt.is_accepted else "white"
            axis.plot(attempt.fraction, value, "o", color=line.get_color(), mfc=face)
    axis.set_xlabel("pruned fraction of each weight matrix (open: beyond tolerance)")
    axis.set_ylabel("R2 after retraining")
    axis.legend(frameon=False)
    _save(figure, path)


def plot_explored(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw test R2 over the costs of networks, one panel per cost; the Pareto front is filled.

    Args:
        rows: as `rsnnctl.runs.exploring.explore` returns them.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    costs = {
        "stored_bits": "bits stored",
        "energy_pj": "estimated energy (pJ per step)",
        "effective_acs": "effective ACs per step",
    }
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
    widths = sorted({row["bits"] for row in rows})
    colors = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(widths)))
    for axis, (cost, name) in zip(axes, costs.items(), strict=True):
        for bits, color in zip(widths, colors, strict=True):
            for row in (row for row in rows if row["bits"] == bits):
                face = color if row["pareto"] else "white"
                axis.plot(row[cost], row["test_r2"], "o", color=color, mfc=face)
            axis.plot([], [], "o", color=color, label=f"{bits} bits")
        axis.set_xlabel(name)
    axes[0].set_ylabel("test R2 (filled: nothing beats it)")
    axes[-1].legend(frameon=False)
    _save(figure, path)


def plot_curve(curve: Mapping[float, Mapping[str, float]], path: Path) -> None:
    """Draw the accuracy of a mapped rate network over the factor, with 95 % intervals.

    Args:
        curve: by factor, `accuracy`, `low` and `high`.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    share = np.array([row["accuracy"] for row in curve.values()])
    ends = np.array([[row[name] for row in curve.values()] for name in ("low", "high")])
    axis.errorbar(list(curve), share, np.abs(ends - share), fmt="ko-", lw=1, capsize=3)
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("factor that weights are divided by (1 / lambda)")
    axis.set_ylabel("trials that are right")
    _save(figure, path)


def _save(figure: "Figure", path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
