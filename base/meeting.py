"""The check where a network meets a recording or stream: one step, as many channels and outputs."""

import math
from typing import Protocol

from base.errors import MismatchError

STEP_TOLERANCE = 1e-6  # of a step: beyond it two steps are not the same


class Network(Protocol):
    """The sides of an integer network or a float model's architecture that face a recording."""

    @property
    def n_inputs(self) -> int: ...

    @property
    def n_outputs(self) -> int: ...

    @property
    def dt(self) -> float: ...

    @property
    def input_values(self) -> tuple[int, int]: ...


class Recording(Protocol):
    """The sides of a recording, raster or stream that face a network.

    `n_targets` is the number of signals to decode, None where there are none; `dt` is in seconds
    per step, None where the source has no step of its own.
    """

    @property
    def name(self) -> str: ...

    @property
    def n_channels(self) -> int: ...

    @property
    def n_targets(self) -> int | None: ...

    @property
    def dt(self) -> float | None: ...


def check_meeting(network: Network, recording: Recording) -> None:
    """Refuse a recording that is not what a network takes and decodes.

    Raises:
        MismatchError: another step, number of channels or number of target signals.
    """
    check_step(network, recording.dt, recording.name)
    if recording.n_channels != network.n_inputs:
        raise MismatchError(
            f"{recording.name} has {_counted(recording.n_channels, 'channel')}, the network"
            f" {_counted(network.n_inputs, 'input')}; use a recording with as many channels"
        )
    if recording.n_targets not in (None, network.n_outputs):
        raise MismatchError(
            f"{recording.name} has {_counted(recording.n_targets, 'target signal')}, the network"
            f" {_counted(network.n_outputs, 'output')}; use a network with as many outputs"
            " (simulate and verify also take a raster of the spikes alone)"
        )


def check_step(network: Network, dt: float | None, name: str) -> None:
    """Refuse steps of `dt` seconds that are not the network's; None is taken at the network's.

    Raises:
        MismatchError: they differ by more than a relative 1e-6.
    """
    if dt is not None and not math.isclose(dt, network.dt, rel_tol=STEP_TOLERANCE):
        raise MismatchError(
            f"{name} has steps of {milliseconds(dt)}, the network of {milliseconds(network.dt)};"
            f" bin the spikes in steps of {milliseconds(network.dt)}, or use a network of"
            f" {milliseconds(dt)} (an import takes `dt={dt:.9g}`)"
        )


def milliseconds(dt: float) -> str:
    """A step of `dt` seconds in words, such as `4 ms`."""
    return f"{1000 * dt:.9g} ms"


def _counted(n: int | None, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
