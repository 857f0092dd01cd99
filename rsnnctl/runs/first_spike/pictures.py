"""Pictures of runs of first-spike networks; matplotlib is imported only when one is drawn."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from rsnn.first_spike.file import load_history, load_network
from rsnnctl.runs import folders
from rsnnctl.runs.first_spike.training import parts_of


def check() -> None:
    """Refuse pictures before any work if they cannot be drawn.

    Raises:
        ToolError: matplotlib is not installed.
    """
    import_module("rsnnctl.plots.figure")


def draw(folder: Path) -> None:
    """Draw `curves.png` and `spikes.png` in the folder of a finished run.

    Raises:
        FileError: its model cannot be read, or a picture cannot be written.
        RsnnError: its samples cannot be read any more.
    """
    from rsnnctl.plots.first_spike import CURVES, SPIKES, plot_curves, plot_spikes

    path = folder / folders.MODEL
    network, _ = load_network(path)
    history = load_history(path)
    names = ("train", "validation", "test")
    plot_curves([{n: history[f"{n}_accuracy"].tolist() for n in names}], folder / CURVES)
    plot_spikes(network, parts_of(folder).test, folder / SPIKES)


def draw_curves(curves: Sequence[Mapping[str, Sequence[float | None]]], path: Path) -> None:
    """Draw the accuracies of all runs of a search.

    Raises:
        FileError: the picture cannot be written.
    """
    from rsnnctl.plots.first_spike import plot_curves

    plot_curves(curves, path)
