"""The device on which torch trains: the CPU, or a CUDA device if there is one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from base.errors import ToolError


def find_device(name: str) -> torch.device:
    """Return the device of a name in `rsnn.training.names.DEVICES`.

    Raises:
        ToolError: torch finds no such device here.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ToolError(
            "device is cuda, but torch finds no CUDA device on this machine; compute on the CPU"
            " with `device=cpu`"
        )
    return torch.device(name)


@contextmanager
def moved(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Keep a model on a device for a while."""
    origin = next(model.parameters()).device
    model.to(device)
    try:
        yield
    finally:
        model.to(origin)
