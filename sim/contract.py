"""The numeric contract: every choice in which two integer simulators could differ, as data."""

from dataclasses import Field, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from base.errors import DataError, RangeError
from base.order import Order, check_choices, possible_values

if TYPE_CHECKING:  # --help does without
    import numpy as np
    from numpy.typing import NDArray

MAX_STATE_BITS = 32  # a state word of every target fits in 32 bits; products are taken in 64
MAX_WEIGHT_BITS = 16
MAX_FRAC = 16
MAX_SPIKES = 255  # of a neuron in a step; counts are bytes
LARGEST_SHIFT = 15  # of a decay by shifting
GRADED = frozenset({"bounds", "nir"})  # hand-written code that computes inputs other than spikes


def _number(default: int, smallest: int, largest: int) -> Any:
    """A field that is a whole number; `values` are those to be covered, its ends among them."""
    return field(default=default, metadata={"values": (smallest, default, largest)})


@dataclass(frozen=True)
class NumericContract(Order):
    """How one step is computed in integers. The defaults are the contract `paper`.

    The equations are those of `sim/step.py`, the first eight fields those of `Order`, which says
    what a field's metadata may have. One more: `values`, whole numbers to be covered by tests.

    Attributes:
        rounding: of D: `toward_zero`, or `floor` (towards minus infinity).
        decay_frac: fractional bits of decay factors, 1..16; 2^decay_frac is unity. With `decay`
            `shift`, neither this nor `rounding` means anything.
        frac_bits: fractional bits of synaptic current and membrane below one weight unit, 0..16.
        weight_bits: width of a signed weight, 2..16.
        syn_bits, mem_bits: width of the signed state words, 2..32; `out` has `mem_bits` too.
        overflow_syn, overflow_mem: a result that does not fit goes to the nearest end of the
            range (`saturate`) or loses its upper bits (`wrap`).
        saturation: a word saturates at the ends of its range (`full`), or at those of a range that
            is the same on both sides of 0 (`symmetric`).
        refractory_steps: steps after its spike in which a neuron integrates nothing, 0..255; only
            of kinds that count them.
        max_spikes: the most times that a neuron spikes in a step, 1..255; only of kinds that count
            spikes.
        input_bits, input_signed: an input of the network is a whole number of 1..8 bits, unsigned
            or in two's complement; by default a spike, 0 or 1.
        inputs_once: of each input, only the first event of a run counts, the first value but 0.
        decay: `multiply` by an integer factor, as `D` in the equations; or `shift`: x - S(x, d) of
            a decay 0..15, in which S(x, d) is floor(x / 2^d), but 1 where that is 0 and x is not.
    """

    rounding: Literal["toward_zero", "floor"] = "toward_zero"
    decay_frac: int = _number(12, 1, MAX_FRAC)
    frac_bits: int = _number(6, 0, MAX_FRAC)
    weight_bits: int = _number(8, 2, MAX_WEIGHT_BITS)
    syn_bits: int = _number(32, 2, MAX_STATE_BITS)
    mem_bits: int = _number(32, 2, MAX_STATE_BITS)
    overflow_syn: Literal["saturate", "wrap"] = "saturate"
    overflow_mem: Literal["saturate", "wrap"] = "saturate"
    saturation: Literal["full", "symmetric"] = field(
        default="full", metadata={"since": 7, "tuned": frozenset({"nir"})}
    )
    refractory_steps: int = field(
        default=0, metadata={"values": (0, 3, 255), "since": 4, "opt_in": "spikes"}
    )
    max_spikes: int = field(
        default=1, metadata={"values": (1, 31, MAX_SPIKES), "since": 8, "opt_in": "spikes"}
    )
    input_bits: int = field(default=1, metadata={"values": (1, 3, 8), "since": 5, "tuned": GRADED})
    input_signed: bool = field(default=False, metadata={"since": 5, "tuned": GRADED})
    inputs_once: bool = field(default=False, metadata={"since": 6, "tuned": GRADED | {"events"}})
    decay: Literal["multiply", "shift"] = field(
        default="multiply", metadata={"choice_since": 8, "tuned": frozenset({"nir"})}
    )

    def __post_init__(self) -> None:
        check_choices(self, "contract field ")
        for name, values in numbers().items():
            value, low, high = getattr(self, name), min(values), max(values)
            if type(value) is not int or not low <= value <= high:
                raise RangeError(
                    f"contract field `{name}` is {value!r}; it is a whole number {low}..{high}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return every field by name, ready for JSON."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """The fields that a digest covers: all but later additions that have their default.

        So networks keep the digest they had before the field existed.
        """
        return {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) != item.default or not _came_later(item)
        }

    def written(self) -> dict[str, Any]:
        """The fields that files hold: all but those after version 3 that have their default.

        So files keep the bytes they had before the field existed.
        """
        return {
            item.name: value
            for item in fields(self)
            if (value := getattr(self, item.name)) != item.default or _since(item) <= 3
        }

    def is_computed_by(self, writer: str) -> bool:
        """Whether hand-written code of that name computes every choice that is made here."""
        return all(
            writer in item.metadata.get("tuned", (writer,))
            or getattr(self, item.name) == item.default
            for item in fields(self)
        )

    def bits_of(self, word: str) -> int:
        """Width of the words `syn`, `mem`, or `fall`, which is as wide as `mem`."""
        return {"syn": self.syn_bits, "mem": self.mem_bits, "fall": self.mem_bits}[word]

    def is_symmetric(self, word: str) -> bool:
        """Whether the words `syn` or `mem` saturate at ends of the same size."""
        return self.saturation == "symmetric" and self.overflow_of(word) == "saturate"

    def range_of(self, word: str) -> tuple[int, int]:
        """Smallest and largest value to which the words `syn` or `mem` are brought."""
        low, high = signed_range(self.bits_of(word))
        return (-high if self.is_symmetric(word) else low), high

    @property
    def largest_decay(self) -> int:
        """Decays are whole numbers from 0 to this one."""
        return LARGEST_SHIFT if self.decay == "shift" else 1 << self.decay_frac

    def kept(self, decays: "NDArray[np.integer]") -> "NDArray[np.float64]":
        """What is left of a word after a step under decays (n_neurons,), before rounding."""
        if self.decay == "shift":
            return cast("NDArray[np.float64]", 1.0 - 0.5**decays)
        return decays / 2.0**self.decay_frac

    @property
    def input_values(self) -> tuple[int, int]:
        """Smallest and largest value of an input in a step; (0, 1) for spikes."""
        if self.input_signed:
            return signed_range(self.input_bits)
        return 0, (1 << self.input_bits) - 1

    def overflow_of(self, word: str) -> str:
        """Overflow rule of the words `syn` or `mem`, or of `fall`, which wraps around."""
        return {"syn": self.overflow_syn, "mem": self.overflow_mem, "fall": "wrap"}[word]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a contract from `as_dict`'s result; later additions may be missing.

        Raises:
            DataError: a field is missing or unknown.
            RangeError: a field has a value that is not allowed.
        """
        required = {item.name for item in fields(cls) if not _came_later(item)}
        for text, names in (
            ("lacks the", required - set(values)),
            ("has an unknown", set(values) - {item.name for item in fields(cls)}),
        ):
            if names:
                raise DataError(
                    f"the numeric contract {text} field `{min(names)}`; it was written by another"
                    " version of rsnnctl or edited: export it again"
                )
        return cls(**values)


def choices() -> dict[str, tuple[Any, ...]]:
    """The values of each field that offers a choice to every kind, the default first."""
    opt_in = {item.name for item in fields(NumericContract) if "opt_in" in item.metadata}
    return {
        name: (getattr(PAPER, name), *(v for v in values if v != getattr(PAPER, name)))
        for name, values in possible_values(NumericContract).items()
        if len(values) > 1 and name not in opt_in
    }


def numbers() -> dict[str, tuple[int, ...]]:
    """The values of each numeric field that tests cover: smallest, default, largest."""
    return {
        item.name: item.metadata["values"]
        for item in fields(NumericContract)
        if "values" in item.metadata
    }


def _came_later(item: Field[Any]) -> bool:
    """Whether files older than the field lack it; its default is the behaviour of that time."""
    return _since(item) > 1


def _since(item: Field[Any]) -> int:
    """The version of the numeric contract that introduced a field."""
    return int(item.metadata.get("since", 1))


def signed_range(bits: int) -> tuple[int, int]:
    """Smallest and largest value of a two's-complement word of `bits`."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


PAPER = NumericContract()
SNNTORCH = NumericContract(
    current="new",
    fires_on="reset_membrane",
    reset="subtract",
    reset_drops_input=False,
    delay_steps=0,
    reset_delay=True,
)
"""The default order of snnTorch 1.0's neurons: `reset_mechanism="subtract"`, `reset_delay`."""
XYLO = NumericContract(
    current="new",
    fires_on="new_membrane",
    fires_when=">=",
    reset="subtract",
    reset_drops_input=False,
    bias_on="membrane",
    adds_first=True,
    inputs_at_once=True,
    decay="shift",
    frac_bits=0,
    syn_bits=16,
    mem_bits=16,
    max_spikes=31,
    input_bits=4,
    delivery="each",
    by_increment=True,
)
"""Neurons of SynSense's XyloAudio 2, XyloAudio 3 and XyloIMU, as their public simulators have them.

Those of the older core are the same without `by_increment`.
"""
LOIHI = NumericContract(
    current="new",
    fires_on="new_membrane",
    bias_on="membrane",
    weight_bits=9,
    syn_bits=24,
    mem_bits=24,
    overflow_syn="wrap",
    saturation="symmetric",
)
"""Compartments of Intel's Loihi, as its public emulators compute them.

They part from each other where a current reaches 2^23, which has to be excluded.
"""
