"""Signed packets: HMAC-SHA-256 under a shared key, and sessions, so that none counts twice.

`docs/streaming.md` has the protocol.
"""

import hmac
from collections.abc import Callable

HELLO = b"RSh1"
WELCOME = b"RSw1"
KEY_BYTES = 32  # at least; RFC 2104 discourages keys that are shorter than the hash
SESSION_BYTES = 8
SIGNATURE_BYTES = 16  # half of SHA-256, the least that RFC 2104 recommends
_WINDOW = 1024  # steps; older ones are taken for replayed


def sign(key: bytes, content: bytes) -> bytes:
    """The packet that holds `content` and its signature."""
    return content + _signature(key, content)


def signed_content(key: bytes, packet: bytes) -> bytes | None:
    """The content of a packet; None if its signature is missing or wrong."""
    content, found = packet[:-SIGNATURE_BYTES], packet[-SIGNATURE_BYTES:]
    return content if hmac.compare_digest(found, _signature(key, content)) else None


class Sessions:
    """Which session is running, which one comes next, and the steps that were seen.

    The next session has its number before anyone asks for it, and every hello is told the same one
    until a packet uses it; so a replayed hello changes nothing. A number is drawn anew for each
    session, so packets of earlier ones fit none, those of a process before this one included.

    Attributes:
        following: number of the next session, random bytes.
    """

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        """`draw` returns as many random bytes as it is asked for."""
        self._draw = draw
        self._current: bytes | None = None
        self.following = draw(SESSION_BYTES)
        self._last = -1
        self._seen = 0  # bit i: step `_last` - i was seen

    def begin(self, session: bytes) -> bool:
        """Whether a packet is the first of the next session, which is then the running one."""
        if session != self.following:
            return False
        self._current, self.following = session, self._draw(SESSION_BYTES)
        self._last, self._seen = -1, 0
        return True

    def is_new(self, session: bytes, step: int) -> bool:
        """Whether a step of a session was not seen before; from now on it was."""
        if session != self._current or step <= self._last - _WINDOW:
            return False
        ahead = max(0, step - self._last)
        self._last += ahead
        self._seen = (self._seen << min(ahead, _WINDOW)) & ((1 << _WINDOW) - 1)
        bit = 1 << (self._last - step)
        is_new = not self._seen & bit
        self._seen |= bit
        return is_new


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:SIGNATURE_BYTES]
