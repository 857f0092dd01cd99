"""Decode lines of text, one per step, and answer each before reading the next."""

import time
from collections.abc import Callable
from typing import TextIO

from base.errors import DataError
from sim.live.ordered import OrderedDecoder, Tally
from sim.live.packets import parse_line
from sim.network import IntegerNetwork


def stream_lines(network: IntegerNetwork, lines: TextIO, write: Callable[[str], object]) -> Tally:
    """Decode one line after the other until the input ends or the reader of the output goes away.

    Args:
        network: the network.
        lines: indices of the inputs that spike, one line per step; an empty line is silence.
        write: called with the number of the step and the decoded values, as text.
    """
    decoder = OrderedDecoder(network)
    number = 0
    try:
        for line in lines:
            start = time.perf_counter()
            try:
                events = parse_line(line, network.n_inputs)
            except DataError:
                decoder.tally.malformed += 1
                continue
            values = decoder.step(number, events)
            assert values is not None  # lines are numbered here, in order
            write(f"{number} " + " ".join(repr(float(value)) for value in values) + "\n")
            decoder.tally.add(time.perf_counter() - start)
            number += 1
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    return decoder.tally
