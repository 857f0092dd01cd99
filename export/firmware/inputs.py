"""Inputs in C: lists or bitmaps of the channels that spike, or an array of the values of all."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from export.firmware.templates import template
from sim.layer import SPIKES
from sim.network import IntegerNetwork

_EVENTS = {
    "TAKEN": "the channels that spiked",
    "GIVEN": "input spikes",
    "SENT": "spikes",
    "ADDS": "One spike adds one row of weights.",
    "GOLDEN": "/* Channels that spike in each step, channel c as bit c % 8 of byte c / 8. */",
    "REPLAYED": (
        " * In: three uint32, the ends of the steps given as lists that name every channel twice,"
        " of those\n * given as lists, and of those given as bitmaps; then one byte per channel and"
        " step."
    ),
    "STEP": "step_bitmap",
    "BAD_INPUT": "a channel that is no input, as an event or as a bit",
    "ORDERED": "tables are numbers, bitmaps are bytes",
}
_VALUES = {
    "TAKEN": "a value per channel",
    "GIVEN": "inputs",
    "SENT": "values",
    "ADDS": "An input adds one row of weights times its value.",
    "GOLDEN": "/* Values of all channels in each step. */",
    "REPLAYED": (
        " * In: three uint32, of which the last is the number of steps; then one byte per channel"
        " and step."
    ),
    "STEP": "step",
    "BAD_INPUT": "a value outside @LOW@..@HIGH@",
    "ORDERED": "tables and inputs are numbers",
}


def parts(network: IntegerNetwork) -> Mapping[str, str]:
    """What templates name of the inputs of a network: their type, ends, and words for comments."""
    low, high = network.input_values
    kind = {"CTYPE": f"{network.input_dtype}_t", "LOW": str(low), "HIGH": str(high)}
    return (_EVENTS if _are_spikes(network) else _VALUES) | kind  # which names the ends


def template_of(network: IntegerNetwork, name: str, suffix: str) -> str:
    """The template `<name>_events.<suffix>` or `<name>_values.<suffix>`."""
    form = "events" if _are_spikes(network) else "values"
    return template(f"{name}_{form}.{suffix}").rstrip()


def rows(network: IntegerNetwork, raster: NDArray[np.integer]) -> NDArray[np.integer]:
    """A raster (n_steps, n_inputs) as rows of golden inputs: bitmaps of spikes, or all values."""
    return np.packbits(raster, axis=1, bitorder="little") if _are_spikes(network) else raster


def row_length(network: IntegerNetwork) -> int:
    """Elements of a row of `rows`."""
    return -(-network.n_inputs // 8) if _are_spikes(network) else network.n_inputs


def _are_spikes(network: IntegerNetwork) -> bool:
    return network.input_values == SPIKES
