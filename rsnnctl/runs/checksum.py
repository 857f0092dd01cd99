"""Checksums of JSON values, which stand beside them in a file, so that readers notice damage; rows
of a table that are kept so one by one, from which an interrupted search continues.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from base.errors import FileError
from base.files import read_bytes, write_text

_MAX_ROW = 1 << 26  # bytes of a row's file


def checksum(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value, however a file spaces it and orders its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def keep_row(path: Path, label: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Write a row, atomically, with what decides it and a checksum.

    Raises:
        FileError: the file cannot be written.
    """
    stored = {"label": label, "row": row, "sha256": checksum(row)}
    write_text(path, json.dumps(stored, indent=2) + "\n")


def kept_row(path: Path, label: Mapping[str, Any]) -> dict[str, Any] | None:
    """A row that was kept under this label; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        stored = json.loads(read_bytes(path, _MAX_ROW))
        row, kept = stored["row"], stored["label"]
        is_whole = stored["sha256"] == checksum(row)
    except (FileError, ValueError, RecursionError, KeyError, TypeError):
        return None  # damaged: computed again
    return row if is_whole and kept == json.loads(json.dumps(label)) else None
