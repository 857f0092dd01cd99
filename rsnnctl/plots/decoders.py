"""Pictures of decoders: decoded velocity and spikes, the cost of pruning, explored networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from base.metrics import r2_score
from rsnn.data.session import Session
from rsnn.data.stream import session_part
from rsnn.evaluate import decode
from rsnn.model import RSNN
from rsnn.training.prune_search import Attempt
from rsnnctl.plots.figure import plt, save
from sim.fast import runs
from sim.network import IntegerNetwork

_SECONDS = 20.0


def plot_decoded(model: RSNN, network: IntegerNetwork, session: Session, path: Path) -> None:
    """Draw the first 20 s of a session's test part: true and decoded velocity, and all spikes.

    Args:
        model: the float model.
        network: the integers made of it.
        session: a recording that both take.
        path: path of the PNG.

    Raises:
        MismatchError: the session is not the network's.
        FileError: the file cannot be written.
    """
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
    save(figure, path)


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
    save(figure, path)


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
    save(figure, path)
