"""Packets and numbered steps: lost, late, malformed and restarted ones, and their counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network, random_raster

from base.errors import DataError
from sim.fast import runs
from sim.live.ordered import AHEAD, MAX_GAP, Latencies, OrderedDecoder, Tally
from sim.live.packets import (
    STEPS,
    decode_spikes,
    decode_velocity,
    encode_spikes,
    encode_velocity,
    parse_line,
)
from sim.network import IntegerNetwork


@pytest.fixture
def network() -> IntegerNetwork:
    return random_network(np.random.default_rng(1), n_inputs=21)


def test_packets_have_the_layout_of_the_docs():
    assert encode_spikes(258, [1, 515]) == b"RSs1\x02\x01\0\0\x02\0\x01\0\x03\x02"
    assert encode_velocity(7, np.array([1.0])) == b"RSv1\x07\0\0\0\x01\0" + b"\0" * 6 + b"\xf0\x3f"


@given(st.integers(0, STEPS - 1), st.lists(st.integers(0, 999), max_size=40))
def test_packets_come_back_as_they_were(step, events):
    spikes = decode_spikes(encode_spikes(step, events), 1000)
    assert spikes.step == step
    assert spikes.events.tolist() == events
    values = np.array(events, float) / 7
    found_step, found = decode_velocity(encode_velocity(step, values))
    assert found_step == step
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (b"", "a packet has 0 bytes; 10 are its header"),
        (b"RSx1" + bytes(6), "starts with b'RSx1'; b'RSs1' is needed"),
        (encode_spikes(0, [1, 2])[:-1], "a packet has 13 bytes, and 14 by its header"),
        (encode_spikes(0, [1]) + b"x", "a packet has 13 bytes, and 12 by its header"),
        (encode_spikes(0, [20, 21]), r"input 21 spikes, but there are inputs 0\.\.20"),
    ],
)
def test_a_malformed_packet_is_refused(packet, text):
    with pytest.raises(DataError, match=text):
        decode_spikes(packet, 21)


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader_of_packets(packet):
    for data in (packet, b"RSs1" + packet):
        try:
            spikes = decode_spikes(data, 21)
        except DataError:
            continue
        assert spikes.events.size == 0 or spikes.events.max() < 21


def test_a_line_holds_indices_or_is_refused():
    assert parse_line(" 3 17  20\n", 21).tolist() == [3, 17, 20]
    assert parse_line("\n", 21).size == 0
    for line in ("3 x", "1.5", "9" * 30):
        with pytest.raises(DataError, match="something else than indices"):
            parse_line(line, 21)
    for line in ("21", "-1"):
        with pytest.raises(DataError, match=r"names an input outside 0\.\.20"):
            parse_line(line, 21)


def test_a_gap_is_decoded_as_silence_and_late_packets_are_left_out(network):
    raster = random_raster(np.random.default_rng(2), 60, 21)
    silent = raster.copy()
    silent[10:14] = 0
    expected = network.readout.decode(runs.run(network, silent).out)
    decoder = OrderedDecoder(network)
    start = STEPS - 5  # so that the numbers go around, too
    for t in [*range(10), *range(14, 60)]:
        values = decoder.step((start + t) % STEPS, np.flatnonzero(raster[t]))
        assert np.array_equal(values, expected[t])
        if t == 20:
            assert decoder.step((start + 20) % STEPS, [1]) is None
            assert decoder.step((start + 12) % STEPS, [2]) is None
    assert (decoder.tally.lost, decoder.tally.late, decoder.tally.malformed) == (4, 2, 0)


def test_one_far_number_is_malformed_and_two_in_a_row_start_anew(network):
    raster = random_raster(np.random.default_rng(3), 40, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    decoder = OrderedDecoder(network)
    for t in range(40):
        assert np.array_equal(decoder.step(t, np.flatnonzero(raster[t])), expected[t])
        if t == 7:
            assert decoder.step(t + MAX_GAP + 2, []) is None
    assert (decoder.tally.far, decoder.tally.restarts) == (1, 0)
    assert decoder.step(500_000, [1, 2]) is None
    for t in range(40):
        values = decoder.step(500_001 + t, np.flatnonzero(raster[t]))
        assert np.array_equal(values, expected[t])
    tally = decoder.tally
    assert (tally.far, tally.restarts, tally.lost, tally.malformed) == (2, 1, 0, 0)


def test_a_stranger_skips_ten_steps_at_once_and_more_when_the_next_packet_goes_on(network):
    raster = random_raster(np.random.default_rng(5), 60, 21)
    silent = raster.copy()
    silent[5:15] = silent[16:28] = 0
    expected = network.readout.decode(runs.run(network, silent).out)
    decoder = OrderedDecoder(network)
    for t in [*range(5), 15, 28, *range(29, 60)]:
        spikes = np.flatnonzero(silent[t])
        if t == 28:  # 12 steps ahead: 27 came and is far, 28 goes on from there
            assert decoder.step(27, [1]) is None
        assert np.array_equal(decoder.step(t, spikes), expected[t]), t
    assert (decoder.tally.lost, decoder.tally.far, decoder.tally.restarts) == (22, 1, 0)
    assert decoder.step(60 + AHEAD, []) is not None
    assert decoder.step(60 + 2 * AHEAD + 2, []) is None


def test_a_trusted_sender_skips_1000_steps_at_once(network):
    decoder = OrderedDecoder(network, trusted=True)
    decoder.step(0, [])
    assert decoder.step(1 + MAX_GAP, [1]) is not None
    assert decoder.step(3 + 2 * MAX_GAP, [1]) is None
    assert (decoder.tally.lost, decoder.tally.far) == (MAX_GAP, 1)


def test_a_step_1000_behind_is_late_and_one_more_is_far(network):
    decoder = OrderedDecoder(network)
    decoder.step(5000, [])
    assert decoder.step(5001 - MAX_GAP, []) is None
    assert (decoder.tally.late, decoder.tally.far) == (1, 0)
    assert decoder.step(5000 - MAX_GAP, []) is None
    assert (decoder.tally.late, decoder.tally.far) == (1, 1)


def test_far_packets_between_those_of_the_stream_change_nothing(network):
    """Two far ones that follow each other, too, if one of the stream is between them."""
    decoder, alone = OrderedDecoder(network), OrderedDecoder(network)
    decoder.step(0, [5])
    alone.step(0, [5])
    for t in range(1, 41):
        assert decoder.step(500 + t, [2]) is None
        assert np.array_equal(decoder.step(t, [t % 21]), alone.step(t, [t % 21]))
    assert (decoder.tally.far, decoder.tally.late, decoder.tally.lost) == (40, 0, 0)


def test_a_restart_waits_for_any_number_from_the_initial_state(network):
    decoder = OrderedDecoder(network)
    decoder.restart()
    assert decoder.tally.restarts == 0
    first = decoder.step(7, [1, 2])
    decoder.step(8, [3])
    decoder.restart()
    assert np.array_equal(decoder.step(7, [1, 2]), first)
    assert (decoder.tally.restarts, decoder.tally.lost, decoder.tally.late) == (1, 0, 0)


def test_quantiles_are_exact_to_a_sixteenth_of_an_octave():
    seconds = np.random.default_rng(4).lognormal(-9, 1, 5000)
    latencies = Latencies()
    assert latencies.quantile(0.5) == 0
    for value in seconds:
        latencies.add(value)
    for share in (0.5, 0.99):
        exact = np.quantile(seconds, share)
        assert exact * 0.99 <= latencies.quantile(share) <= exact * 1.06
    assert latencies.largest == latencies.quantile(1.0) == seconds.max()


def test_a_step_longer_than_dt_misses_its_deadline():
    tally = Tally(0.004)
    for seconds in (0.001, 0.004, 0.0041, 100.0):
        tally.add(seconds)
    assert tally.as_dict() == {
        "steps": 4,
        "lost": 0,
        "late": 0,
        "far": 0,
        "malformed": 0,
        "unsigned": 0,
        "replayed": 0,
        "restarts": 0,
        "missed_deadlines": 2,
        "p50_us": tally.latencies.quantile(0.5) * 1e6,
        "p99_us": tally.latencies.quantile(0.99) * 1e6,
        "max_us": 1e8,
    }
