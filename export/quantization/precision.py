"""Bits of each part of a network, and the rule for its scales."""

from dataclasses import dataclass

from base.checks import check_choice
from base.errors import RangeError
from sim.contract import MAX_FRAC, MAX_STATE_BITS, MAX_WEIGHT_BITS, signed_range

SCALES = ("mse", "max", "percentile")


@dataclass(frozen=True)
class Precision:
    """The widths of an integer network and the rule for its scales.

    Attributes:
        bits: width of a weight, 2..16.
        bits_in, bits_rec, bits_out: the same for one kind of connection, where it differs.
        decay_bits: fractional bits of the decay factors, 1..16.
        frac_bits: fractional bits of the state below one weight unit, 0..16.
        syn_bits, mem_bits: state widths, 2..32; None for the smallest that cannot overflow. What
            does not fit a narrower one is handled as the contract says.
        scale: where the last step of the range goes: to a neuron's largest weight (`max`), to a
            percentile of its weights (`percentile`), or where the error of its summed input is
            smallest (`mse`).
        percentile: percentile of a neuron's absolute nonzero weights; 0 < percentile <= 100.
        per_layer: one scale per matrix instead of one per neuron.

    Raises:
        RangeError: a value that is not allowed.
    """

    bits: int = 8
    bits_in: int | None = None
    bits_rec: int | None = None
    bits_out: int | None = None
    decay_bits: int = 12
    frac_bits: int = 6
    syn_bits: int | None = None
    mem_bits: int | None = None
    scale: str = "mse"
    percentile: float = 99.0
    per_layer: bool = False

    def __post_init__(self) -> None:
        weight = (2, MAX_WEIGHT_BITS)
        state = (2, MAX_STATE_BITS)
        limits = {"bits": weight, "bits_in": weight, "bits_rec": weight, "bits_out": weight}
        limits |= {"decay_bits": (1, MAX_FRAC), "frac_bits": (0, MAX_FRAC)}
        limits |= {"syn_bits": state, "mem_bits": state}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise RangeError(f"`{name}` is {value}; {low} to {high} is possible")
        check_choice("scale", self.scale, SCALES)
        if not 0.0 < self.percentile <= 100.0:
            raise RangeError(
                f"`percentile` is {self.percentile:g}; above 0 and at most 100 is possible"
            )

    def width(self, kind: str) -> int:
        """Bits of the weights of `in`, `rec` or `out`."""
        own = {"in": self.bits_in, "rec": self.bits_rec, "out": self.bits_out}[kind]
        return self.bits if own is None else own

    def steps(self, kind: str) -> int:
        """Largest weight of `in`, `rec` or `out`; the smallest is its negative."""
        return signed_range(self.width(kind))[1]

    @property
    def weight_bits(self) -> int:
        """The widest of the three."""
        return max(self.width(kind) for kind in ("in", "rec", "out"))
