"""C that takes events one by one: the first spikes of the step, and the class as it is known."""

import ctypes
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from first_spike_networks import T, drawn

from base.errors import ToolError, UnsupportedError
from export.firmware.decoder import FLAGS, export_c
from export.firmware.events import replay
from export.firmware.events.code import check, fewest_events, has_events
from export.firmware.events.replay import replayed, run_backend
from sim import reference
from sim.fast.first_spikes import first_spikes
from sim.trace import count_differences

MAIN = """
#include "rsnn.h"
#include <stdio.h>
static const uint16_t events[][2] = {@EVENTS@};
int main(void)
{
    static rsnn_sample sample;
    uint32_t taken = 0;
    rsnn_begin(&sample);
    while (taken < @N@u && !rsnn_event(&sample, events[taken][0], events[taken][1]))
        taken++;
    printf("%d %u", (int)rsnn_end(&sample), (unsigned)taken);
    return 0;
}
"""


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
def test_ties_are_decided_by_potentials_and_then_by_the_first_neuron():
    network, _, raster = drawn(0)
    layer = network.layers[0].replaced({"label": np.array([7, 3, 9, 1, 4, 0, 2, 8, 5, 6])})
    alike = {"w_in": np.full((10, 24), 30), "threshold": np.full(10, 100)}
    higher = {"w_in": alike["w_in"] + np.array([0, 1, 5, 5, 0, 0, 0, 0, 0, 0])[:, None]}
    late = {"threshold": np.array([99, 99, 999, 40, 99, 99, 99, 99, 99, 40])}
    silent = {"threshold": np.full(10, 1 << 14), "w_in": higher["w_in"]}
    decided = []
    for changed in (alike, alike | higher, alike | late, silent):
        same = replace(network, layers=(layer.replaced(changed),))
        found, chosen = replayed(same, raster)
        trace = reference.run(same, raster)
        assert count_differences(trace, found) == 0
        assert chosen == same.readout.decode(trace.variables["readout.out"])[-1, 0]
        decided.append(chosen)
    assert decided == [7, 9, 1, 9]


@pytest.mark.slow  # compiles C
def test_the_class_is_known_from_the_first_spike_on(tmp_path):
    network, times, _ = drawn(2)
    order = np.argsort(times, kind="stable")
    order = order[times[order] < T]
    found = first_spikes(network, [0, len(order)], order, times[order])
    export_c(network, tmp_path)
    events = ", ".join(f"{{{c}, {times[c]}}}" for c in order)
    text = MAIN.replace("@EVENTS@", events).replace("@N@", str(len(order)))
    (tmp_path / "main.c").write_text(text)
    sources = [str(tmp_path / name) for name in ("rsnn.c", "main.c")]
    subprocess.run(["cc", *FLAGS, *sources, "-o", str(tmp_path / "a")], check=True)
    said = subprocess.run([str(tmp_path / "a")], capture_output=True, text=True, check=True).stdout
    decided, taken = map(int, said.split())
    assert decided == found.classes(network)[0]
    first = found.t.min()
    assert taken == np.flatnonzero(times[order] > first)[0]  # the event after the first spike


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


def test_a_program_that_fails_is_named(monkeypatch):
    network, _, raster = drawn(4)
    text = "int main(void) { return 3; }"
    monkeypatch.setattr(replay, "filled", lambda *_: text)
    with pytest.raises(ToolError, match="of the exported C ended with status 3"):
        run_backend(network, raster)


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
