"""TOML of any origin, read within limits."""

import tomllib
from pathlib import Path
from typing import Any

from base.errors import DataError, FileError
from base.files import read_bytes

_MAX_BYTES = 1 << 20


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a text of TOML.

    Raises:
        ValueError: it is no TOML, is nested too deeply, or holds a number of too many digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a file of TOML of at most 1 MiB.

    Raises:
        FileError: as in `base.files.read_bytes`; or it is not UTF-8.
        DataError: it is no TOML, as in `parse_toml`.
    """
    content = read_bytes(path, _MAX_BYTES)
    try:
        return parse_toml(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: cannot be read as text: {error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not TOML: {error}") from error
