"""The result of every baseline, and the data it learns from and is scored on."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from base.metrics import r2_score
from rsnn.data.session import Session
from rsnn.data.split import Split

BIN = 0.020  # seconds of spikes counted together, where a baseline does not choose its own


@dataclass(frozen=True)
class Baseline:
    """A decoder without spikes, learned from a session and scored on its test part.

    Attributes:
        name: the kind of decoder, with the settings it chose.
        n_steps: steps scored, all of the test part.
        footprint: bytes of its parameters in float32.
        dense: multiplications per step, NeuroBench's dense operations.
        r2: R2 on the test part, averaged over the coordinates.
    """

    name: str
    n_steps: int
    footprint: int
    dense: float
    r2: float

    def row(self, session: str) -> dict[str, Any]:
        """One row of NeuroBench's table; columns that exist for spikes only are left out."""
        figures = asdict(self)
        return {"model": figures.pop("name"), "session": session} | figures


def score_baseline(
    name: str,
    decoded: NDArray[np.floating],
    session: Session,
    split: Split,
    *,
    n_parameters: int,
    dense: float,
) -> Baseline:
    """Score what was decoded in the test part, (n_steps, 2)."""
    r2 = r2_score(decoded, session.velocity[split.test])
    return Baseline(name, len(decoded), 4 * n_parameters, float(dense), r2)


def refuse_stillness(session: Session, split: Split) -> None:
    """Refuse a session in which R2 has no meaning.

    Raises:
        DataError: a coordinate that never changes in the validation or in the test part.
    """
    for name, part in (("validation", split.validation), ("test", split.test)):
        velocity = session.velocity[part]
        if not (velocity != velocity[:1]).any(0).all():
            raise DataError(
                f"session {session.name}: the cursor does not move in the {name} part, so R2 has"
                " no meaning there; use a longer session"
            )


def learning_part(split: Split) -> slice:
    """Train and validation part as one stretch, used for learning once settings are chosen."""
    return slice(split.train.start, split.validation.stop)


def counts_behind(raster: NDArray[np.uint8], n_steps: int) -> NDArray[np.float32]:
    """Count the spikes of the last `n_steps` steps at every step, that step's own among them.

    Args:
        raster: (n, n_channels), a stream that is silent before it starts.

    Returns:
        (n, n_channels), whole numbers.
    """
    total = raster.cumsum(0, dtype=np.float32)  # exact below 2^24 spikes, 18 hours at one per step
    counts = total.copy()
    counts[n_steps:] -= total[:-n_steps]
    return counts
