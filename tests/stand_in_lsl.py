"""A stand-in for the parts of pylsl in use."""

import sys
from types import SimpleNamespace

import numpy as np


class Info:
    """A stand-in for pylsl.StreamInfo; its `units` are those appended to its description."""

    def __init__(self, *arguments) -> None:
        self.arguments, self.units = arguments, []

    def desc(self):
        return self

    def append_child(self, name: str):
        return self

    def append_child_value(self, name: str, value: str) -> None:
        self.units += [(name, value)]


def stand_in(
    monkeypatch, n_channels: int, samples: list, *, kind: int = 1, rate: float = 250.0, stamps=None
) -> list:
    """A stand-in for the parts of pylsl in use; returns what will be pushed: its info, samples.

    Time stamps, in steps of 4 ms, are those of a stream without gaps if none are given.
    """
    pushed: list = []
    stream = SimpleNamespace(
        channel_count=lambda: n_channels,
        channel_format=lambda: kind,
        nominal_srate=lambda: rate,
    )
    found = [stream] if n_channels else []
    stamps = np.arange(len(samples)) if stamps is None else stamps
    waiting = iter(zip(samples, 1000 + 0.004 * np.asarray(stamps, float), strict=True))
    module = SimpleNamespace(
        cf_string=3,
        resolve_byprop=lambda key, name, timeout: found,
        StreamInfo=Info,
        StreamInlet=lambda stream: SimpleNamespace(
            pull_sample=lambda timeout: next(waiting, (None, None))
        ),
        StreamOutlet=lambda info: pushed.append(info) or SimpleNamespace(push_sample=pushed.append),
    )
    monkeypatch.setitem(sys.modules, "pylsl", module)
    return pushed
