"""A minimal reproducer: the smallest network and raster found on which a backend is still wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError, RangeError, RsnnError
from sim import reference
from sim.layer import OWN, Layer
from sim.network import IntegerNetwork
from sim.trace import first_difference
from sim.verify import Backend


def shrink(
    network: IntegerNetwork, raster: NDArray[np.uint8], backend: Backend, *, tries: int = 400
) -> tuple[IntegerNetwork, NDArray[np.uint8]]:
    """Remove whatever a backend's difference from the reference does not need.

    Stretches of steps, hidden neurons, input channels, recurrence, readout heads and outputs,
    single input spikes and single weights go, coarse stretches first, as in delta debugging
    (Zeller and Hildebrandt 2002, doi:10.1109/32.988498). Every smaller case is run on reference
    and backend before it is kept; one that the backend refuses with an RsnnError is not.

    Args:
        network: the network.
        raster: inputs (n_steps, n_inputs) on which the backend differs.
        backend: the backend that differs; it must give the same trace for the same case.
        tries: maximum number of runs of the backend, one per case.

    Returns:
        The network, whose metadata name the digest it was shrunk from, and the raster. Where
        `tries` suffice, it ends with the first step that differs.

    Raises:
        RangeError: `tries` is below 1.
        MismatchError: the backend agrees with the reference on the case that was given.
    """
    if tries < 1:
        raise RangeError(f"tries is {tries}; at least 1 is needed")
    search = _Search(
        backend, tries, _Case(network, np.ascontiguousarray(raster, network.input_dtype))
    )
    if not search.accept(search.case):
        raise MismatchError(
            "run once more, the backend does not differ from the reference; does it give the same"
            " trace every time?"
        )
    pieces = 1
    finest = False
    while search.tries and not finest:
        before = search.case
        sizes = [_remove(search, kind, pieces) for kind in _kinds(network)]
        finest = search.case is before and max(sizes) <= 1
        pieces *= 2
    small = replace(search.case.network, metadata={"shrunk_from": network.digest()})
    return small, search.case.raster


@dataclass(frozen=True)
class _Case:
    network: IntegerNetwork
    raster: NDArray[np.uint8]


class _Search:
    """The smallest case so far and the runs that are left; a refused case is not run again."""

    def __init__(self, backend: Backend, tries: int, case: _Case) -> None:
        self.backend = backend
        self.tries = tries
        self.case = case
        self._refused: set[tuple[str, bytes]] = set()

    def accept(self, case: _Case) -> bool:
        """Make `case` the smallest if the backend differs on it; then cut it after that step."""
        step = self._first_step(case)
        if step is None:
            return False
        self.case = case
        if step + 1 < len(case.raster):
            self.accept(replace(case, raster=case.raster[: step + 1]))
        return True

    def _first_step(self, case: _Case) -> int | None:
        key = (case.network.digest(), case.raster.tobytes())
        if not self.tries or key in self._refused:
            return None
        self.tries -= 1
        try:
            found = self.backend(case.network, case.raster)
            difference = first_difference(reference.run(case.network, case.raster), found)
        except RsnnError:
            difference = None
        if difference is None:
            self._refused.add(key)
            return None
        return difference.step


class _Items(NamedTuple):
    """Items of one kind: their number, the fewest allowed, and a case without a stretch."""

    n_items: int
    n_needed: int
    without: Callable[[slice], _Case]


_Kind = Callable[[_Case], _Items]


def _remove(search: _Search, kind: _Kind, pieces: int) -> int:
    """Try to remove each stretch of a `pieces`-th of the items; return the stretch's length."""
    items = kind(search.case)
    size = max(1, (items.n_items - items.n_needed) // pieces)
    start = 0
    while start < items.n_items:
        gone = slice(start, min(start + size, items.n_items))
        leaves_enough = items.n_items - (gone.stop - gone.start) >= items.n_needed
        if leaves_enough and search.accept(items.without(gone)):
            items = kind(search.case)
        else:
            start += size
    return size


def _kinds(network: IntegerNetwork) -> Iterator[_Kind]:
    """Everything that can be removed, first what makes the next runs cheaper."""
    yield _steps
    for index in range(len(network.hidden)):
        yield partial(_neurons, index)
    yield _inputs
    for index in range(len(network.hidden)):
        yield partial(_recurrence, index)
    yield partial(_readout_rows, 0)
    yield partial(_readout_rows, 1)
    yield _spikes
    for index, layer in enumerate(network.layers):
        for connection in layer.connections():
            yield partial(_weights, index, connection.name)


def _steps(case: _Case) -> _Items:
    def without(gone: slice) -> _Case:
        return replace(case, raster=np.delete(case.raster, gone, 0))

    return _Items(len(case.raster), 1, without)


def _spikes(case: _Case) -> _Items:
    where = np.flatnonzero(case.raster)

    def without(gone: slice) -> _Case:
        raster = case.raster.copy()
        raster.flat[where[gone]] = 0
        return replace(case, raster=raster)

    return _Items(len(where), 0, without)


def _inputs(case: _Case) -> _Items:
    def without(gone: slice) -> _Case:
        first = _without_sources(case.network.layers[0], gone)
        return replace(_with(case, {0: first}), raster=np.delete(case.raster, gone, 1))

    return _Items(case.network.n_inputs, 1, without)


def _neurons(index: int, case: _Case) -> _Items:
    layer, above = case.network.layers[index], case.network.layers[index + 1]

    def without(gone: slice) -> _Case:
        fewer = _without_rows(layer, gone)
        for connection in layer.connections():
            if connection.source == OWN:
                fewer[connection.name] = np.delete(fewer[connection.name], gone, 1)
        changed = {index: layer.replaced(fewer), index + 1: _without_sources(above, gone)}
        return _with(case, changed)

    return _Items(layer.n_neurons, 1, without)


def _recurrence(index: int, case: _Case) -> _Items:
    layer = case.network.layers[index]
    own = [k.name for k in layer.connections() if k.source == OWN]

    def without(gone: slice) -> _Case:
        return _with(case, {index: layer.replaced(dict.fromkeys(own[gone]))})

    return _Items(len(own), 0, without)


def _readout_rows(axis: int, case: _Case) -> _Items:
    """Heads (axis 0), or outputs, which are the same for every head (axis 1)."""
    readout = case.network.readout
    rows = np.arange(readout.n_neurons).reshape(readout.n_heads, -1)

    def without(gone: slice) -> _Case:
        kept = np.delete(rows, gone, axis)
        fewer = _without_rows(readout, np.setdiff1d(rows, kept))
        changed = replace(readout, n_heads=len(kept), **fewer)
        return _with(case, {len(case.network.hidden): changed})

    return _Items(rows.shape[axis], 1, without)


def _weights(index: int, key: str, case: _Case) -> _Items:
    layer = case.network.layers[index]
    weights = getattr(layer, key)
    where = np.flatnonzero(weights) if weights is not None else np.empty(0, np.intp)

    def without(gone: slice) -> _Case:
        fewer = weights.copy()
        fewer.flat[where[gone]] = 0
        return _with(case, {index: layer.replaced({key: fewer})})

    return _Items(len(where), 0, without)


def _with(case: _Case, changed: dict[int, Layer]) -> _Case:
    layers = tuple(changed.get(i, layer) for i, layer in enumerate(case.network.layers))
    return replace(case, network=replace(case.network, layers=layers))


def _without_rows(layer: Layer, gone: slice | NDArray[np.intp]) -> dict[str, Any]:
    """Every array of a layer without some of its neurons."""
    return {key: np.delete(array, gone, 0) for key, array in layer.arrays()}


def _without_sources(layer: Layer, gone: slice) -> Layer:
    """A layer without some of the neurons, or inputs, below it."""
    below = layer.connections()[0]
    return layer.replaced({below.name: np.delete(below.weights, gone, 1)})
