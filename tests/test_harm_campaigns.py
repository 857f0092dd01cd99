"""Short runs of every campaign of `benchmarks/reliability.py`; what holds today.

A failing row names its number: `python benchmarks/reliability.py WHAT --shard N --count 1`.
"""

import pytest
from harm import campaigns, strace
from harm.campaigns import STRUCK
from harm.races import PAIRS
from harm.readers import FLIPPED, READERS
from tools import need

pytestmark = pytest.mark.slow
SEED = 1


def test_kills_tear_and_lose_nothing_and_the_plain_command_works(harm):
    for row in campaigns.kills(harm, SEED, range(25), STRUCK):
        print(SEED, row)
        assert not any((row["torn"], row["lost"], row["fails"], row["tracebacks"]))


def test_a_failing_write_of_text_is_one_line_and_tears_nothing(harm):
    names = ["export-c", "export-onnx", "build"]
    for row in campaigns.writes(harm, SEED, range(6), names):
        print(SEED, row)
        assert row["code"] == 1 or row["changed"] == "mkdir"  # of a folder that is there
        assert row["is_one_line"]
        assert not any((row["torn"], row["lost"], row["differs"]))


def assert_failed_well(row):
    """A folder that is there needs not be made, so that may fail."""
    assert (row["code"], row["is_one_line"]) == (1, True) or row["changed"] == "mkdir"
    assert not any((row["torn"], row["lost"], row["tracebacks"], row["fails"], row["leftovers"]))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("quantize", range(1, 60, 6)),
        ("import-weights", range(14, 60, 6)),
        ("train", range(0, 90, 9)),
    ],
)
def test_any_change_that_fails_is_one_line_and_tears_nothing(harm, name, numbers):
    rows = list(campaigns.every(harm, SEED, numbers, [name]))
    assert len(rows) > 2
    for row in rows:
        print(SEED, row)
        assert_failed_well(row)


def test_a_call_that_fails_through_the_real_command_line_is_one_line_and_tears_nothing(harm):
    need("strace", "strace")
    for row in campaigns.cold(harm, SEED, range(2), ["export-c", "quantize"]):
        print(SEED, row)
        assert not strace.may_trace() or "(INJECTED)" in row["blow"]
        assert_failed_well({"changed": "mkdir" if "mkdir(" in row["blow"] else "", **row})


def test_a_signal_tears_and_loses_nothing_and_the_plain_command_works(harm):
    for row in campaigns.signals(harm, SEED, range(12), ["train", "prune", "QAT", "simulate"]):
        print(SEED, row)
        assert not any((row["torn"], row["lost"], row["fails"]))


@pytest.mark.parametrize("pair", PAIRS)
def test_two_processes_tear_and_lose_nothing(harm, pair):
    for row in campaigns.races(harm, SEED, range(2), [pair]):
        print(SEED, row)
        assert not any((row["lost"], row["torn"]))


def test_power_cuts_tear_and_lose_nothing(harm):
    for row in campaigns.power(harm, STRUCK):
        print(row)
        assert row["changes"] > 10
        assert row["cuts that tear"] == row["cuts that lose"] == 0


def items(harm, campaign, name, count):
    (row,) = campaign(harm, SEED, 0, count, [name])
    print(row)
    return row


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused_in_one_line(harm, name):
    places = items(harm, campaigns.fuzz, name, 60)["places"]
    if name == "--set and --seeds":  # of which texts are escaped where they are shown
        places = [place for place in places if not place.startswith("unprintable: ")]
    assert not places


UNSEEN = {
    "raster .npy": "a file of others, without a checksum",
    "raster .npz": "names of its members, and padding",
    "raster .h5": "a file of others, without a checksum",
    "NIR of others": "a file of others, without a checksum",
}
"""Files of which a flipped bit can be accepted with other content, and why."""


@pytest.mark.parametrize("name", [name for name in FLIPPED if name not in UNSEEN])
def test_a_flipped_bit_is_refused_or_changes_nothing(harm, name):
    totals = items(harm, campaigns.flips, name, 100)["totals"]
    assert set(totals) <= {"refused", "same"}
