"""The key that packets are signed with, out of a file."""

import warnings
from pathlib import Path

from base.errors import FileError, RsnnWarning
from base.files import read_bytes
from sim.live.signed import KEY_BYTES

_MOST = 4096  # bytes; a longer file is none that was made as a key


def read_key(path: Path) -> bytes:
    """All bytes of a key file; a warning if others can read them too.

    Raises:
        FileError: no regular file that can be read, fewer than 32 bytes, or more than 4096.
    """
    key = read_bytes(path, _MOST)
    if len(key) < KEY_BYTES:
        raise FileError(
            f"{path}: has {len(key)} bytes; a key has at least {KEY_BYTES}, and"
            f" `head -c {KEY_BYTES} /dev/urandom > FILE` makes one"
        )
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        text = f"{path}: others can read this key (mode {mode:o}); `chmod 600` makes it yours alone"
        warnings.warn(text, RsnnWarning, stacklevel=1)
    return key
