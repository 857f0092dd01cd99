"""Words of a network that something else recorded: a chip on the bench, a simulator, another tool.

A file of probes is HDF5 or .npz and holds, for each state variable that was recorded, an array of
whole numbers named like it, `hidden0.mem` (in HDF5 also `mem` in a group `hidden0`). Further
values say what its rows and columns are, attributes of the dataset in HDF5, arrays called
`hidden0.mem:axes` and so on in .npz:

    axes        "step neuron" (default) or "neuron step"
    first_step  the step after which the first row was recorded, 0 by default; -1 is before any
    neurons     index in its layer of each column (n_neurons,); by default all, in order

The file itself may have `raster` (n_steps, n_inputs), the input; `digest`, that of the network;
`dt`, seconds per step; and `first_step` for all variables. In HDF5, the last three are attributes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError, MismatchError
from base.hdf5.read import open_hdf5
from base.meeting import check_step
from rsnn.data.numpy_file import load_numpy
from rsnn.data.raster import open_raster
from sim import reference
from sim.network import IntegerNetwork
from sim.trace import Difference, variable_names
from sim.verify import BackendResult, Finding, Verification, operands_of

SUFFIXES = (".npz", ".h5", ".hdf5")
AXES = ("step neuron", "neuron step")
_RASTER, _DECODED, _OUT = "raster", "decoded", "out"  # the last two are what `simulate` writes
_FACTS = ("axes", "first_step", "neurons")
_OF_FILE = ("digest", "dt", "first_step")
_LARGEST = 1 << 53  # of a whole number that floats hold exactly; words are far smaller


@dataclass(frozen=True)
class Probe:
    """Words of one state variable, recorded in steps one after the other.

    Attributes:
        name: the variable, such as `hidden0.mem`.
        words: (n_steps, n_neurons) whole numbers.
        first_step: the step after which row 0 was recorded; -1 is the state before the first step.
        neurons: (n_neurons,) index in its layer of each column.
    """

    name: str
    words: NDArray[Any]
    first_step: int
    neurons: NDArray[np.int64]


@dataclass(frozen=True)
class ProbeFile:
    """A file of probes.

    Attributes:
        path: the file.
        probes: what was recorded.
        raster: (n_steps, n_inputs) the input, None where the file does not have it.
    """

    path: Path
    probes: tuple[Probe, ...]
    raster: NDArray[Any] | None

    def input(self, given: NDArray[Any] | None) -> NDArray[Any]:
        """The input (n_steps, n_inputs): the file's, or the one that is given beside it.

        Raises:
            MismatchError: there is none, or there are two.
        """
        if self.raster is not None and given is not None:
            raise MismatchError(
                f"{self.path}: has a `raster`, its input; name no other (--session)"
            )
        found = given if self.raster is None else self.raster
        if found is None:
            raise MismatchError(
                f"{self.path}: has no `raster`; name its input, a recording or raster (--session)"
            )
        return found


def read_probes(path: Path, network: IntegerNetwork) -> ProbeFile:
    """Read what was recorded of a network.

    Raises:
        FileError: no such file, another suffix, or damaged.
        DataError: what the file says of a variable is not as above, or words are no whole numbers.
        MismatchError: it is of another network, of another step, or has variables, neurons or
            inputs that the network lacks.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path}: a trace is read from {', '.join(SUFFIXES)}; save it as one")
    facts, arrays = _read_npz(path) if path.suffix == ".npz" else _read_hdf5(path)
    _check_same(path, network, facts)
    raster = None
    if _RASTER in arrays:
        del arrays[_RASTER]
        with open_raster(path, network.input_values) as stored:
            raster = stored.read(0, stored.n_steps)
        if raster.shape[1] != network.n_inputs:
            raise MismatchError(
                f"{path}: the raster has {raster.shape[1]} channels, the network"
                f" {network.n_inputs} inputs; name the network that it was recorded of"
            )
    arrays.pop(_DECODED, None)
    probes = tuple(
        _probe(path, network, name, *stored, facts.get("first_step", 0))
        for name, stored in arrays.items()
    )
    if not probes:
        raise MismatchError(
            f"{path}: holds no state variable; the network has {', '.join(variable_names(network))}"
        )
    return ProbeFile(path, probes, raster)


def verify_trace(
    network: IntegerNetwork, path: str | Path, raster: NDArray[Any] | None = None
) -> Verification:
    """Compare words that something else recorded of a network with the reference.

    Args:
        network: the network.
        path: HDF5 or .npz, laid out as docs/chips.md says.
        raster: (n_steps, n_inputs), where the file does not have it.

    Raises:
        FileError, DataError, MismatchError: as `read_probes`, `ProbeFile.input` and `compare`.
    """
    recorded = read_probes(Path(path), network)
    return compare(network, recorded, recorded.input(raster))


def compare(network: IntegerNetwork, recorded: ProbeFile, raster: NDArray[Any]) -> Verification:
    """Compare what was recorded with the reference over its input, word for word.

    Args:
        network: the network.
        recorded: the words.
        raster: (n_steps, n_inputs), as `ProbeFile.input` gives it.

    Raises:
        MismatchError: the raster has other channels than the network, or fewer steps than a probe.
    """
    right = reference.run(network, raster)
    order = {name: place for place, name in enumerate(right.variables)}
    words = differences = 0
    first: tuple[tuple[int, int, int], Difference] | None = None
    for probe in recorded.probes:
        end = probe.first_step + len(probe.words)
        if end > len(raster):
            raise MismatchError(
                f"{recorded.path}: `{probe.name}` has {len(probe.words)} steps from step"
                f" {probe.first_step} on, the input {len(raster)} steps; leave out the steps beyond"
            )
        whole = np.vstack([_before(network, probe.name), right.variables[probe.name]])
        expected = whole[probe.first_step + 1 : end + 1, probe.neurons]
        wrong = np.argwhere(expected != probe.words)
        words, differences = words + expected.size, differences + len(wrong)
        if len(wrong):
            row, column = map(int, wrong[0])
            layer, variable = probe.name.split(".")
            at = probe.first_step + row
            found = Difference(
                *(at, layer, variable, int(probe.neurons[column])),
                *(int(expected[row, column]), int(probe.words[row, column])),
            )
            place = (at, order[probe.name], found.neuron)
            first = min(first or (place, found), (place, found), key=lambda each: each[0])
    finding = None
    if first is not None:
        difference = first[1]
        is_computed = difference.step >= 0
        operands = operands_of(network, raster, right, difference) if is_computed else {}
        finding = Finding(0, difference, operands)
    names = dict.fromkeys(sorted((probe.name for probe in recorded.probes), key=order.__getitem__))
    complete = set(names) == set(order)
    what = "state words" if complete else f"words of {', '.join(names)}"
    result = BackendResult(words, differences, finding, code="recorded", what=what)
    return Verification(network.digest(), len(raster), {recorded.path.name: result}, {})


def _before(network: IntegerNetwork, name: str) -> NDArray[np.int64]:
    """The words of a variable before the first step, (1, n_neurons)."""
    layer, state = name.split(".")
    return network.layers[network.layer_names.index(layer)].initial(state)[None]


_Stored = tuple[Any, Mapping[str, Any]]  # an array, and what is said of it


def _read_npz(path: Path) -> tuple[dict[str, Any], dict[str, _Stored]]:
    """What an archive says of itself, and its arrays by name."""
    loaded = load_numpy(path)
    if isinstance(loaded, np.ndarray):
        raise FileError(f"{path}: holds one array without a name; save it by numpy.savez")
    facts = {name: loaded.pop(name) for name in _OF_FILE if name in loaded}
    said: dict[str, dict[str, Any]] = {}
    for name in [name for name in loaded if ":" in name]:
        variable, _, fact = name.rpartition(":")
        if variable not in loaded or fact not in _FACTS:
            raise DataError(
                f"{path}: `{name}` says nothing of an array that is there; {', '.join(_FACTS)}"
                " are said of one, as in `hidden0.mem:first_step`"
            )
        said.setdefault(variable, {})[fact] = loaded.pop(name)
    return facts, {name: (array, said.get(name, {})) for name, array in loaded.items()}


def _read_hdf5(path: Path) -> tuple[dict[str, Any], dict[str, _Stored]]:
    """The same of an HDF5 file, whose groups are parts of names."""
    with open_hdf5(path) as file:
        facts = {name: file.attrs[name] for name in _OF_FILE if name in file.attrs}
        found: dict[str, _Stored] = {}
        for name, stored in _datasets(file):
            said = {fact: stored.attrs[fact] for fact in _FACTS if fact in stored.attrs}
            skipped = name in (_RASTER, _DECODED)
            if stored.shape is None and not skipped:
                raise DataError(f"{path}: `{name}` is empty; leave it out")
            found[name] = (None if skipped else stored[()], said)
        return facts, found


def _datasets(group: h5py.Group, within: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from _datasets(item, f"{within}{name}.")
        elif isinstance(item, h5py.Dataset):
            yield f"{within}{name}", item


def _check_same(path: Path, network: IntegerNetwork, facts: Mapping[str, Any]) -> None:
    """Refuse what was recorded of another network, or in other steps."""
    if "digest" in facts:
        digest = _text(facts["digest"])
        if digest != network.digest():
            raise MismatchError(
                f"{path}: was recorded of the network {digest[:12]}, not of"
                f" {network.digest()[:12]}; name that one"
            )
    if "dt" in facts:
        dt = np.asarray(facts["dt"])
        if dt.size != 1 or dt.dtype.kind not in "fiu" or not 0 < dt.item() < np.inf:
            raise DataError(f"{path}: `dt` is {facts['dt']}; a number of seconds is needed")
        check_step(network, float(dt.item()), str(path))


def _probe(
    path: Path, network: IntegerNetwork, name: str, array: Any, said: Mapping[str, Any], first: Any
) -> Probe:
    """One variable, checked."""
    known = variable_names(network)
    variable = known[-1] if name == _OUT else name
    if variable not in known:
        raise MismatchError(
            f"{path}: `{name}` is no state variable of the network; it has {', '.join(known)}"
        )
    axes, array = _text(said.get("axes", AXES[0])), np.asarray(array)
    if axes not in AXES:
        raise DataError(f"{path}: the axes of `{name}` are `{axes}`; known: {', '.join(AXES)}")
    words = array.T if axes == AXES[1] else array
    layer = network.layers[network.layer_names.index(variable.split(".")[0])]
    neurons = _whole(path, f"`neurons` of `{name}`", said.get("neurons", range(layer.n_neurons)))
    outside = (neurons < 0) | (neurons >= layer.n_neurons)
    if neurons.ndim != 1 or outside.any():
        raise MismatchError(
            f"{path}: `neurons` of `{name}` are not all 0..{layer.n_neurons - 1}, as in the layer"
        )
    if words.ndim != 2 or words.shape[1] != len(neurons) or not len(words):
        raise MismatchError(
            f"{path}: `{name}` has shape {array.shape}; (n_steps, {len(neurons)}) is needed,"
            f' or with `axes` "{AXES[1]}" the other way round'
        )
    start = _whole(path, f"`first_step` of `{name}`", said.get("first_step", first))
    if start.size != 1 or start.item() < -1:
        raise DataError(f"{path}: `first_step` of `{name}` is {start}; -1 or more is needed")
    return Probe(variable, _whole(path, f"`{name}`", words), int(start.item()), neurons)


def _text(value: Any) -> str:
    """A text as HDF5 or NumPy gives it."""
    array = np.asarray(value)
    one = array.item() if array.size == 1 else value
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)


def _whole(path: Path, what: str, values: Any) -> NDArray[np.int64]:
    """Values as int64, which have to be whole numbers, in whatever dtype they are."""
    array = np.asarray(values)
    wrong = np.ones(array.shape, bool)
    if array.dtype.kind in "biuf":
        wrong = ~((array == np.floor(array)) & (abs(array.astype(np.float64)) <= _LARGEST))
    if wrong.any():
        example = array[wrong][0] if array.dtype.kind in "biuf" else array.dtype
        raise DataError(f"{path}: {what} holds {example}; whole numbers are needed")
    return array.astype(np.int64)
