"""Programs and modules that tests call: a missing one skips a test here and fails it in CI."""

import os
from importlib import import_module
from pathlib import Path
from shutil import which
from types import ModuleType
from typing import NoReturn

import pytest


def need(program: str, package: str) -> None:
    """Skip the test without the program; fail it where `RSNN_REQUIRE_TOOLS` says so."""
    if which(program) is None:
        _do_without(f"`{program}` is missing: install Debian's {package}")


def need_file(path: Path, package: str) -> None:
    """As `need`, of a file."""
    if not path.exists():
        _do_without(f"{path} is missing: install Debian's {package}")


def needed_module(name: str) -> ModuleType:
    """Import a module; without it skip the test, or fail it where `RSNN_REQUIRE_TOOLS` says so."""
    try:
        return import_module(name)
    except ImportError:
        _do_without(f"the module `{name}` is missing: install the extra `test`")


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("RSNN_REQUIRE_TOOLS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
