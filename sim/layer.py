"""The declarations of every kind of layer: arrays, state words, connections, step.

A kind is a file of `sim/kinds/`, a frozen dataclass derived from `Layer`. Files, digests, traces,
metrics, storage and every backend read these declarations; none of them names a kind.
"""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Container, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import MismatchError, RangeError
from sim.contract import NumericContract, signed_range

MAX_EXPONENT = 15
BELOW, OWN = "below", "own"
SPIKES = (0, 1)  # the values of a source that sends a spike or none
_SUM_LIMIT = (1 << 31) - 1
Content = Literal["weight", "shift", "decay", "syn", "mem", "scale"]


@dataclass(frozen=True)
class Declared:
    """An array of a kind.

    Attributes:
        content: its content, which decides dtype and range: a `weight` (`weight_bits`), a
            left `shift` (0..15), a `decay` (0..2^decay_frac, or 0..15 where it is a shift), a word
            of `syn_bits` or `mem_bits`, or a float64 `scale`.
        axes: names of its axes; `post` counts the layer's neurons, `pre` the senders below it.
        low: smallest value, if that is not the smallest of the content's range.
        optional: whether a layer may have None instead.
        tuned: names of the hand-written code that computes layers with this array; None for all.
    """

    content: Content
    axes: tuple[str, ...]
    low: int | None
    optional: bool
    tuned: frozenset[str] | None = None

    def range(self, c: NumericContract) -> tuple[int, int]:
        """Smallest and largest integer under a contract."""
        low, high = {
            "weight": signed_range(c.weight_bits),
            "shift": (0, MAX_EXPONENT),
            "decay": (0, c.largest_decay),
            "syn": signed_range(c.syn_bits),
            "mem": signed_range(c.mem_bits),
        }[self.content]
        return (low if self.low is None else self.low), high

    def dtype(self, c: NumericContract) -> np.dtype:
        """Dtype of the stored array."""
        if self.content == "weight":
            return np.dtype(np.int8 if c.weight_bits <= 8 else np.int16)
        wide: Mapping[str, Any] = {"shift": np.uint8, "scale": np.float64}
        found: np.dtype[Any] = np.dtype(wide.get(self.content, np.int32))
        return found


def values_in_words(values: tuple[int, int]) -> str:
    """The values that a network takes, for an error."""
    if values == SPIKES:
        return "only 0 and 1 are spikes: bin to steps in which a channel spikes or not"
    return f"the network takes whole numbers {values[0]}..{values[1]}"


def array(
    content: Content,
    *axes: str,
    low: int | None = None,
    optional: bool = False,
    omitted: bool = False,
    tuned: frozenset[str] | None = None,
) -> Any:
    """Declare an array of a kind.

    Args:
        content, axes, low, optional, tuned: as in `Declared`.
        omitted: whether constructors may leave it out, which gives None.
    """
    metadata = {"array": Declared(content, axes, low, optional or omitted, tuned)}
    return field(default=None, metadata=metadata) if omitted else field(metadata=metadata)


class Connection(NamedTuple):
    """A weight matrix, and the source of the values it weights.

    Attributes:
        name: name of the matrix.
        weights: (post, pre).
        shift: (post,) left shift of each row, or None for none.
        source: `below`, or `own` for the layer's own spikes of the step before.
        values: smallest and largest value that a source sends in a step; spikes are 0 or 1.
    """

    name: str
    weights: NDArray[np.integer]
    shift: NDArray[np.integer] | None
    source: str
    values: tuple[int, int] = SPIKES

    def pushes(self, sign: int) -> NDArray[np.int64]:
        """The most that each sender adds to each neuron one way in a step, (post, pre), unshifted.

        `sign` is 1 for up, -1 for down.
        """
        (low, high), weights = self.values, sign * self.weights.astype(np.int64)
        return weights * np.where(weights > 0, high, low)

    @property
    def shifts(self) -> NDArray[np.int64]:
        """`shift`, with zeros (post,) for none."""
        if self.shift is None:
            return np.zeros(len(self.weights), np.int64)
        return self.shift.astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """A layer of one kind: a frozen dataclass of arrays declared with `array`.

    Attributes:
        received: smallest and largest value that a sender below may send in a step; the network
            sets it.
        sent: smallest and largest value that a neuron of the layer sends in a step: (0, 1), or up
            to the contract's `max_spikes` of kinds that count spikes; the network sets it.
        STATES: state words in the order of computation, and the contract's word of each: `syn` or
            `mem`; "" for spikes, which are 0 or 1. A layer with `spk` is hidden, one without is a
            readout, whose last state is what is decoded.
        INITIAL: by state, the array with its values before the first step; 0 if there is none.
        CONNECTIONS: matrix, array of its shifts ("" for none) and source of each connection, the
            one from below first.
        CHOICES: by contract field, the values that the kind computes, where those are not all. Of a
            field that is `opt_in`, a kind that does not name it computes the default only, and a
            kind that does names every value it computes.
        ALONE: whether the kind decides by itself, so that a network may have no other layer.
        COUNTS: whether a neuron may spike several times in a step; `spk` is then a count.
        UNNAMED: files and digests do not name the kind, as they did not when it was the only one.
        TUNED: names of what has hand-written code for this kind: backends, `bounds`, and the
            `gradient` of training in integers; all else follows from `step`.
    """

    STATES: ClassVar[Mapping[str, str]]
    INITIAL: ClassVar[Mapping[str, str]] = {}
    CONNECTIONS: ClassVar[tuple[tuple[str, str, str], ...]]
    CHOICES: ClassVar[Mapping[str, Container[Any]]] = {}
    ALONE: ClassVar[bool] = False
    COUNTS: ClassVar[bool] = False
    UNNAMED: ClassVar[bool] = False
    TUNED: ClassVar[frozenset[str]] = frozenset()

    received: tuple[int, int] = SPIKES
    sent: tuple[int, int] = SPIKES

    if TYPE_CHECKING:  # the arrays of a kind, read by name in code for that kind

        def __getattr__(self, name: str) -> Any: ...

    @staticmethod
    @abstractmethod
    def step(o: Any, layer: Any, old: Any, source: Any) -> Any:
        """Compute one step over the arithmetic `o`; see `sim/step.py`.

        Args:
            o: an arithmetic.
            layer: of this kind.
            old: the state words before the step, attributes named as in `STATES`.
            source: what arrives from below.

        Returns:
            Every intermediate by name, the new state words among them.
        """

    @classmethod
    def kind(cls) -> str:
        """Name of the kind, which is that of its file."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def is_readout(cls) -> bool:
        """Whether the kind sends no spikes; its last state is then what is decoded."""
        return "spk" not in cls.STATES

    @classmethod
    @cache
    def words(cls) -> type[Any]:
        """A named tuple with a field for each state word."""
        return namedtuple(f"{cls.__name__}Words", cls.STATES)

    @classmethod
    def declared(cls) -> dict[str, Declared]:
        """Every array of the kind, in the order of files and digests."""
        found = {item.name: item.metadata for item in fields(cls)}
        return {name: data["array"] for name, data in found.items() if "array" in data}

    @property
    def n_neurons(self) -> int:
        return len(getattr(self, self.CONNECTIONS[0][0]))

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Every array that the layer has, with its name, in a fixed order."""
        for name in self.declared():
            value = getattr(self, name)
            if value is not None:
                yield name, value

    def connections(self) -> tuple[Connection, ...]:
        """Every connection that the layer has, what comes from below first."""
        found = []
        for name, shift, source in self.CONNECTIONS:
            if (weights := getattr(self, name)) is not None:
                shifts = getattr(self, shift) if shift else None
                values = self.sent if source == OWN else self.received
                found.append(Connection(name, weights, shifts, source, values))
        return tuple(found)

    @classmethod
    def computes(cls, item: Field[Any], value: Any) -> bool:
        """Whether the kind computes a value of a field of the contract."""
        opt_in = item.metadata.get("opt_in")
        if item.name in cls.CHOICES:
            return value in cls.CHOICES[item.name]
        is_concerned = opt_in == "all" or (opt_in and not cls.is_readout())
        return not is_concerned or value == item.default

    @classmethod
    def not_computed(cls, contract: NumericContract) -> str | None:
        """The first field of which the kind does not compute the contract's choice, or None.

        A readout without spikes is not concerned by the choices that are about them.
        """
        for item in fields(contract):
            if not cls.computes(item, getattr(contract, item.name)):
                return item.name
        return None

    def is_tuned(self, writer: str, contract: NumericContract) -> bool:
        """Whether hand-written code of that name computes this layer under that contract."""
        known = writer in self.TUNED and contract.is_computed_by(writer)
        return known and not self.arrays_beyond(writer)

    def arrays_beyond(self, writer: str) -> list[str]:
        """Names of the arrays that the layer has and hand-written code does not compute."""
        known = {name: self.declared()[name].tuned for name, _ in self.arrays()}
        return [name for name, by in known.items() if by is not None and writer not in by]

    def values(self, name: str) -> NDArray[np.int64]:
        """An array of one value per neuron (n_neurons,); zeros where the layer has None."""
        value = getattr(self, name)
        return np.zeros(self.n_neurons, np.int64) if value is None else value.astype(np.int64)

    def initial(self, state: str) -> NDArray[np.int64]:
        """A state's words before the first step, (n_neurons,)."""
        if state in self.INITIAL:
            return self.values(self.INITIAL[state])
        return np.zeros(self.n_neurons, np.int64)

    def _largest_sent(
        self, connection: str, received: tuple[int, int], sent: tuple[int, int]
    ) -> int:
        """Largest magnitude that a sender of a connection may send in a step."""
        owns = {key for key, _, source in self.CONNECTIONS if source == OWN}
        return max(map(abs, sent if connection in owns else received))

    def limits(self, contract: NumericContract) -> Mapping[str, tuple[Any, Any]]:
        """Ranges that the kind itself knows intermediates of its step not to leave, by name.

        Each is (low, high), (n_neurons,) int64; the analysis of worst cases starts from them.
        """
        return {}

    def decays(self) -> list[NDArray[np.integer]]:
        """The arrays of decays, (n_neurons,) each."""
        return [v for k, v in self.arrays() if self.declared()[k].content == "decay"]

    def has_unity(self, c: NumericContract) -> bool:
        """Whether some state of the layer never decays."""
        return any(bool((c.kept(decay) == 1.0).any()) for decay in self.decays())

    def checked(
        self,
        name: str,
        n_pre: int,
        contract: NumericContract,
        received: tuple[int, int] = SPIKES,
    ) -> Self:
        """Return the layer with its arrays in their own dtypes and read-only.

        Args:
            name: name of the layer, for errors.
            n_pre: neurons or inputs below it.
            received: smallest and largest value that one of them sends in a step.
            contract: the contract whose widths the arrays must fit.

        Raises:
            RangeError: a value out of range, weights that add up to too much, or a choice of the
                contract that the kind does not compute.
            MismatchError: a shape that does not fit the others.
        """
        if field_name := self.not_computed(contract):
            raise RangeError(
                f"{name} is of kind {self.kind()}, which does not compute `{field_name}`"
                f" {getattr(contract, field_name)}"
            )
        sizes = {"post": self.n_neurons, "pre": n_pre}
        sent = (0, contract.max_spikes if self.COUNTS else 1)
        changed: dict[str, Any] = {"received": received, "sent": sent}
        for key, declared in self.declared().items():
            value = getattr(self, key)
            if value is None and declared.optional:
                continue
            shape = tuple(sizes[axis] for axis in declared.axes)
            dtype = declared.dtype(contract)
            if declared.content == "scale":
                changed[key] = _scales(f"{name}.{key}", value, shape)
                continue
            ends = declared.range(contract)
            changed[key] = _integers(f"{name}.{key}", value, shape, dtype, ends)
            if declared.content == "weight":
                _check_sums(f"{name}.{key}", changed[key], self._largest_sent(key, received, sent))
        return self.replaced(changed)

    def replaced(self, changed: Mapping[str, Any]) -> Self:
        """A copy with other arrays, which are checked only in a network."""
        return replace(self, **changed)


def _scales(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    scale = np.array(value, dtype=np.float64)
    if scale.shape != shape:
        raise MismatchError(f"{name} has shape {scale.shape}; {shape} is needed")
    if not np.all(np.isfinite(scale)):
        raise RangeError(f"{name} holds a value that is not finite; scales must be")
    scale.flags.writeable = False
    return scale


def _integers(
    name: str, value: ArrayLike, shape: tuple[int, ...], dtype: np.dtype, ends: tuple[int, int]
) -> NDArray[Any]:
    array, (low, high) = np.asarray(value), ends
    if array.dtype.kind not in "iu":
        raise RangeError(f"{name} has dtype {array.dtype}; integers are needed")
    if array.shape != shape:
        raise MismatchError(f"{name} has shape {array.shape}; {shape} is needed")
    for found, outside in ((array.min(), array.min() < low), (array.max(), array.max() > high)):
        if outside:
            way_out = ""
            if ".w_" in name:
                way_out = f"; quantize with `bits={int(_bits_for(found))}` or more"
            raise RangeError(f"{name} holds {found}; {low}..{high} is possible{way_out}")
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _bits_for(value: np.integer) -> int:
    return int(value if value >= 0 else ~value).bit_length() + 1


def _check_sums(name: str, weights: NDArray[Any], sent: int) -> None:
    """Refuse a neuron whose weights, times the largest value sent, could pass 32 bits.

    It follows that all else is exact in 64 bits: two such sums, shifted by at most 15 + 16 bits,
    a bias and a decayed state of 32 bits stay below 2^63.
    """
    worst = np.abs(weights.astype(np.int64)).sum(1).max() * sent
    if worst > _SUM_LIMIT:
        raise RangeError(
            f"{name}: the weights of a neuron add up to {worst}; a 32-bit accumulator holds"
            f" {_SUM_LIMIT}. Use fewer inputs or quantize with fewer `bits`"
        )
