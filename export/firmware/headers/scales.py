"""What the words of a readout stand for: its scales as macros, and in a Q format."""

import math
from collections.abc import Iterator, Sequence

from export.firmware.templates import filled
from sim.network import IntegerNetwork

_SUM, _WORD = 61, 31  # bits of magnitude: of a sum over heads, and of a word
_MOST_BITS = 62  # by which a sum may be shifted


def decoding(network: IntegerNetwork) -> list[str]:
    """How to decode `out`, in lines of a comment."""
    if scales_of(network):
        return ["Decoded values", "are the mean over heads of out[i] * @NAME@_SCALE_<i>."]
    return network.readout.reading()


def macros(network: IntegerNetwork) -> str:
    """The macros of a readout's scales, by row; nothing of a readout without."""
    readout, scales = network.readout, scales_of(network)
    if not scales:
        return ""
    found = in_q_format(scales, readout.n_heads)
    whole = ""
    if found is not None:
        words, bits = found
        rows = _rows("SCALE_Q", "SCALES_Q", [str(word) for word in words])
        whole = filled("scales_q.h", {"BITS": str(bits), "ROWS": "\n".join(rows)}).rstrip()
    parts = {
        "N_HEADS": str(readout.n_heads),
        "N_OUTPUTS": str(readout.n_outputs),
        "REAL": "\n".join(_rows("SCALE", "SCALES", [repr(scale) for scale in scales])),
        "WHOLE": whole,
    }
    return filled("scales.h", parts).rstrip()


def in_q_format(scales: Sequence[float], n_heads: int) -> tuple[list[int], int] | None:
    """Scales as whole numbers in units of 2^-bits, and the bits.

    As fine as lets 64 bits hold the sum over heads of any words times their numbers.

    Args:
        scales: of the rows, head by head.
        n_heads: number of heads.

    Returns:
        None if a scale is so large that its unit would be above 1.
    """
    room = _SUM - _WORD - math.ceil(math.log2(n_heads))
    _, exponent = math.frexp(max(map(abs, scales)))
    bits = min(room - exponent, _MOST_BITS)
    if bits < 0:
        return None
    return [round(math.ldexp(scale, bits)) for scale in scales], bits


def scales_of(network: IntegerNetwork) -> list[float]:
    """The scale of each row of a readout; nothing of a readout without."""
    found = dict(network.readout.arrays()).get("out_scale")
    return [] if found is None else [float(scale) for scale in found]


def _rows(one: str, every: str, values: Sequence[str]) -> Iterator[str]:
    """A macro per value, and one of all as the initializer of an array."""
    yield from (f"#define @NAME@_{one}_{i} {value}" for i, value in enumerate(values))
    names = [f"@NAME@_{one}_{i}" for i in range(len(values))]
    lines = [", ".join(names[i : i + 4]) for i in range(0, len(names), 4)]
    yield f"#define @NAME@_{every} \\"
    yield "    {" + (", \\\n     ".join(lines)) + "}"
