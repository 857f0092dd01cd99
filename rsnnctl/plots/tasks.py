"""Pictures of networks of a task: the curve of the factor, trials, and networks side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from base.metrics import accuracy
from rsnn.rate.evaluate import Evaluation, Tally
from rsnn.rate.mapping import CONVERTED, Accuracy, Search
from rsnn.rate.network import DT
from rsnn.rate.populations import ALL, EXCITATORY, PV, SST
from rsnn.rate.task import Task
from rsnnctl.plots.figure import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, plt, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POPULATIONS = {EXCITATORY: RED, PV: BLUE, SST: GREEN, ALL: BLACK}
_INPUTS = (BLACK, ORANGE, SKY, GREEN)
_ANSWERS = (SKY, ORANGE, GREEN, RED)
_MARKERS = "os^vPX*h"
_RIGHT, _WRONG, _JUDGED = "0.6", PINK, "0.93"
_ALL: dict[str, Any] = {"color": BLACK, "marker": "D"}
_QUIET = {"color": "0.5", "ha": "center", "va": "center", "fontsize": "small"}
_MOST_LINES = 4  # conditions that a curve has lines for
_BURST = 10  # steps of 5 ms in which most units fire because of how membranes start
_DPI = 150


def plot_curve(found: Search, task: Task, path: Path) -> None:
    """Draw accuracy over the factor, with 95 % intervals, of all trials and of each condition.

    Args:
        found: the search.
        task: its task.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    figure, axis = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    factors = list(found.curve)
    names = task.conditions if len(task.conditions) <= _MOST_LINES else ()
    for name, style in _styles(task, names).items():
        shares = [each.by_condition().get(name, np.nan) for each in found.curve.values()]
        axis.plot(
            factors, shares, ls="--", lw=1, ms=4, mfc="white", label=f"{name} trials", **style
        )
    _with_intervals(
        axis, factors, list(found.curve.values()), color=BLACK, fmt="o-", label="all trials"
    )
    label = f"fresh trials ({found.fresh.n_trials})"
    best = [found.network.factor]
    _with_intervals(axis, best, [found.fresh], color=RED, fmt="D", label=label)
    axis.axhline(CONVERTED, color="0.6", lw=1, ls=":", zorder=0)
    _beside(axis, CONVERTED, f"converted:\n{CONVERTED:g}")
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("factor that weights are divided by (1/λ)")
    axis.set_ylabel("share of trials that are right")
    figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize="small")
    save(figure, path, dpi=_DPI)


def plot_trials(found: Evaluation, name: str, path: Path) -> None:
    """Draw what a network did: a column per condition, and from the top, inputs and units of its
    first trial, rates of populations, and outputs.

    Args:
        found: the network on its trials.
        name: of the network.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    tallies = list(found.tallies.values())
    figure, axes = plt.subplots(
        4,
        len(tallies),
        figsize=(1.6 + max(2.0, 6.0 / len(tallies)) * len(tallies), 7.5),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(0.6, 3, 1.5, 1.8),
        layout="constrained",
    )
    top = max(tally.first[1].max() for tally in tallies if tally.first is not None)
    figure.suptitle(f"{name}: {_in_words(found)}", fontsize="medium")
    for column, (condition, tally) in zip(axes.T, found.tallies.items(), strict=True):
        answer = found.task.answer(condition)
        asked = condition if answer == condition else f"{condition}, answer {answer}"
        column[0].set_title(f"{asked}\n{tally.right} of {tally.trials} right", fontsize="small")
        _inputs(column[0], tally)
        _units(column[1], found, tally, top)
        _rates(column[2], found, tally)
        _outputs(column[3], found, tally)
        column[3].set_xlabel("time (s)")
    unit = "rate (Hz)" if found.subject.is_spiking else "mean activation"
    for axis, label in zip(axes[:, 0], ("input", "unit", unit, "output"), strict=True):
        axis.set_ylabel(label)
    _name_populations(axes[1, 0], found)
    for axis in axes[1]:
        axis.tick_params(axis="y", length=0)
    axes[0, 0].set_xlim(0, tallies[0].course.shape[0] * DT)
    if not found.subject.is_spiking:
        figure.colorbar(axes[1, -1].images[0], ax=axes[1, -1], label="activation", pad=0.02)
    limits = found.task.limits
    for limit in limits:
        va = "bottom" if limit == max(limits) else "top" if limit == min(limits) else "center"
        _beside(axes[3, -1], limit, f"{limit:g}", va)
    figure.align_ylabels(axes[:, 0])
    several = range(found.task.n_inputs if found.task.n_inputs > 1 else 0)
    handles = [
        *(plt.Line2D([], [], color=_POPULATIONS[each], label=each) for each in found.populations),
        plt.Line2D([], [], color=_RIGHT, lw=0.8, label="right trial"),
        plt.Line2D([], [], color=_WRONG, lw=0.8, label="wrong trial"),
        plt.Line2D([], [], color=BLACK, lw=1.8, label="mean"),
        plt.Rectangle((0, 0), 1, 1, color=_JUDGED, label="judged"),
        plt.Line2D([], [], color=BLACK, lw=1, ls=":", label="limit"),
        *(plt.Line2D([], [], color=_input_color(k), lw=0.8, label=f"input {k}") for k in several),
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=8 if len(handles) <= 8 else len(handles),
        columnspacing=1.2,
        handlelength=1.5,
        frameon=False,
        fontsize="small",
    )
    save(figure, path, dpi=_DPI)


def plot_summary(evaluations: Mapping[str, Evaluation], path: Path) -> None:
    """Draw accuracy, and rates of populations in Hz, of networks of one task side by side.

    Args:
        evaluations: networks on the same trials, by name.
        path: path of the PNG.

    Raises:
        FileError: the file cannot be written.
    """
    first = next(iter(evaluations.values()))
    styles = _styles(first.task, list(first.tallies))
    spiking = [each for each in evaluations.values() if each.subject.is_spiking]
    populations = list(dict.fromkeys(name for each in spiking for name in each.populations))
    height = 1.6 + len(evaluations) * (0.3 + 0.13 * len(styles))
    figure, axes = plt.subplots(
        1,
        1 + len(populations),
        figsize=(5.2 + 2.2 * len(populations), height),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    rows = np.arange(len(evaluations))
    places = np.linspace(-0.3, 0.3, len(styles) + 1)  # of the conditions in a row, then of all
    for row, found in zip(rows, evaluations.values(), strict=True):
        for place, (condition, style) in zip(places, styles.items(), strict=False):
            tally = found.tallies[condition]
            _across(axes[0, 0], *_share(accuracy(tally.right, tally.trials)), row + place, **style)
            for axis, name in zip(axes[0, 1:], populations, strict=True):
                if found.subject.is_spiking and name in found.populations:
                    rates = tally.rates[found.populations[name]]
                    mean, sd = rates.mean(), rates.std()
                    _across(axis, mean, (mean - sd, mean + sd), row + place, **style)
        _across(axes[0, 0], *_share(found.accuracy), row + places[-1], **_ALL)
        for axis in axes[0, 1:] if not found.subject.is_spiking else ():
            axis.annotate(*("no spikes", (0.5, row)), xycoords=("axes fraction", "data"), **_QUIET)
    axes[0, 0].set_yticks(rows, list(evaluations))
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    axes[0, 0].set_xlabel("share of right trials,\nWilson's 95 % interval")
    for axis, name in zip(axes[0, 1:], populations, strict=True):
        axis.set_xlabel(f"{name} rate (Hz),\nmean and SD over units")
        axis.set_xlim(0, 1.05 * axis.dataLim.x1)
    for axis in axes[0]:
        axis.tick_params(axis="y", length=0)
        for edge in rows[:-1] + 0.5:
            axis.axhline(edge, color="0.85", lw=0.8)
    handles = [
        plt.Line2D([], [], ls="", ms=4, label=f"{name} trials", **style)
        for name, style in styles.items()
    ]
    handles.append(plt.Line2D([], [], ls="", ms=4, label="all trials", **_ALL))
    figure.legend(
        handles=handles, loc="outside upper right", ncols=5, frameon=False, fontsize="small"
    )
    save(figure, path, dpi=_DPI)


def _styles(task: Task, conditions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, by the right answer, and marker of each condition."""
    answers = list(dict.fromkeys(map(task.answer, task.conditions)))
    return {
        name: {
            "color": _ANSWERS[answers.index(task.answer(name)) % len(_ANSWERS)],
            "marker": _MARKERS[task.conditions.index(name) % len(_MARKERS)],
        }
        for name in conditions
    }


def _with_intervals(
    axis: "Axes", factors: Sequence[float], found: Sequence[Accuracy], **style: Any
) -> None:
    share = np.array([each.share for each in found])
    ends = np.array([each.interval for each in found]).T
    axis.errorbar(factors, share, np.abs(ends - share), lw=1.3, ms=5, capsize=2.5, **style)


def _across(
    axis: "Axes", value: float, ends: tuple[float, float], row: float, *, color: str, marker: str
) -> None:
    """A value and its interval in a row."""
    sides = [[value - ends[0]], [ends[1] - value]]
    axis.errorbar(value, row, xerr=sides, fmt=marker, color=color, ms=4, lw=1, capsize=2)


def _share(found: Mapping[str, float]) -> tuple[float, tuple[float, float]]:
    return found["accuracy"], (found["low"], found["high"])


def _in_words(found: Evaluation) -> str:
    right = sum(tally.right for tally in found.tallies.values())
    low, high = (100 * found.accuracy[end] for end in ("low", "high"))
    return f"{right} of {found.trials} trials right (95 % interval {low:.1f} to {high:.1f} %)"


def _seconds(values: np.ndarray) -> np.ndarray:
    """The end of each step of 5 ms."""
    return np.arange(1, len(values) + 1) * DT


def _inputs(axis: "Axes", tally: Tally) -> None:
    assert tally.first is not None  # of a condition that was drawn
    u = tally.first[0]
    for channel, values in enumerate(u.T):
        seconds, color = np.arange(len(u)) * DT, _input_color(channel)
        axis.plot(seconds, values, color=color, lw=0.8, drawstyle="steps-post")


def _input_color(channel: int) -> str:
    return _INPUTS[channel % len(_INPUTS)]


def _units(axis: "Axes", found: Evaluation, tally: Tally, top: float) -> None:
    """Spikes of the first trial, or activations between 0 and `top`."""
    assert tally.first is not None
    activity = tally.first[1]
    if not found.subject.is_spiking:
        order = np.concatenate(list(found.populations.values()))
        extent = (DT, (len(activity) + 1) * DT, len(order), 0)
        axis.imshow(
            activity[:, order].T, aspect="auto", cmap="Greys", extent=extent, vmin=0, vmax=top
        )
    begin = 0
    for name, units in found.populations.items():
        if found.subject.is_spiking:
            bins, rows = np.nonzero(activity[:, units])
            axis.plot((bins + 1) * DT, begin + rows + 0.5, ".", ms=1.5, color=_POPULATIONS[name])
        begin += len(units)
        axis.axhline(begin, color="0.7", lw=0.6)
    axis.set_ylim(begin, 0)


def _rates(axis: "Axes", found: Evaluation, tally: Tally) -> None:
    course = tally.course
    for name, rates in zip(found.populations, course.T, strict=True):
        axis.plot(_seconds(course), rates, color=_POPULATIONS[name], lw=1)
    shown = course[_BURST:] if found.subject.is_spiking else course
    before = axis.get_ylim()[1] if axis.get_ylim()[0] == 0 else 0.0  # of conditions on the left
    axis.set_ylim(0, max(before, 1.1 * shown.max()))


def _outputs(axis: "Axes", found: Evaluation, tally: Tally) -> None:
    seconds = _seconds(tally.outs[0][0])
    axis.axvspan(found.subject.judged_from, seconds[-1], color=_JUDGED, lw=0, zorder=0)
    for out, is_right in tally.outs:
        color, width, order = (_RIGHT, 0.5, 1) if is_right else (_WRONG, 0.8, 2)
        axis.plot(seconds, out, color=color, lw=width, zorder=order)
    axis.plot(seconds, tally.mean_out, color=BLACK, lw=1.8, zorder=3)
    for limit in found.task.limits:
        axis.axhline(limit, color=BLACK, lw=1, ls=":", zorder=4)


def _name_populations(axis: "Axes", found: Evaluation) -> None:
    sizes = [len(units) for units in found.populations.values()]
    middles = np.cumsum(sizes) - np.array(sizes) / 2
    names = [f"{name} ({size})" for name, size in zip(found.populations, sizes, strict=True)]
    axis.set_yticks(middles, names)
    for label, name in zip(axis.get_yticklabels(), found.populations, strict=True):
        label.set_color(_POPULATIONS[name])


def _beside(axis: "Axes", height: float, text: str, va: str = "center") -> None:
    """A text at the right edge."""
    axis.annotate(
        text,
        (1, height),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va=va,
        fontsize="small",
    )
