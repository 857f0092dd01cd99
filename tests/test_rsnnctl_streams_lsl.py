"""`rsnnctl stream --lsl` over a stand-in for pylsl: time stamps, rates, values and units."""

import re
import sys

import numpy as np
import pytest
from networks import random_network, random_raster
from stand_in_lsl import stand_in

from base.errors import DataError, MismatchError, RangeError, ToolError
from rsnnctl.streams.lsl import stream_samples
from sim.fast import runs
from sim.network import IntegerNetwork


@pytest.fixture
def network() -> IntegerNetwork:
    return random_network(np.random.default_rng(1), n_inputs=21, n_heads=2)


def test_without_pylsl_the_extra_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(
        ToolError, match=r"`lsl` needs pylsl; install it with pip install 'rsnnctl\[lsl\]'"
    ):
        stream_samples(network, "spikes", idle=1.0)


def test_lsl_samples_are_decoded_like_a_run(network, monkeypatch):
    raster = random_raster(np.random.default_rng(6), 30, 21)
    pushed = stand_in(monkeypatch, 21, raster.tolist())
    tally = stream_samples(network, "spikes", idle=1.0)
    assert (tally.steps, tally.lost) == (30, 0)
    info, *decoded = pushed
    assert np.array_equal(decoded, network.readout.decode(runs.run(network, raster).out))
    assert info.arguments == ("rsnnctl", "Velocity", 2, 250.0, "double64", "rsnnctl")
    assert info.units == [("unit", "the unit of the training target")] * 2
    stand_in(monkeypatch, 21, raster.tolist())
    assert stream_samples(network, "spikes", idle=1.0, steps=4).steps == 4


def test_an_lsl_stream_that_is_missing_or_too_narrow_is_refused(network, monkeypatch):
    stand_in(monkeypatch, 0, [])
    with pytest.raises(ToolError, match="there is no LSL stream `spikes`; start it first"):
        stream_samples(network, "spikes", idle=1.0)
    stand_in(monkeypatch, 8, [])
    with pytest.raises(MismatchError, match="`spikes` has 8 channels, the network 21 inputs"):
        stream_samples(network, "spikes", idle=1.0)


def test_an_lsl_stream_of_text_is_refused(network, monkeypatch):
    stand_in(monkeypatch, 21, [["0"] * 21], kind=3)
    with pytest.raises(MismatchError, match="`spikes` holds text; numbers are needed"):
        stream_samples(network, "spikes", idle=1.0)


def test_an_lsl_sample_with_a_nan_is_malformed_and_its_step_silent(network, monkeypatch):
    raster = random_raster(np.random.default_rng(6), 30, 21)
    raster[7] = 0
    samples = raster.astype(float).tolist()
    samples[7][3] = float("nan")
    pushed = stand_in(monkeypatch, 21, samples)
    tally = stream_samples(network, "spikes", idle=1.0)
    assert (tally.steps, tally.lost, tally.malformed) == (29, 1, 1)
    expected = network.readout.decode(runs.run(network, raster).out)
    assert np.array_equal(pushed[1:], np.delete(expected, 7, axis=0))


@pytest.mark.parametrize(
    ("rate", "step"), [(1000.0, "1 ms"), (30_000.0, "0.0333333333 ms"), (250.001, "3.999984 ms")]
)
def test_an_lsl_stream_of_another_rate_is_refused(network, monkeypatch, rate, step):
    stand_in(monkeypatch, 21, [[0] * 21], rate=rate)
    text = f"LSL stream `spikes` has steps of {step}, the network of 4 ms; bin the spikes in steps"
    with pytest.raises(MismatchError, match=re.escape(text)):
        stream_samples(network, "spikes", idle=1.0)


@pytest.mark.parametrize("rate", [250.0, 250.0001, 0.0])
def test_gaps_of_lsl_time_stamps_are_lost_steps_and_decoded_as_silence(network, monkeypatch, rate):
    raster = random_raster(np.random.default_rng(6), 30, 21)
    raster[1::2] = 0
    pushed = stand_in(monkeypatch, 21, raster[::2].tolist(), rate=rate, stamps=np.arange(0, 30, 2))
    tally = stream_samples(network, "spikes", idle=1.0)
    assert (tally.steps, tally.lost, tally.late) == (15, 14, 0)
    expected = network.readout.decode(runs.run(network, raster).out)
    assert np.array_equal(pushed[1:], expected[::2])


def test_lsl_samples_faster_than_their_rate_are_late(network, monkeypatch):
    stand_in(monkeypatch, 21, [[0] * 21] * 40, stamps=np.arange(40) / 4)
    tally = stream_samples(network, "spikes", idle=1.0)
    assert (tally.steps, tally.late, tally.lost) == (11, 29, 0)


def test_lsl_stamps_that_jitter_by_less_than_three_quarters_of_a_step_are_no_gaps(
    network, monkeypatch
):
    stamps = np.arange(60) + np.random.default_rng(0).uniform(-0.37, 0.37, 60)
    stand_in(monkeypatch, 21, [[0] * 21] * 60, stamps=stamps)
    tally = stream_samples(network, "spikes", idle=1.0)
    assert (tally.steps, tally.late, tally.lost) == (60, 0, 0)


def test_lsl_samples_without_a_rate_are_merged_to_steps(network, monkeypatch):
    """One sample per spike, as detectors send them, at any time of a step."""
    raster = random_raster(np.random.default_rng(7), 20, 21)
    at, channels = np.nonzero(raster)
    late = 0.49 * np.random.default_rng(8).random(len(at))
    order = np.argsort(at + late)
    samples = [[0] * 21, *(3 * np.eye(21, dtype=int)[channels[order]]).tolist()]
    stamps = [0.0, *(at + late)[order]]
    pushed = stand_in(monkeypatch, 21, samples, rate=0.0, stamps=stamps)
    tally = stream_samples(network, "spikes", idle=1.0)
    steps = np.unique([0, *at])
    expected = network.readout.decode(runs.run(network, raster).out)
    assert (tally.steps, tally.late) == (len(steps), 0)
    assert tally.lost == steps[-1] + 1 - len(steps)
    assert np.array_equal(pushed[1:], expected[steps])


def test_an_lsl_sample_of_a_step_that_is_over_is_late_and_a_far_one_a_restart(network, monkeypatch):
    stamps = [0, 1, 3, 2, 4, 9000, 9001, 9002]
    for rate in (0.0, 250.0):
        stand_in(monkeypatch, 21, [[1] * 21] * 8, rate=rate, stamps=stamps)
        tally = stream_samples(network, "spikes", idle=1.0)
        assert (tally.late, tally.restarts, tally.far) == (1, 1, 1)
        assert (tally.steps, tally.lost) == (6, 1)


@pytest.mark.parametrize("value", [-0.25, 0.5, -1.0, 256.0, float("inf")])
def test_an_lsl_value_that_is_no_count_of_spikes_is_refused_with_its_channel(
    network, monkeypatch, value
):
    samples = np.zeros((3, 21))
    samples[:, 4] = 255
    samples[2, 13] = value
    pushed = stand_in(monkeypatch, 21, samples.tolist())
    text = (
        f"LSL stream `spikes`: channel 13 holds {value:g}; a value is the number of spikes of a"
        " step, a whole number 0..255: detect spikes before they are sent"
    )
    with pytest.raises(DataError, match=re.escape(text)):
        stream_samples(network, "spikes", idle=1.0)
    assert len(pushed) == 3


def test_an_lsl_stream_of_no_steps_is_refused(network, monkeypatch):
    stand_in(monkeypatch, 21, [[0] * 21])
    with pytest.raises(RangeError, match="`steps` is 0; at least 1 is needed"):
        stream_samples(network, "spikes", idle=1.0, steps=0)
