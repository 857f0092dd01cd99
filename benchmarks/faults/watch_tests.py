"""A pytest plugin of `plant_faults.py`: notes which test begins, passes and fails; ends a loop.

FAULT_NOTES names the file of the notes, FAULT_SECONDS how long one test may take, FAULT_BYTES how
much memory.
"""

import faulthandler
import os
import resource

NOTES = os.environ["FAULT_NOTES"]
SECONDS = float(os.environ["FAULT_SECONDS"])
_, _hard = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (int(os.environ["FAULT_BYTES"]), _hard))


def _note(word: str, name: str) -> None:
    with open(NOTES, "a", encoding="utf-8") as file:
        file.write(f"{word} {name}\n")
    # Not a signal: a compiled loop would never let Python handle it.
    faulthandler.dump_traceback_later(SECONDS, exit=True)


def pytest_configure(config) -> None:
    _note("begin", "the imports of the tests")


def pytest_collectreport(report) -> None:
    _note("fail" if report.failed else "collect", report.nodeid)


def pytest_runtest_logstart(nodeid) -> None:
    _note("begin", nodeid)


def pytest_runtest_logreport(report) -> None:
    if report.failed:
        _note("fail", report.nodeid)


def pytest_runtest_logfinish(nodeid) -> None:
    _note("end", nodeid)


def pytest_sessionfinish() -> None:
    faulthandler.cancel_dump_traceback_later()
