"""Pictures of first-spike networks: accuracies over epochs, and when neurons of each class fire."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

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
