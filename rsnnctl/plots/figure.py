"""matplotlib without a display, colours that colour-blind people tell apart, and a whole file."""

from pathlib import Path
from typing import TYPE_CHECKING

from base.extras import extra
from base.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

plt = extra("matplotlib.pyplot", "plot", "a picture")
plt.switch_backend("agg")  # needs no display

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    *("#000000", "#e69f00", "#56b4e9", "#009e73"),
    *("#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
)
"""Okabe and Ito (2008)."""


def save(figure: "Figure", path: Path, *, dpi: int = 100) -> None:
    """Write a figure as a PNG, atomically, and close it.

    Raises:
        FileError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
