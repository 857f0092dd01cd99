"""Short runs of every campaign of `benchmarks/reliability.py`; what holds today.

A failing row names its number: `python benchmarks/reliability.py WHAT --shard N --count 1`.
"""

import pytest
from harm import campaigns
from harm.campaigns import STRUCK
from harm.races import PAIRS
from harm.readers import FLIPPED, READERS

pytestmark = pytest.mark.slow
SEED = 1


def test_kills_tear_and_lose_nothing_and_the_plain_command_works(harm):
    names = [name for name in STRUCK if not name.startswith("prune")]  # R 2
    for row in campaigns.kills(harm, SEED, range(24), names):
        print(SEED, row)
        assert not any((row["torn"], row["lost"], row["fails"], row["tracebacks"]))


def test_a_failing_write_of_text_is_one_line_and_tears_nothing(harm):
    names = ["export-c", "export-onnx", "build"]
    for row in campaigns.writes(harm, SEED, range(6), names):
        print(SEED, row)
        assert row["code"] == 1 or row["changed"] == "mkdir"  # of a folder that is there
        assert row["is_one_line"]
        assert not any((row["torn"], row["lost"], row["differs"]))


def test_a_signal_tears_and_loses_nothing_and_the_plain_command_works(harm):
    for row in campaigns.signals(harm, SEED, range(12), ["train", "prune", "QAT", "simulate"]):
        print(SEED, row)
        assert not any((row["torn"], row["lost"], row["fails"]))


@pytest.mark.parametrize("pair", [p for p in PAIRS if "train" not in p and p != "prune | prune"])
def test_two_processes_tear_and_lose_nothing(harm, pair):
    for row in campaigns.races(harm, SEED, range(2), [pair]):
        print(SEED, row)
        assert not any((row["lost"], row["torn"]))


def test_power_cuts_tear_and_lose_nothing(harm):
    for row in campaigns.power(harm, [n for n in STRUCK if not n.startswith("prune")]):
        print(row)
        assert row["changes"] > 10
        assert row["cuts that tear"] == row["cuts that lose"] == 0


DAMAGED = {
    "settings .toml": "R 11",
    "--set and --seeds": "R 11",
    "snnTorch description .toml": "R 11",
    "run.json": "R 11",
    "log.jsonl": "R 7",
    "explore row": "R 11",
    "raster .npy": "R 11",
    "raster .npz": "R 11",
    "raster .h5": "R 10",
    "session .mat": "R 9",
    "published .pth": "R 10",
    "network, sealed anew": "R 11",
    "model, sealed anew": "R 11",
    "training state, sealed anew": "R 11",
    "NIR with contract": "R 12",
    "NIR of others": "R 12",
}
"""Readers that do not yet answer every file with a result or one printable line."""


def items(harm, campaign, name, count):
    (row,) = campaign(harm, SEED, 0, count, [name])
    print(row)
    return row


@pytest.mark.parametrize("name", [name for name in READERS if name not in DAMAGED])
def test_a_mutated_file_is_read_or_refused_in_one_line(harm, name):
    assert not items(harm, campaigns.fuzz, name, 60)["places"]


UNSEEN = {
    "settings .toml": "config.toml by run.json's digest",
    "run.json": "R 7",
    "log.jsonl": "R 7",
    "explore row": "R 7",
    "session .mat": "R 7",
    "published .pth": "R 7",
    "snnTorch .pt": "R 7",
    "raster .npy": "a file of others, without a checksum",
    "raster .npz": "R 11",
    "raster .h5": "a file of others, without a checksum",
    "NIR with contract": "provenance only",
    "NIR of others": "a file of others, without a checksum",
    "kit CASE.h5": "R 7",
    "kit.json": "R 7",
    "step.onnx": "R 7",
}
"""Files of which a flipped bit can be accepted with other content, and why."""


@pytest.mark.parametrize("name", [name for name in FLIPPED if name not in UNSEEN])
def test_a_flipped_bit_is_refused_or_changes_nothing(harm, name):
    totals = items(harm, campaigns.flips, name, 100)["totals"]
    assert set(totals) <= {"refused", "same"}
