"""Progress on stderr: shown on a terminal, nothing elsewhere."""

import io
import sys

import pytest
from rich import progress

from rsnn.training.state import EpochRecord
from rsnnctl import show


@pytest.fixture
def bars(monkeypatch):
    """Every bar that is shown, on a stderr that says it is a terminal."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    made = []
    add = progress.Progress.add_task

    def spied(self, *arguments, **options):
        made.append(self)
        return add(self, *arguments, **options)

    monkeypatch.setattr(progress.Progress, "add_task", spied)
    monkeypatch.setattr(sys, "stderr", Terminal())
    return made


def test_epochs_show_the_last_one_and_its_scores(bars):
    record = EpochRecord(epoch=3, **dict.fromkeys(_others(), 0.5))
    with show.epochs(8, "prune") as report:
        report(record)
        (task,) = bars[0].tasks
        assert (task.description, task.completed, task.total) == ("prune", 3, 8)
        assert task.fields["remark"] == "R2 train 0.500, validation 0.500"


def _others():
    return [name for name in EpochRecord.__dataclass_fields__ if name != "epoch"]


def test_a_count_goes_up_by_one(bars):
    with show.count(5, "runs") as advance:
        advance()
        advance()
        assert [(task.completed, task.total) for task in bars[0].tasks] == [(2, 5)]


def test_a_download_shows_bytes_and_no_total_if_it_is_unknown(bars):
    with show.download_progress("x.mat") as report:
        report(10, 0)
        assert [(task.completed, task.total) for task in bars[0].tasks] == [(10, None)]
        report(20, 40)
        assert [(task.completed, task.total) for task in bars[0].tasks] == [(20, 40)]


def test_where_stderr_is_no_terminal_nothing_is_shown(capsys):
    with show.count(5, "runs") as advance:
        advance()
    assert capsys.readouterr() == ("", "")
