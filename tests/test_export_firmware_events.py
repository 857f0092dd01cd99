"""C that takes events one by one: the first spikes of the step, and the class as it is known."""

import ctypes
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from first_spike_networks import T, drawn
from networks import random_network

from base.errors import MismatchError, ToolError, UnsupportedError
from export.firmware import templates
from export.firmware.decoder import FLAGS, compile_replay, export_c
from export.firmware.events import replay
from export.firmware.events.code import check, fewest_events, has_events, replay_source
from export.firmware.events.replay import check_sample, replay_samples, run_backend
from export.firmware.written import open_written
from sim import reference
from sim.fast.first_spikes import first_spikes
from sim.trace import count_differences
from sim.verify import verify

RIGHT = templates.template


def plant(monkeypatch, right, wrong):
    """Export other C: one text instead of another, which is there once."""

    def template(name):
        text = RIGHT(name)
        if name == "first_spikes.c":
            assert text.count(right) == 1
            text = text.replace(right, wrong)
        return text

    monkeypatch.setattr(templates, "template", template)


def played(network, rasters, folder):
    program = compile_replay(network, folder, main=replay_source)
    return replay_samples(network, rasters, [str(program)], folder)


@pytest.mark.slow  # compiles C
@pytest.mark.parametrize("frac_bits", [0, 2])
@pytest.mark.parametrize("fires_when", [">", ">="])
@pytest.mark.parametrize("kept", [1.0, 0.15])
def test_first_spikes_and_potentials_are_those_of_the_step(kept, fires_when, frac_bits):
    rng = np.random.default_rng(frac_bits)
    network, _, raster = drawn(1, fires_when=fires_when, frac_bits=frac_bits)
    layer = network.layers[0]
    step = layer.lead_step.astype(int) << frac_bits
    changed = {
        "w_in": layer.w_in * (rng.random(layer.w_in.shape) < kept),
        "threshold": (np.arange(10) * round(30 * kept) - 9) << frac_bits,
        "lead_step": step,
        "lead_start": T * step,
    }
    network = replace(network, layers=(layer.replaced(changed),))
    again = np.concatenate([raster, raster[::-1]])  # events after the first, and after the sample
    late = np.concatenate([raster * 0, np.ones((2, 24), np.uint8)])
    for sample in (raster, again, raster * 0, late, raster * 0 + 1):
        whole = reference.run(network, sample)
        assert count_differences(whole, run_backend(network, sample)) == 0
    assert whole.variables["readout.fired"][-1].sum() > 0


@pytest.mark.slow  # compiles C
def test_ties_are_decided_by_potentials_and_then_by_the_first_neuron(tmp_path):
    network, _, raster = drawn(0)
    layer = network.layers[0].replaced({"label": np.array([7, 3, 9, 1, 4, 0, 2, 8, 5, 6])})
    alike = {"w_in": np.full((10, 24), 30), "threshold": np.full(10, 100)}
    higher = {"w_in": alike["w_in"] + np.array([0, 1, 5, 5, 0, 0, 0, 0, 0, 0])[:, None]}
    late = {"threshold": np.array([99, 99, 999, 40, 99, 99, 99, 99, 99, 40])}
    silent = {"threshold": np.full(10, 1 << 14), "w_in": higher["w_in"]}
    decided = []
    for changed in (alike, alike | higher, alike | late, silent):
        same = replace(network, layers=(layer.replaced(changed),))
        (found,) = played(same, [raster], tmp_path)
        trace = reference.run(same, raster)
        assert (found.v == trace.variables["readout.v"][-1]).all()
        assert found.at_end.decided == same.readout.decode(trace.variables["readout.out"])[-1, 0]
        decided.append(found.at_end.decided)
    assert decided == [7, 9, 1, 9]


@pytest.mark.slow  # compiles C
def test_a_caller_may_stop_at_the_first_spike_or_when_all_have_fired(tmp_path):
    """The samples run one after the other, so each has to begin anew."""
    network, _, raster = drawn(2)
    easy = network.layers[0].replaced({"threshold": np.arange(10) * 20 - 20})
    silent = network.layers[0].replaced({"threshold": np.full(10, 1 << 14)})
    for layer, n_fired in ((network.layers[0], 5), (easy, 10), (silent, 0)):
        some = replace(network, layers=(layer,))
        rasters = [raster, raster * 0, raster[::-1], raster]
        for sample, found in zip(rasters, played(some, rasters, tmp_path), strict=True):
            tick, index = np.nonzero(sample)
            right = first_spikes(some, [0, len(tick)], index, tick)
            assert (found.t == right.t).all()
            assert (found.v == right.v).all()
            assert found.at_end.decided == right.classes(some)[0]
            assert found.at_end.n_events == len(tick)
            for stop, last in ((found.at_first, right.t.min()), (found.at_all, right.t.max())):
                assert stop.decided == found.at_end.decided
                known = np.flatnonzero(tick > last)  # events from which on that spike is known
                assert stop.n_events == (known[0] + 1 if known.size else len(tick))
        assert abs((right.t < T).sum() - n_fired) < 5


@pytest.mark.parametrize("fires_when", [">", ">="])
@pytest.mark.parametrize("frac_bits", [0, 3])
def test_no_neuron_fires_with_fewer_events_than_comparisons_wait_for(fires_when, frac_bits):
    """Against every subset of the inputs; the second neuron needs two of its three weights."""
    network, _, _ = drawn(0, n=2, n_inputs=4, fires_when=fires_when, frac_bits=frac_bits)
    weights = np.array([[9, -5, 2, 3], [-1, 7, 7, 7]])
    step = np.full(2, 1 << 9)
    subsets = np.array([[k >> i & 1 for i in range(4)] for k in range(16)])
    sums = subsets @ weights.T << frac_bits
    found = set()
    for first, second in ((500, 80), (72, 500), (9, 14), (8, 13), (0, 0), (-1, 99), (14, 21)):
        threshold = np.array([first, second])
        changed = {"w_in": weights, "threshold": threshold, "lead_step": step}
        layer = network.layers[0].replaced(changed | {"lead_start": T * step})
        fires = (sums >= threshold) if fires_when == ">=" else (sums > threshold)
        right = min([*subsets.sum(1)[fires.any(1)].tolist(), 5])
        assert fewest_events(replace(network, layers=(layer,))) == right
        found.add(right)
    assert len(found) >= 3


@pytest.mark.slow  # compiles C
def test_a_class_that_is_not_that_of_the_spikes_is_refused(monkeypatch):
    network, _, raster = drawn(4)
    plant(monkeypatch, "@LABEL@", "@LABEL@ + 1")
    text = (
        r"^after the first spike the C decides on class (\d), though its first spikes and"
        r" potentials are those of class (\d)$"
    )
    with pytest.raises(MismatchError, match=text) as error:
        run_backend(network, raster)
    found, right = map(int, re.findall(r"class (\d)", str(error.value)))
    assert found == right + 1


def test_the_functions_are_there_only_where_they_compute_the_network(tmp_path):
    network, _, _ = drawn(3)
    header, source = (path.read_text() for path in export_c(network, tmp_path))
    assert "uint16_t rsnn_event(rsnn_sample *sample, uint16_t channel, uint16_t step);" in header
    assert f"#define rsnn_N_STEPS {T}u" in header
    assert "readout_label" in source
    leaking, _, _ = drawn(3, leak=True)
    assert not has_events(leaking)
    header, source = (path.read_text() for path in export_c(leaking, tmp_path))
    assert "rsnn_event" not in header + source
    assert "readout_label" not in source
    with pytest.raises(UnsupportedError, match="potentials leak"):
        run_backend(leaking, np.zeros((T, 24), np.uint8))
    layer = network.layers[0]
    long = layer.replaced({"lead_start": (1 << 16) * layer.lead_step.astype(int)})
    with pytest.raises(UnsupportedError, match="a sample has 65536 steps; C counts up to 65535"):
        check(replace(network, layers=(long,)))


@pytest.mark.slow  # compiles C
def test_exported_c_is_run_event_by_event_as_it_is(tmp_path, monkeypatch):
    network, _, raster = drawn(3)
    _, source = export_c(network, tmp_path, "own")
    found = verify(network, [raster, raster[::-1]], open_written([source], network))
    assert {name: each.words for name, each in found.backends.items()} == {
        "c": 2 * T * 50,
        "c-events": 2 * 20,
    }
    assert found.differences == 0
    ways = open_written([source], network)
    text = source.read_text()
    source.write_text(text.replace("sample->v[i] = sample->sum[i]", "sample->v[i] = 7"))
    found = verify(network, [raster], ways)
    assert [each.differences > 0 for each in found.backends.values()] == [False, True]
    short = verify(network, [raster[:-1]], ways)
    assert short.not_run == {"c-events": "the input has 15 steps, a sample 16"}
    other = random_network(np.random.default_rng(0))
    _, source = export_c(other, tmp_path, "other")
    assert list(open_written([source], other)) == ["c"]


def test_an_input_shorter_than_a_sample_is_refused():
    network, _, raster = drawn(5)
    check_sample(network, T)
    with pytest.raises(UnsupportedError, match=r"^the input has 15 steps, a sample 16$"):
        run_backend(network, raster[:-1])


def test_a_program_that_fails_is_named(monkeypatch, tmp_path):
    network, _, raster = drawn(4)
    with pytest.raises(ToolError, match=r"^false ended with status 1 amid the events$"):
        replay_samples(network, [raster], ["false"], tmp_path)
    with pytest.raises(ToolError, match=r"^true ended with status 0 amid the events$"):
        replay_samples(network, [raster], ["true"], tmp_path)
    monkeypatch.setattr(replay, "_SILENCE", 0.1)
    with pytest.raises(ToolError, match=r"^sleep has been silent for 0\.1 s$"):
        replay_samples(network, [raster], ["sleep", "9"], tmp_path)


@pytest.mark.slow  # compiles C
@pytest.mark.parametrize("kept", [1.0, 0.15])
def test_a_step_takes_bits_of_inputs_alone_and_each_input_once(kept, tmp_path):
    network, _, _ = drawn(6, n_inputs=13)
    layer = network.layers[0]
    few = layer.w_in * (np.random.default_rng(0).random(layer.w_in.shape) < kept)
    network = replace(network, layers=(layer.replaced({"w_in": few}),))
    export_c(network, tmp_path)
    assert ("readout_w_in_to" in (tmp_path / "rsnn.c").read_text()) == (kept < 1)
    library = tmp_path / "rsnn.so"
    command = ["cc", *FLAGS, "-shared", "-fPIC", str(tmp_path / "rsnn.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    code = ctypes.CDLL(str(library))
    state, out = ctypes.create_string_buffer(1 << 12), (ctypes.c_int32 * 10)()
    for given in ([1, 0], [1, 0, 1], [1, 1, 1]):
        raster = np.array(given, np.uint8)[:, None] * np.ones((1, 13), np.uint8)
        right = reference.run(network, raster).variables["readout.out"]
        code.rsnn_init(state)
        for step, row in enumerate(raster):
            bitmap = bytes([0xFF, 0xFF]) if row.any() else bytes(2)  # more bits than inputs
            code.rsnn_step_bitmap(state, bitmap, out)
            assert list(out) == right[step].tolist()
