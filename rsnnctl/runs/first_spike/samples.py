"""The samples that a first-spike network is measured on: those that are named, or its run's."""

from pathlib import Path

from base.container import read_label
from base.errors import DataError, FileError, MismatchError, RangeError
from rsnn.first_spike.data.parts import Parts, is_published, load_parts
from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.file import digest_of
from rsnnctl.runs import folders

SAMPLES = "samples"
"""Fact of a run: the name of its samples; input of a model or network: their digest."""
TICKS = "ticks"
"""Fact of a run: ticks to which times of published files are rounded, or None."""
PARTS = ("train", "validation", "test")


def has_samples(path: Path) -> bool:
    """Whether a file lies in a run with samples."""
    return SAMPLES in folders.read_facts(path.parent)


def measured_on(
    path: Path, t_max: int, named: str | None = None, part: str = "test"
) -> tuple[str, Samples]:
    """Name and samples of a part.

    Args:
        path: the model or network.
        t_max: ticks of its samples, to which times of published files are rounded.
        named: as in `rsnn.first_spike.data.parts.load_parts`; None for the samples of the run.
        part: one of `PARTS`.

    Raises:
        FileError: none are named, and the file belongs to no run with samples; or they cannot be
            read.
        MismatchError: those of the run are not the samples any more that it was trained on.
        RangeError, DataError: there is no such part, or the samples are refused.
    """
    if part not in PARTS:
        raise RangeError(f"`part` is {part!r}; samples have the parts {', '.join(PARTS)}")
    source = named or folders.read_facts(path.parent).get(SAMPLES)
    if source is None:
        raise FileError(
            f"{path}: belongs to no run with samples; name some with `samples`, such as digits"
        )
    parts = load_parts(source, t_max if is_published(source) else None)
    if named is None:
        _check_same(path, source, parts)
    found = getattr(parts, part)
    if found is None:
        raise DataError(f"{source}: has no {part} part; name another `part`")
    return Path(source).name, found


def _check_same(path: Path, source: str, parts: Parts) -> None:
    made = read_label(path).provenance.get("inputs")
    digest = made.get(SAMPLES) if isinstance(made, dict) else None
    if digest is not None and digest != digest_of(parts):
        raise MismatchError(
            f"{path}: was trained on other samples than {source} has now; train again, or insist"
            f" with `samples={source}`"
        )
