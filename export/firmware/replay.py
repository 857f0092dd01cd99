"""Programs that replay input: spikes go in through a pipe, state words come out through another."""

import os
import select
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from sim.network import IntegerNetwork
from sim.trace import Trace, empty_trace

_SILENCE = 120  # s without output after which a program is stopped
_COUNTS = "replay.count"
Ends = tuple[int, int, int]


def thirds(n_steps: int) -> tuple[slice, slice, slice]:
    """Steps given as lists that name every channel twice, as lists, and as bitmaps."""
    first, second = n_steps // 3, 2 * n_steps // 3
    return slice(first), slice(first, second), slice(second, n_steps)


def replay(
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    command: Sequence[str],
    folder: Path,
    ends: Ends | None = None,
) -> tuple[Trace, NDArray[np.uint32]]:
    """Run a replay program over a raster.

    Args:
        network: the network that the program was compiled from.
        raster: (n_steps, n_inputs); given in three ways, see `thirds`.
        command: command that runs the program.
        folder: working folder of the program.
        ends: the end of the steps given in each way; None for `thirds`.

    Returns:
        The trace, and the program's counter of each step, (n_steps,).

    Raises:
        ToolError: the program stops early, or is silent for two minutes.
    """
    ((_, trace),) = replay_blocks(network, [raster], len(raster), command, folder, ends)
    return trace, np.fromfile(folder / _COUNTS, "<u4")


def replay_blocks(
    network: IntegerNetwork,
    blocks: Iterable[NDArray[np.uint8]],
    n_steps: int,
    command: Sequence[str],
    folder: Path,
    ends: Ends | None = None,
) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
    """Run a replay program over input in blocks; yield each block with its trace.

    A few of them are in memory at a time, because pipes are small: a slow consumer stalls the
    program, which stalls its input. `n_steps` counts all steps; otherwise as in `replay`.
    """
    for name, stream in (("replay.in", "/dev/stdin"), ("replay.out", "/dev/stdout")):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(stream)
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given: Queue[NDArray[np.uint8] | BaseException | None] = Queue()
        first, second, third = (part.stop for part in thirds(n_steps))
        sent = (blocks, ends or (first, second, third), process.stdin, given)
        feeder = Thread(target=_feed, args=sent, daemon=True)
        feeder.start()
        done, total = 0, n_steps * empty_trace(network, 1).n_words
        try:
            while (block := given.get()) is not None:
                if isinstance(block, BaseException):
                    raise block
                trace = empty_trace(network, len(block))
                words = _read_words(process.stdout.fileno(), trace.n_words)
                done += words.size
                if words.size < trace.n_words:
                    break
                _fill(trace, words)
                yield block, trace
            if process.wait() or done < total:
                raise ToolError(
                    f"{command[0]} ended with status {process.returncode} after {done} of {total}"
                    " words"
                )
        except TimeoutError:
            raise ToolError(f"{command[0]} has been silent for {_SILENCE} s") from None
        finally:
            process.kill()
            feeder.join()


def _feed(
    blocks: Iterable[NDArray[np.uint8]],
    ends: Ends,
    to: IO[bytes],
    given: Queue[NDArray[np.uint8] | BaseException | None],
) -> None:
    """Write the input, as `replay.c` reads it; in a thread, since both pipes can be full."""
    last: BaseException | None = None
    try:
        with to:
            to.write(np.array(ends, "<u4").tobytes())
            for block in blocks:
                given.put(block)
                to.write(block.tobytes())
    except BrokenPipeError:  # the program has ended; missing words reveal it
        pass
    except BaseException as error:
        last = error
    given.put(last)


def _read_words(pipe: int, n: int) -> NDArray[np.int32]:
    """Up to n words, fewer if the program ends; TimeoutError if it is silent for too long."""
    found = bytearray()
    while len(found) < 4 * n:
        if not select.select([pipe], [], [], _SILENCE)[0]:
            raise TimeoutError
        some = os.read(pipe, min(4 * n - len(found), 1 << 20))
        if not some:
            break
        found += some
    return np.frombuffer(bytes(found[: len(found) // 4 * 4]), "<i4")


def _fill(trace: Trace, words: NDArray[np.int32]) -> None:
    """Put words, those of a step together, into the variables of a trace."""
    words, start = words.reshape(trace.n_steps, -1), 0
    for array in trace.variables.values():
        array[:] = words[:, start : start + array.shape[1]]
        start += array.shape[1]
