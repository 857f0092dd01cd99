"""Programs that tests call: a missing one skips a test here and fails it in CI."""

import os
from shutil import which

import pytest


def need(program: str, package: str) -> None:
    """Skip the test without the program; fail it where `RSNN_REQUIRE_TOOLS` says so."""
    if which(program) is None:
        reason = f"`{program}` is missing: install Debian's {package}"
        if os.environ.get("RSNN_REQUIRE_TOOLS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
