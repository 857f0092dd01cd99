"""Flushing of denormal floats, which are a hundred times slower than others, to zero."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush them in this thread and in those it starts, then restore the previous mode."""
    flushed_before = (torch.tensor(1e-39) * 1.0).item() == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)
