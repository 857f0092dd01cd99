"""Pictures of first-spike networks: accuracies over epochs, times of spikes, and decisions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnnctl.plots.figure import plt, save

CURVES, SPIKES = "curves.png", "spikes.png"
_COLORS = {"train": "0.6", "validation": "tab:blue", "test": "tab:orange"}
_MOST_CLASSES = 20  # for which labels can be read


def plot_curves(runs: Sequence[Mapping[str, Sequence[float | None]]], path: Path) -> None:
    """Draw the accuracies of each epoch, a line per run; each part has a colour.

    Args:
        runs: of each, `train`, `validation` and `test`, None where there is none.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for number, run in enumerate(runs):
        for part, found in run.items():
            values = np.array(found, float)
            if np.isfinite(values).any():
                epochs = np.arange(1, len(values) + 1)
                label = part if number == 0 else None
                axis.plot(epochs, values, "-", lw=1, color=_COLORS[part], label=label)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("epoch")
    axis.set_ylabel("accuracy")
    axis.legend(frameon=False)
    save(figure, path)


def plot_spikes(network: FirstSpikeNetwork, samples: Samples, path: Path) -> None:
    """Draw the times of the first spike of each class, as densities, by the class of the sample.

    The earliest neuron of each class counts; the last column holds those that are silent.

    Args:
        network: the network.
        samples: to classify.
        path: path of the PNG.

    Raises:
        MismatchError: the samples have another number of inputs or ticks.
        FileError: the file cannot be written.
    """
    spikes, _, _ = network.respond(samples)
    first = spikes.reshape(len(spikes), network.n_classes, -1).min(2)
    n_bins = min(network.t_max, 64)
    edges = np.linspace(0, network.t_max, n_bins + 1)
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 4), sharey=True, width_ratios=(1, 1), layout="constrained"
    )
    own = samples.label[:, None] == np.arange(network.n_classes)
    densities = []
    for shown in (own, ~own):
        counts = np.zeros((network.n_classes, n_bins + 1))
        for c in range(network.n_classes):
            times = first[shown[:, c], c]
            counts[c, :-1] = np.histogram(times[times < network.t_max], edges)[0]
            counts[c, -1] = (times == network.t_max).sum()
        densities.append(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    titles = "samples of the class", "all other samples"
    for axis, density, title in zip(axes, densities, titles, strict=True):
        image = axis.imshow(
            density,
            aspect="auto",
            extent=(0, 1 + 1 / n_bins, network.n_classes - 0.5, -0.5),
            cmap="viridis",
            interpolation="none",
            vmin=0,
            vmax=max(each.max() for each in densities),
        )
        axis.axvline(1, color="white", lw=1)
        axis.set_title(title)
        axis.set_xlabel("first spike (sample's length; after the line: silent)")
    figure.colorbar(image, ax=axes, label="share of these samples")
    axes[0].set_ylabel("class of the neurons")
    if network.n_classes <= _MOST_CLASSES:
        axes[0].set_yticks(range(network.n_classes))
    save(figure, path)


def plot_confusion(counts: NDArray[np.int64], title: str, path: Path) -> None:
    """Draw how often each class was taken for each, as shares of its samples.

    Args:
        counts: samples by class and decision, (n, n).
        title: of the picture.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    n = len(counts)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(5.5, 4.8), layout="constrained")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    figure.colorbar(image, ax=axis, label="share of the class's samples")
    if n <= _MOST_CLASSES:
        axis.set_xticks(range(n))
        axis.set_yticks(range(n))
        for row, column in zip(*np.nonzero(counts), strict=True):
            axis.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if shares[row, column] > 0.5 else "black",
            )
    axis.set_xlabel("decision")
    axis.set_ylabel("class")
    axis.set_title(title, fontsize=9)
    save(figure, path)


def plot_decisions(curves: Mapping[str, tuple[NDArray, NDArray, NDArray]], path: Path) -> None:
    """Draw accuracy against the tick by which all samples must be decided, a line per network.

    Args:
        curves: by name, ticks, shares of samples decided by then, and shares right, (n_points,).
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for number, (name, (ticks, decided, right)) in enumerate(curves.items()):
        color = f"C{number}"
        axis.plot(ticks, right, "-", lw=1.2, color=color, label=f"{name}: right")
        axis.plot(ticks, decided, "--", lw=1, color=color, label="spiked by then")
    axis.set_ylim(0, 1)
    axis.set_xlabel("tick by which all samples must be decided")
    axis.set_ylabel("share of samples")
    axis.legend(frameon=False, fontsize=8)
    save(figure, path)
