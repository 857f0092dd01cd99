"""What a decoder takes of a part before any tool runs, and the smallest change that fits."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from base.errors import RangeError
from export.verilog.cycles import counted_steps, first_output, worst_step
from export.verilog.design import Design, design_of, shape_of, word_widths
from export.verilog.memories import memory_shapes
from export.verilog.options import AUTO, LANES
from hw_targets.machines.fpga.part import Part
from hw_targets.machines.target import Limits
from rsnn.data.raster import random_raster
from sim.network import IntegerNetwork

_COUNTED_STEPS = 250
_PLURAL = {"block_rams": "block RAMs", "multipliers": "multipliers", "spram": "SPRAMs"}


def resources(part: Part, limits: Limits, design: Design) -> dict[str, int]:
    """Block RAMs and multipliers of a decoder, never fewer than synthesis takes.

    A product takes a multiplier for each pair of parts of its factors.
    """
    rams = sum(block_rams(part, depth, width) for depth, width in memory_shapes(design))
    spram = 0
    if design.number("LOADED"):
        d, w = part.spram_shape
        width = design.number("LANES") * design.number("WEIGHT_BITS")
        spram = -(-design.number("N_WORDS") // d) * -(-width // w)
    syn, mem = design.number("SYN_BITS"), design.number("MEM_BITS")
    factors = {"serial": [], "single": [max(syn, mem)], "pipelined": [syn, mem]}
    bits = part.factor_bits
    of_decay = -(-design.number("DECAY_BITS") // bits)
    products = sum(-(-(x - 1) // bits) * of_decay for x in factors[design.shape.update])
    has_any = limits.multipliers is None or limits.multipliers > 0
    return {"block_rams": rams, "multipliers": products if has_any else 0, "spram": spram}


def block_rams(part: Part, depth: int, width: int) -> int:
    """Block RAMs of a memory of `depth` words of `width` bits.

    Synthesis chooses their shape, side by side and one after the other, and weighs them against the
    multiplexers of those that come one after the other.
    """
    found = []
    for d, w in part.ram_shapes:
        after = -(-depth // d)
        count = -(-after * width // w)
        found.append((part.ram_cost * count + (after - 1) * width / 2, count))
    return min(found)[1]


def timing(limits: Limits, design: Design) -> dict[str, Any]:
    """Clocks of a step, to its first output at the latest, and the part of a step that is left."""
    network = design.network
    raster = random_raster(_COUNTED_STEPS, network.n_inputs, dt=network.dt)
    worst = worst_step(design)
    assert limits.clock_hz is not None
    return {
        "cycles_mean": float(counted_steps(design, raster).mean()),
        "cycles_worst": worst,
        "first_output_cycles": first_output(design),
        "clock_mhz": limits.clock_hz / 1e6,
        "margin": 1 - worst / (limits.clock_hz * network.dt),
    }


def violations(
    part: Part, limits: Limits, network: IntegerNetwork, options: Mapping[str, Any]
) -> list[str]:
    """A line per limit that a decoder exceeds, with the smallest change that fits."""
    design = design_of(network, shape_of(**options))
    exceeded = _exceeded(part, limits, design)
    if not exceeded:
        return []
    way_out = _way_out(part, limits, network, options)
    return [f"{line}. {way_out}" for line in exceeded]


def _exceeded(part: Part, limits: Limits, design: Design) -> list[str]:
    lines = []
    for name, needed in resources(part, limits, design).items():
        most = getattr(limits, name)
        if most is not None and needed > most:
            lines.append(f"{_PLURAL[name]}: {needed} are needed, {most} are there")
    worst, dt = worst_step(design), design.network.dt
    assert limits.clock_hz is not None
    if worst > limits.clock_hz * dt:
        lines.append(
            f"time: a step takes up to {worst} clocks, {1e3 * worst / limits.clock_hz:.2f} ms at"
            f" {limits.clock_hz / 1e6:g} MHz, and is {1e3 * dt:g} ms long"
        )
    return lines


def _way_out(
    part: Part, limits: Limits, network: IntegerNetwork, options: Mapping[str, Any]
) -> str:
    """What fits instead: other options, narrower weights, or another part."""
    widths = word_widths(network)
    for change in _changes(options):
        try:
            design = design_of(network, shape_of(**{**options, **change}), widths)
        except RangeError:
            continue  # there is no such shape
        if not _exceeded(part, limits, design):
            words = [f"`{k}`" if v is True else f"`{k}={v}`" for k, v in change.items()]
            said = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
            return f"{said} fits"
    smallest = design_of(network, shape_of(**{**options, **_SMALLEST}))
    for bits in range(smallest.number("WEIGHT_BITS") - 1, 1, -1):
        if not _exceeded(part, limits, _with_weights(smallest, bits)):
            return (
                f"Quantize with `bits={bits}` or fewer, for `layout=compact`, `unique_inputs` and"
                " `pack`"
            )
    return "Prune neurons, or name a larger target"


_SMALLEST = {
    "layout": "compact",
    "lanes": AUTO,
    "update": AUTO,
    "unique_inputs": True,
    "pack": True,
}


def _changes(options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Changes of options, the fewest first; what costs no clocks comes before what does."""
    shape = shape_of(**options)
    numbers = sorted(
        map(int, LANES.choices[1:]), key=lambda n: (n > shape.lanes, abs(n - shape.lanes))
    )
    lanes = [str(n) for n in numbers]
    each: dict[str, tuple[Any, list[Any]]] = {
        "unique_inputs": (shape.unique_inputs, [True]),
        "pack": (shape.packed, [True]),
        "lanes": (str(shape.lanes), lanes),
        "update": (shape.update, ["pipelined", "single", "serial"]),
        "storage": (shape.storage, ["bitmap", "spram", "dense"]),
    }
    choices = [
        [(name, None), *((name, value) for value in values if value != now)]
        for name, (now, values) in each.items()
    ]
    found = [
        {name: value for name, value in choice if value is not None} for choice in product(*choices)
    ]
    order = list(each)
    yield from sorted(
        (change for change in found if change),
        key=lambda change: (len(change), [order.index(name) for name in change]),
    )


def _with_weights(design: Design, bits: int) -> Design:
    """The decoder with weights of another width, and all else as it is."""
    narrower = design.number("WEIGHT_BITS") - bits
    apart = design.number("ROWS_APART") * design.number("N_ROWS")
    constants = design.number("CONSTANT_BITS") - apart * narrower
    changed = {"WEIGHT_BITS": bits, "CONSTANT_BITS": constants}
    return replace(design, parameters={**design.parameters, **changed})
