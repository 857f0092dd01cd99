"""What files hold: decoders of recordings, networks of a task, or first-spike networks."""

from collections.abc import Sequence
from pathlib import Path

from base.container import read_label
from base.errors import MismatchError
from rsnn.first_spike.file import FORMAT as FIRST_SPIKE_FORMAT
from rsnn.rate.file import FORMAT, LIF_FORMAT
from sim import artifact
from sim.fast.events import has_engine

DECODER, TASK, FIRST_SPIKE = (
    "decodes a recording",
    "solves a task on trials",
    "classifies samples by first spikes",
)


def sort_of(paths: Sequence[Path]) -> str:
    """What all files do: `DECODER`, `TASK` or `FIRST_SPIKE`.

    Raises:
        MismatchError: two do different things.
        FileError, DataError: one cannot be read.
    """
    sorts = {path: _sort(path) for path in paths}
    first = paths[0]
    for path, sort in sorts.items():
        if sort != sorts[first]:
            raise MismatchError(f"{first} {sorts[first]}, {path} {sort}; evaluate them apart")
    return sorts[first]


def _sort(path: Path) -> str:
    label = read_label(path)
    if label.format in (FORMAT, LIF_FORMAT):
        return TASK
    if label.format == FIRST_SPIKE_FORMAT:
        return FIRST_SPIKE
    if label.format != artifact.FORMAT:
        return DECODER
    if isinstance(label.provenance.get("task"), str):
        return TASK
    return FIRST_SPIKE if has_engine(artifact.load_network(path)) else DECODER
