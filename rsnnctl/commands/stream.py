"""`rsnnctl stream`: spikes decoded as they arrive, from stdin, UDP or Lab Streaming Layer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rsnnctl.options import INPUT, network_argument
from rsnnctl.results.kind import Column, Kind, Result

if TYPE_CHECKING:
    from sim.live.ordered import Tally
    from sim.network import IntegerNetwork

STREAMED = Kind(
    "streamed",
    "Counts and latencies of a stream.",
    (
        Column("steps", "integer", "Steps decoded from spikes that arrived."),
        Column("lost", "integer", "Steps whose spikes did not arrive."),
        Column("late", "integer", "Packets for a step that was over, or that came twice."),
        Column("far", "integer", "Packets whose step was too far from the one expected."),
        Column("malformed", "integer", "Packets or lines that could not be read."),
        Column("unsigned", "integer", "Packets whose signature was missing or wrong."),
        Column("replayed", "integer", "Signed packets that came again, or of an earlier session."),
        Column("restarts", "integer", "Times that step numbers started anew."),
        Column("missed_deadlines", "integer", "Steps that took longer than a step lasts."),
        Column("p50_us", "number", "Median latency.", "us"),
        Column("p99_us", "number", "99th percentile of the latency.", "us"),
        Column("max_us", "number", "Largest latency.", "us"),
        Column("unit", "text", "Unit of what is decoded."),
        Column("dt_s", "number", "Length of a step.", "s"),
    ),
    version=2,
)


@click.command()
@network_argument
@click.option("--udp", "port", type=int, help="UDP port of 127.0.0.1. Default: lines on stdin.")
@click.option("--lsl", help="Name of a Lab Streaming Layer stream (extra `lsl`).")
@click.option(
    "--idle", default=5.0, show_default=True, help="Seconds without spikes that end the stream."
)
@click.option(
    "--key-file",
    type=INPUT,
    help="File of at least 32 random bytes; only UDP packets signed with them are decoded.",
)
@click.option("--steps", type=int, help="Number of steps to stop after. Default: no limit.")
def command(
    network: Path | None,
    stale: bool,
    port: int | None,
    lsl: str | None,
    idle: float,
    key_file: Path | None,
    steps: int | None,
) -> Result:
    """Decode spikes as they arrive.

    The unit of decoded values is told on stderr, latencies and losses at the end.
    """
    import sys

    from base.errors import FileError, RangeError
    from rsnnctl.given import refuse
    from rsnnctl.runs import folders

    if port is None and lsl is None:
        refuse("on lines of stdin, which end by themselves", "idle", "steps")
        if sys.stdin is None:
            raise FileError("stdin is closed; give it lines, or take packets with --udp PORT")
    if port is None:
        refuse("without --udp, whose packets alone are signed", "key_file")
    if port is not None and lsl is not None:
        raise RangeError(f"`port` is {port} and `lsl` is {lsl}; spikes come from one of them")
    path = folders.chosen(network, folders.NETWORK)

    from base.meeting import milliseconds
    from rsnnctl import show
    from rsnnctl.provenance import decoded_unit
    from rsnnctl.results.output import is_json
    from rsnnctl.results.tables import text_of
    from rsnnctl.runs import lineage
    from rsnnctl.streams.udp import HOST
    from sim.artifact import load_network

    loaded = load_network(lineage.used(path, stale=stale, quiet=is_json()))
    unit = decoded_unit(loaded)
    if not is_json():  # whose report is all that machines read
        show.say(f"decoded values are in {unit}; a step is {milliseconds(loaded.dt)}")
    tally = decode_stream(
        loaded,
        port,
        lsl,
        idle=idle,
        steps=steps,
        key_file=key_file,
        ready=lambda bound: show.say(f"decoding packets to {HOST}:{bound}"),
    )
    counts = tally.as_dict()
    line = ", ".join(f"{name} {text_of(value)}" for name, value in counts.items())
    value = counts | {"unit": unit, "dt_s": loaded.dt}
    return Result(STREAMED, value, [line], is_plain=True, on_stderr=True)


def decode_stream(
    network: "IntegerNetwork",
    port: int | None,
    lsl: str | None,
    *,
    idle: float,
    steps: int | None,
    key_file: Path | None,
    ready: Callable[[int], object],
) -> "Tally":
    """Decode spikes from a UDP port, from an LSL stream or, without both, from stdin.

    Raises:
        RangeError, FileError, ToolError, MismatchError: as in the modules of `rsnnctl.streams`.
    """
    if port is not None:
        from rsnnctl.streams.key import read_key
        from rsnnctl.streams.udp import stream_packets

        key = None if key_file is None else read_key(key_file)
        return stream_packets(network, port, idle=idle, steps=steps, key=key, ready=ready)
    if lsl is not None:
        from rsnnctl.streams.lsl import stream_samples

        return stream_samples(network, lsl, idle=idle, steps=steps)
    import os
    import sys

    from rsnnctl.streams.lines import stream_lines

    lines = open(sys.stdin.fileno(), errors="replace", closefd=False)  # noqa: SIM115
    # bypasses Python's buffer, because the reader of a line may choose the next input by it
    return stream_lines(network, lines, lambda text: os.write(sys.stdout.fileno(), text.encode()))
