"""The numeric contract: every choice in which two integer simulators could differ, as data."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args, get_type_hints

from base.errors import DataError, RangeError

MAX_STATE_BITS = 32  # a state word of every target fits in 32 bits; products are taken in 64
MAX_WEIGHT_BITS = 16
MAX_FRAC = 16
_ADDED = {"reset_delay"}
"""Fields that networks on disk may lack: their default is what was done before there were they."""


@dataclass(frozen=True)
class NumericContract:
    """How one step is computed in integers. The defaults are the contract `paper`.

    With `D(x, d) = x * d / 2^decay_frac` rounded as `rounding` says, and `syn()` and `mem()` the
    overflow rules of the two state words, a hidden neuron does in each step

        acc     = sum_j (w_in << e_in) x_j + sum_k (w_rec << e_rec) spk_k
        syn'    = syn(D(syn, decay_syn) + (acc << frac_bits))
        drive   = syn if current == "previous" else syn'
        decayed = D(mem, decay_mem)
        integrated = mem(decayed + drive)
        cleared    = mem(after_reset + (0 if reset_drops_input else drive))
        after_reset = 0 if reset == "zero" else decayed - threshold
        over(x) = x > threshold (or >=, as `fires_when` says)
        tested  = mem, integrated, or (cleared where over(mem), else integrated), as `fires_on` says
        spk'    = over(tested)
        mem'    = cleared where (over(mem) if reset_delay else spk'), else integrated

    and a readout computes `syn'` with `w_out`, and `out' = mem(D(out, decay_mem) + drive)`. `x_j`
    is a spike of `delay_steps` before, `spk_k` one of the step before.

    Attributes:
        current: the membrane integrates the synaptic current from before or after this step.
        fires_on: the spike is decided on the membrane from before this step's update
            (`previous_membrane`), from after it (`new_membrane`), or from after it and after the
            reset of a membrane that was over threshold before (`reset_membrane`).
        fires_when: a membrane exactly at threshold stays silent (`>`) or fires (`>=`).
        reset: a spike clears the membrane or takes the threshold off it.
        reset_drops_input: the drive of the firing step is lost.
        decay: `multiply`: by an integer factor, as D above.
        rounding: of D: `toward_zero`, or `floor` (towards minus infinity).
        decay_frac: fractional bits of decay factors, 1..16; 2^decay_frac is unity.
        frac_bits: fractional bits of synaptic current and membrane below one weight unit, 0..16.
        weight_bits: width of a signed weight, 2..16.
        syn_bits, mem_bits: width of the signed state words, 2..32; `out` has `mem_bits` too.
        overflow_syn, overflow_mem: a result that does not fit goes to the nearest end of the
            range (`saturate`) or loses its upper bits (`wrap`).
        delivery: `sum`: spikes of a step are summed exactly before anything can overflow.
        delay_steps: steps from a spike to its arrival in the layer above, and of an input spike
            to the first layer: 1, or 0, when layers are computed one after the other. Through
            `w_rec` a spike always takes 1.
        reset_delay: a spike resets its membrane in the step after, not in its own.
    """

    current: Literal["previous", "new"] = "previous"
    fires_on: Literal["previous_membrane", "new_membrane", "reset_membrane"] = "previous_membrane"
    fires_when: Literal[">", ">="] = ">"
    reset: Literal["zero", "subtract"] = "zero"
    reset_drops_input: bool = True
    decay: Literal["multiply"] = "multiply"
    rounding: Literal["toward_zero", "floor"] = "toward_zero"
    decay_frac: int = 12
    frac_bits: int = 6
    weight_bits: int = 8
    syn_bits: int = 32
    mem_bits: int = 32
    overflow_syn: Literal["saturate", "wrap"] = "saturate"
    overflow_mem: Literal["saturate", "wrap"] = "saturate"
    delivery: Literal["sum"] = "sum"
    delay_steps: Literal[0, 1] = 1
    reset_delay: bool = False

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value, hint = getattr(self, field.name), hints[field.name]
            allowed: tuple[Any, ...] = get_args(hint)
            if hint is bool:
                allowed = (False, True)
            if allowed and (value not in allowed or type(value) is not type(allowed[0])):
                known = ", ".join(str(a) for a in allowed)
                raise RangeError(f"contract field `{field.name}` is {value!r}; known: {known}")
        for name, low, high in (
            ("decay_frac", 1, MAX_FRAC),
            ("frac_bits", 0, MAX_FRAC),
            ("weight_bits", 2, MAX_WEIGHT_BITS),
            ("syn_bits", 2, MAX_STATE_BITS),
            ("mem_bits", 2, MAX_STATE_BITS),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise RangeError(
                    f"contract field `{name}` is {value!r}; it is a whole number {low}..{high}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return every field by name, ready for JSON."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What a digest is made of: `as_dict` without the `_ADDED` fields that are at rest."""
        at_rest = {(field.name, field.default) for field in fields(self) if field.name in _ADDED}
        return {
            name: value for name, value in self.as_dict().items() if (name, value) not in at_rest
        }

    def bits_of(self, word: str) -> int:
        """Width of the words `syn` or `mem`."""
        return {"syn": self.syn_bits, "mem": self.mem_bits}[word]

    def overflow_of(self, word: str) -> str:
        """Overflow rule of the words `syn` or `mem`."""
        return {"syn": self.overflow_syn, "mem": self.overflow_mem}[word]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build a contract from `as_dict`'s result.

        Raises:
            DataError: a field is missing or unknown.
            RangeError: a field has a value that is not possible.
        """
        expected = {field.name for field in fields(cls)}
        for text, names in (
            ("lacks", expected - set(values) - _ADDED),
            ("knows no", set(values) - expected),
        ):
            if names:
                raise DataError(
                    f"the numeric contract {text} field `{min(names)}`; it was written by another"
                    " version of rsnnctl or edited: export it again"
                )
        return cls(**values)


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
"""The order of snnTorch 1.0's neurons as they come: `reset_mechanism="subtract"`, `reset_delay`."""


def choices() -> dict[str, tuple[Any, ...]]:
    hints = get_type_hints(NumericContract)
    found: dict[str, tuple[Any, ...]] = {}
    for f in fields(NumericContract):
        allowed = (False, True) if hints[f.name] is bool else get_args(hints[f.name])
        if len(allowed) > 1:
            found[f.name] = allowed
    return found
