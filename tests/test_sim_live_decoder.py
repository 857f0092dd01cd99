"""One step at a time: the decoder gives the values of a whole run, and refuses other input."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import DataError, MismatchError
from sim.contract import PAPER
from sim.fast import compiled, runs
from sim.live.decoder import Decoder
from sim.network import IntegerNetwork


@pytest.fixture(params=[1, 0], ids=["delay", "no delay"])
def network(request) -> IntegerNetwork:
    contract = replace(PAPER, delay_steps=request.param)
    rng = np.random.default_rng(1)
    return random_network(rng, contract, n_inputs=21, hidden=(18, 7), n_heads=2)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, bool, list])
def test_steps_decode_what_a_run_decodes_to_the_last_bit(network, dtype):
    raster = random_raster(np.random.default_rng(2), 120, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    decoder = Decoder(network)
    for _ in range(2):
        for t, spikes in enumerate(raster):
            indices = np.flatnonzero(spikes)
            if dtype is bool:
                found = decoder.step(spikes.astype(bool))
            elif dtype is list:
                found = decoder.step(indices[::-1].tolist())
            else:
                found = decoder.step(indices.astype(dtype))
            assert np.array_equal(found, expected[t])
        assert decoder.n_steps == 120
        decoder.reset()
    assert expected.any()


@pytest.mark.parametrize("kinds", ["written by hand", "generated"])
def test_silence_is_as_many_steps_without_spikes(network, kinds, monkeypatch):
    if kinds == "generated":
        monkeypatch.setattr("sim.fast.simulator.is_tuned", lambda network: False)
    one, all_ = Decoder(network), Decoder(network)
    for n_steps in (0, 1, 63, 64, 65, 200):
        for decoder in (one, all_):
            decoder.step(range(21))
        for _ in range(n_steps):
            one.step(())
        all_.silence(n_steps)
        assert np.array_equal(one.step([1]), all_.step([1]))
        assert one.n_steps == all_.n_steps


def test_what_is_returned_is_not_overwritten_later(network):
    decoder = Decoder(network)
    first = decoder.step(range(21))
    kept = first.copy()
    for _ in range(20):
        decoder.step(range(21))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("index", [-1, 21, 1000])
def test_an_input_that_the_network_lacks_is_refused(network, index):
    with pytest.raises(DataError, match=rf"input {index} spikes, but .* has inputs 0\.\.20; use"):
        Decoder(network).step([3, index])


def test_events_that_are_no_indices_are_refused(network):
    decoder = Decoder(network)
    with pytest.raises(DataError, match="events are float64; indices of inputs are whole numbers"):
        decoder.step([0.5])
    with pytest.raises(MismatchError, match=r"events have shape \(1, 1\); \(n_events,\) is needed"):
        decoder.step([[3]])
    with pytest.raises(MismatchError, match=r"shape \(5,\); the network has 21 inputs"):
        decoder.step(np.zeros(5, bool))


def test_a_row_of_a_raster_is_not_taken_for_indices(network):
    decoder = Decoder(network)
    row = np.ones(21, np.uint8)
    with pytest.raises(DataError, match="21 values of 0 and 1, like a row of a raster, and not"):
        decoder.step(row)
    expected = runs.run(network, np.stack([row, row])).out
    assert np.array_equal(decoder.step(row != 0), network.readout.decode(expected)[0])
    decoder.step(np.flatnonzero(row))
    few = Decoder(random_network(np.random.default_rng(1), n_inputs=2))
    assert few.step([0, 1]).shape == (2,)


@pytest.mark.parametrize("kind", ["indices", "bitmap", "none"])
def test_a_step_neither_compiles_nor_copies_the_network(kind):
    network = random_network(np.random.default_rng(3), n_inputs=96, hidden=(64,))
    decoder = Decoder(network)
    events = {"indices": np.arange(0, 96, 12), "bitmap": np.arange(96) % 12 == 0, "none": ()}[kind]
    compiled_before = len(compiled.advance.signatures)
    tracemalloc.start()
    for _ in range(20):
        decoder.step(events)
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(compiled.advance.signatures) == compiled_before
    assert largest < network.hidden[0].w_rec.nbytes  # the smallest of what could be copied


def test_a_decoder_needs_no_other_compiled_code_than_a_run(network):
    """Compiling takes seconds, which a closed loop would wait for."""
    runs.run(network, random_raster(np.random.default_rng(2), 5, 21))
    compiled_for = list(compiled.advance.signatures)
    Decoder(network).step([0, 20])
    assert list(compiled.advance.signatures) == compiled_for
