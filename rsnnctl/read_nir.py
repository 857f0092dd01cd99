"""NIR graphs from any source: with a numeric contract the same integers, else a float model."""

from pathlib import Path
from typing import TYPE_CHECKING

from base.errors import RangeError
from export.nir.container import read_graph
from export.nir.files import carries_contract, import_nir
from export.nir.import_graph import import_graph, order_of
from export.nir.layers import TimeStep
from sim.network import IntegerNetwork

if TYPE_CHECKING:
    from rsnn.model import RSNN


def read_nir(
    path: Path | str,
    *,
    dt: float | None = None,
    discretization: str = "exact",
    order: str = "at-once",
    reset: str = "zero",
    fires: str = "above",
) -> "IntegerNetwork | RSNN":
    """Read a NIR graph, by the options of `rsnnctl import-nir`.

    Args:
        path: the graph (.nir). With a contract it becomes an integer network, whose digest is that
            of the original; without one, a float model.
        dt: seconds per step; needed where there is no contract, refused where there is one.
        discretization: `exact` or `euler`; used only without a contract, like the next three.
        order: a name in `export.nir.import_graph.ORDERS`.
        reset: a name in `export.nir.import_graph.RESETS`.
        fires: a name in `export.nir.import_graph.FIRES`.

    Raises:
        RangeError: an unknown choice, or `dt` is missing or not allowed.
        FileError, DataError, MismatchError: the graph cannot be read or represented.
    """
    path = Path(path)
    graph = read_graph(path, check_types=False)
    if carries_contract(graph):
        if dt is not None:
            raise RangeError(
                f"`dt` is {dt}, but {path} carries a numeric contract, which says it; leave it out"
            )
        return import_nir(path)
    if dt is None:
        raise RangeError(
            f"{path} carries no numeric contract, and NIR has no time step; give `dt` in seconds,"
            " such as `dt=0.001`"
        )
    return import_graph(graph, TimeStep(dt, discretization), order_of(order, reset, fires))
