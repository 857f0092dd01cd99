"""Checksums of JSON values, which stand beside them in a file, so that readers notice damage."""

import hashlib
import json
from typing import Any


def checksum(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value, however a file spaces it and orders its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
