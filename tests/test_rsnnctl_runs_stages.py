"""Logs of runs: damaged lines are skipped and counted."""

import json
import re
from dataclasses import asdict

import pytest

from base.errors import FileError, RsnnWarning
from rsnn.training.state import EpochRecord
from rsnnctl.runs import stages


def record(epoch: int, r2: float) -> EpochRecord:
    return EpochRecord(epoch, 3, 0.01, 1.5, 0.25, 0.0, r2, 0.9)


RECORDS = [record(1, 0.5), record(2, 0.75), record(3, 0.625)]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(stages._lines("training", [asdict(each) for each in RECORDS]))
    return path


def test_a_line_of_a_log_has_its_stage_and_its_record_and_a_checksum(log):
    first = json.loads(log.read_text().splitlines()[0])
    assert first.pop("checksum") == "8cc49459"
    assert first == {"stage": "training", **asdict(RECORDS[0])}
    assert stages.best_record(log) == RECORDS[1]
    assert stages.best_record(log, "training") == RECORDS[1]


def test_the_best_is_that_of_the_stage_that_is_wanted_or_the_last(log):
    later = [asdict(record(1, 0.25))]
    log.write_text(log.read_text() + stages._lines("prune-0.5", later))
    assert stages.best_record(log) == record(1, 0.25)
    assert stages.best_record(log, "training") == RECORDS[1]


WRONG = {
    "cut short": lambda line: line[:-5],
    "no text": lambda line: b"\xff" + line,
    "another number": lambda line: line.replace(b"0.75", b"0.79"),
    "another stage": lambda line: line.replace(b"training", b"trainjng"),
    "another checksum": lambda line: re.sub(rb'm": "\w', b'm": "x', line),
    "another key": lambda line: line.replace(b"loss", b"lost"),
    "another name of the checksum": lambda line: line.replace(b"checksum", b"chectsum"),
    "a list": lambda line: b"[1, 2]",
    "deep": lambda line: b"[" * 100_000,
    "empty": lambda line: b"",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_damaged_line_is_skipped_and_counted(log, what):
    first, second, third = log.read_bytes().splitlines()
    assert WRONG[what](second) != second
    log.write_bytes(b"\n".join([first, WRONG[what](second), third]) + b"\n")
    with pytest.warns(RsnnWarning) as told:
        assert stages.best_record(log) == RECORDS[2]
    assert [str(each.message) for each in told] == [f"{log}: 1 of 3 lines are damaged and skipped"]


def test_a_log_of_an_older_rsnnctl_has_no_checksums_and_is_read(log):
    log.write_text(re.sub(', "checksum": "[^"]*"', "", log.read_text()))
    assert "checksum" not in log.read_text()
    assert stages.best_record(log) == RECORDS[1]
    log.write_text(log.read_text().replace("0.75", '"0.75"').replace("0.625", "true"))
    with pytest.warns(RsnnWarning, match="2 of 3 lines are damaged"):
        assert stages.best_record(log) == RECORDS[0]


@pytest.mark.filterwarnings("ignore::base.errors.RsnnWarning")
def test_a_log_without_a_whole_line_has_a_way_out(log):
    text = log.read_text()
    for broken in ("", "{\n", text.replace("0", "9")):
        log.write_text(broken)
        with pytest.raises(FileError, match=r"log\.jsonl: has no whole line of an epoch; restore"):
            stages.best_record(log)
    log.write_text(text)
    with pytest.raises(FileError, match="has no whole line of an epoch"):
        stages.best_record(log, "prune-0.5")
    log.unlink()
    with pytest.raises(FileError, match="no such file"):
        stages.best_record(log)
