"""What is kept of work that Ctrl-C ends, told by the code that keeps it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keeping(told: Callable[[], str]) -> Iterator[None]:
    """Add to an interrupt of the block what is kept; `told` returns nothing if nothing is.

    The command line prints such notes after "Interrupted".
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if text := told():
            stop.add_note(text)
        raise
