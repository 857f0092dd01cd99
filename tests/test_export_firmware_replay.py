"""Replays through pipes: blocks of any length, programs that end early, input that breaks off."""

import sys
from itertools import pairwise

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need

from base.errors import DataError, ToolError
from export.firmware import replay as module
from export.firmware.decoder import compile_replay
from export.firmware.replay import replay, replay_blocks
from sim import reference
from sim.trace import first_difference

N_STEPS = 700


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(20, 9))


@pytest.fixture
def raster():
    return random_raster(np.random.default_rng(2), N_STEPS, 12)


@pytest.fixture
def program(network, tmp_path):
    need("cc", "gcc")
    return [str(compile_replay(network, tmp_path))]


@pytest.mark.slow
def test_blocks_of_any_length_give_the_trace_of_the_whole(network, raster, program, tmp_path):
    right = reference.run(network, raster)
    for ends in ((0, N_STEPS), (0, 1, 600, N_STEPS), tuple(range(0, N_STEPS + 1, 7))):
        blocks = [raster[a:b] for a, b in pairwise(ends)]
        found = list(replay_blocks(network, blocks, N_STEPS, program, tmp_path))
        assert [len(block) for block, _ in found] == [len(block) for block in blocks]
        for name, array in right.variables.items():
            joined = np.vstack([trace.variables[name] for _, trace in found])
            assert (joined == array).all(), name


@pytest.mark.slow
def test_a_replay_can_be_left_before_its_end(network, raster, program, tmp_path):
    blocks = [raster[i : i + 10] for i in range(0, N_STEPS, 10)]
    running = replay_blocks(network, blocks, N_STEPS, program, tmp_path)
    next(running)
    running.close()
    trace, _ = replay(network, raster, program, tmp_path)
    assert first_difference(reference.run(network, raster), trace) is None


def test_an_error_in_the_input_comes_through(network, raster, program, tmp_path):
    def broken():
        yield raster[:50]
        raise DataError("channel 3 is damaged")

    with pytest.raises(DataError, match="channel 3 is damaged"):
        list(replay_blocks(network, broken(), N_STEPS, program, tmp_path))


@pytest.mark.parametrize(
    ("code", "status"), [("", 0), ("raise SystemExit(7)", 7), ("print('four', end='')", 0)]
)
def test_a_program_that_ends_early_is_an_error(network, raster, tmp_path, code, status):
    words = 1 if code.startswith("print") else 0
    said = f"ended with status {status} after {words} of {N_STEPS * (29 * 3 + 4)} words"
    with pytest.raises(ToolError, match=said):
        replay(network, raster, [sys.executable, "-c", code], tmp_path)


def test_a_program_that_says_nothing_is_stopped(network, raster, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SILENCE", 0.2)
    with pytest.raises(ToolError, match="sleep has been silent for"):
        replay(network, raster, ["sleep", "60"], tmp_path)
