"""What is in the pictures of networks of a task: units, populations, limits, windows, values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rate_networks import random_rate_network

from rsnn.rate.evaluate import evaluate
from rsnn.rate.mapping import search
from rsnn.rate.populations import populations_of
from rsnn.rate.responses import lif_subject, rate_subject
from rsnn.rate.spiking import mapped
from rsnn.rate.tasks import find_task
from rsnnctl.plots import figure as saving
from rsnnctl.plots import tasks as plots

pytestmark = pytest.mark.slow  # layouts take seconds
GO_NOGO = find_task("go-nogo")
POPULATIONS = {name: np.array(u) for name, u in populations_of(random_rate_network()).items()}


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Call a function that draws; the figure that it saves, and its file."""
    figures = []

    def save(figure, path, *, dpi):
        figure.savefig(path, dpi=dpi)
        figures.append(figure)

    monkeypatch.setattr(plots, "save", save)

    def call(draw, *arguments):
        draw(*arguments, tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    yield call
    for figure in figures:
        saving.plt.close(figure)


def spiking(n_trials=6, task=GO_NOGO, network=None):
    network = mapped(network or random_rate_network(), 2.0, downsample=10)
    subject = lif_subject(network, task, 0.1)
    return evaluate(subject, task, n_trials, seed=[1], populations=POPULATIONS)


def legend_of(figure) -> list[str]:
    (legend,) = figure.legends
    assert not any(axis.get_legend() for axis in figure.axes)
    box = legend.get_window_extent()
    assert not any(box.overlaps(axis.get_window_extent()) for axis in figure.axes)
    return [text.get_text() for text in legend.get_texts()]


def lines_at(axis) -> set[float]:
    """Heights of dotted horizontal lines."""
    return {float(line.get_ydata()[0]) for line in axis.lines if line.get_linestyle() == ":"}


def test_trials_of_a_spiking_network(drawn):
    found = spiking()
    figure = drawn(plots.plot_trials, found, "a.lif.h5")
    assert figure.get_suptitle().startswith("a.lif.h5: ")
    right = sum(tally.right for tally in found.tallies.values())
    assert f"{right} of 6 trials right (95 % interval " in figure.get_suptitle()
    assert len(figure.axes) == 8
    labels = [axis.get_ylabel() for axis in figure.axes[::2]]
    assert labels == ["input", "unit", "rate (Hz)", "output"]
    assert [axis.get_xlabel() for axis in figure.axes[6:]] == ["time (s)"] * 2
    assert figure.axes[0].get_xlim() == (0, 1.0)
    assert legend_of(figure) == [
        *("E", "PV", "SST", "right trial", "wrong trial", "mean", "judged", "limit")
    ]
    for column, (condition, tally) in enumerate(found.tallies.items()):
        first, units, rates, out = figure.axes[column::2]
        assert first.get_title() == f"{condition}\n{tally.right} of {tally.trials} right"
        assert np.array_equal(first.lines[0].get_ydata(), tally.first[0][:, 0])
        dots = [line for line in units.lines if line.get_marker() == "."]
        assert len({line.get_color() for line in dots}) == 3
        counts = [len(line.get_xdata()) for line in dots]
        spikes = tally.first[1] > 0
        assert counts == [int(spikes[:, u].sum()) for u in POPULATIONS.values()]
        assert set(dots[1].get_ydata()) <= {8.5, 9.5}  # PV, below 8 of E
        assert [line.get_color() for line in rates.lines] == [line.get_color() for line in dots]
        for line, course in zip(rates.lines, tally.course.T, strict=True):
            assert np.array_equal(line.get_ydata(), course)
            assert line.get_xdata()[0] == 0.005
        assert lines_at(out) == {0.7, 0.3}
        (window,) = out.patches
        assert (window.get_x(), window.get_x() + window.get_width()) == pytest.approx((0.5, 1.0))
        colors = [line.get_color() for line in out.lines[: tally.trials]]
        assert colors.count("0.6") == tally.right
        assert len({*colors, "0.6"} - {"0.6"}) <= 1
    ticks = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert ticks == ["E (8)", "PV (2)", "SST (2)"]
    assert [text.get_text() for text in figure.axes[7].texts] == ["0.7", "0.3"]


def test_activations_of_a_rate_network_have_a_scale(drawn):
    subject = rate_subject(random_rate_network(), GO_NOGO)
    found = evaluate(subject, GO_NOGO, 4, seed=[1], populations=POPULATIONS)
    figure = drawn(plots.plot_trials, found, "a.rsnn.h5")
    assert len(figure.axes) == 9
    assert figure.axes[8].get_ylabel() == "activation"
    assert figure.axes[4].get_ylabel() == "mean activation"
    order = np.concatenate(list(POPULATIONS.values()))
    top = max(tally.first[1].max() for tally in found.tallies.values())
    for axis, tally in zip(figure.axes[2:4], found.tallies.values(), strict=True):
        (image,) = axis.images
        assert np.array_equal(image.get_array(), tally.first[1][:, order].T)
        assert image.get_clim() == (0, top)
    (window,) = figure.axes[6].patches
    assert window.get_x() == pytest.approx(0.38)


def test_inputs_and_answers_of_other_tasks_are_named(drawn):
    xor = find_task("xor")
    found = spiking(12, xor, random_rate_network(n_inputs=2, task="xor"))
    figure = drawn(plots.plot_trials, found, "a.lif.h5")
    titles = [axis.get_title().split("\n")[0] for axis in figure.axes[:4]]
    assert titles == ["++, answer +1", "+-, answer -1", "-+, answer -1", "--, answer +1"]
    assert legend_of(figure)[-2:] == ["input 0", "input 1"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 2
    assert lines_at(figure.axes[12]) == {0.7, -0.7}


def test_the_burst_at_the_start_leaves_the_axis_of_rates(drawn):
    found = spiking()
    tally = found.tallies["go"]
    burst = np.zeros((200, 3))
    burst[3], burst[50:] = 300.0, 10.0
    tally._course = burst * tally.trials / tally.scale
    still = replace(found, tallies={"go": tally})
    figure = drawn(plots.plot_trials, still, "a.lif.h5")
    assert figure.axes[2].get_ylim() == (0, pytest.approx(11))


def test_networks_are_drawn_side_by_side_with_intervals(drawn):
    subject = rate_subject(random_rate_network(), GO_NOGO)
    still = evaluate(subject, GO_NOGO, 6, seed=[1], populations=POPULATIONS)
    found = {"rates": still, "spikes": spiking()}
    figure = drawn(plots.plot_summary, found)
    shares, *rates = figure.axes
    assert [label.get_text() for label in shares.get_yticklabels()] == ["rates", "spikes"]
    assert [axis.get_xlabel().split(",")[0] for axis in figure.axes] == [
        *("share of right trials", "E rate (Hz)", "PV rate (Hz)", "SST rate (Hz)")
    ]
    assert legend_of(figure) == ["go trials", "nogo trials", "all trials"]
    values = [bar.lines[0].get_xdata()[0] for bar in shares.containers]
    assert values == [
        value
        for each in found.values()
        for value in (
            *(tally.right / tally.trials for tally in each.tallies.values()),
            each.accuracy["accuracy"],
        )
    ]
    low, high = shares.containers[-1].lines[2][0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx(
        (found["spikes"].accuracy["low"], found["spikes"].accuracy["high"])
    )
    for axis, units in zip(rates, POPULATIONS.values(), strict=True):
        assert [text.get_text() for text in axis.texts] == ["no spikes"]
        means = [bar.lines[0].get_xdata()[0] for bar in axis.containers]
        tallies = found["spikes"].tallies.values()
        assert means == [pytest.approx(tally.rates[units].mean()) for tally in tallies]
        low, high = axis.containers[0].lines[2][0].get_segments()[0][:, 0]
        sd = found["spikes"].tallies["go"].rates[units].std()
        assert (high - low) / 2 == pytest.approx(sd)
        assert axis.get_xlim()[0] == 0


def test_the_curve_shows_conditions_and_fresh_trials(drawn):
    words = {"n_trials": 6, "n_fresh": 5, "seed": 1, "downsample": 20}
    found = search(random_rate_network(), GO_NOGO, (2.0, 4.0), **words)
    figure = drawn(plots.plot_curve, found, GO_NOGO)
    (axis,) = figure.axes
    assert axis.get_xlabel() == "factor that weights are divided by (1/λ)"
    assert axis.get_ylabel() == "share of trials that are right"
    assert legend_of(figure) == ["go trials", "nogo trials", "all trials", "fresh trials (5)"]
    go, nogo = axis.lines[:2]
    curve = list(found.curve.values())
    assert list(go.get_ydata()) == [each.by_condition().get("go") for each in curve]
    assert list(nogo.get_xdata()) == [2.0, 4.0]
    every, fresh = (container.lines[0] for container in axis.containers)
    assert list(every.get_ydata()) == [each.share for each in curve]
    assert (list(fresh.get_xdata()), list(fresh.get_ydata())) == (
        [found.network.factor],
        [found.fresh.share],
    )
    ends = axis.containers[0].lines[2][0].get_segments()
    assert [tuple(each[:, 1]) for each in ends] == [pytest.approx(each.interval) for each in curve]
    assert lines_at(axis) == {0.95}


def test_a_curve_of_many_conditions_has_no_line_for_each(drawn):
    mante = find_task("mante")
    network = random_rate_network(n_inputs=4, task="mante")
    words = {"n_trials": 2, "n_fresh": 2, "seed": 1, "downsample": 40}
    figure = drawn(plots.plot_curve, search(network, mante, (2.0,), **words), mante)
    assert legend_of(figure) == ["all trials", "fresh trials (2)"]


def test_a_picture_is_whole_and_undated(tmp_path):
    found = spiking(2)
    for name in ("a.png", "b.png"):
        plots.plot_trials(found, "a", tmp_path / name)
    written = [(tmp_path / name).read_bytes() for name in ("a.png", "b.png")]
    assert written[0] == written[1]
    assert sorted(path.name for path in Path(tmp_path).iterdir()) == ["a.png", "b.png"]
