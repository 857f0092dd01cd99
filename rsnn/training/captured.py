"""Steps of a training on a card: each is captured once as a CUDA graph, and replayed."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from base.errors import RangeError, RsnnWarning
from rsnn.cuda import bptt
from rsnn.cuda.card import Card
from rsnn.cuda.run import HISTORY, MOST_ABOVE, words
from rsnn.model import RSNN, Decoded
from rsnn.training.steps import Steps

SHARE_OF_FREE = 0.9  # of the free memory that a batch may take


class CardForward:
    """`RSNN.forward` for training, by the kernels of a card.

    Raises:
        ToolError: cuda-core is not installed.
    """

    def __init__(self, device: torch.device) -> None:
        self.card = Card(device)

    def __call__(
        self,
        model: RSNN,
        raster: Tensor,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
        *,
        keys: Tensor | None = None,
    ) -> Decoded:
        """As `rsnn.cuda.bptt.forward`, without spikes."""
        return bptt.forward(
            model, raster, dropout, generator, kernels=self.card, keys=keys, with_spikes=False
        )


def bytes_per_sample(model: RSNN, n_steps: int) -> int:
    """Bytes that a step of the optimizer takes per window of `n_steps` steps."""
    n_inputs = model.architecture.n_inputs
    sizes = [layer.n_neurons for layer in model.layers]
    n_out = len(model.readouts) * model.architecture.n_outputs
    numbers = sum(sizes) * (1 + 1 / HISTORY) + 4 * n_out  # currents, membranes, readouts
    above = [*sizes[1:], n_out]
    numbers += max([n for n, up in zip(sizes, above, strict=True) if up > MOST_ABOVE] or [0])
    masks = words(n_inputs) + sum(2 * words(n) for n in sizes)
    return int(n_steps * (n_inputs + 8 + 4 * numbers + 4 * masks))


def check_memory(model: RSNN, batch: int, n_steps: int, free: int) -> None:
    """Refuse a batch for which a card has no room.

    Args:
        free: bytes.

    Raises:
        RangeError: names the batch that fits.
    """
    each = bytes_per_sample(model, n_steps)
    if batch * each > SHARE_OF_FREE * free:
        fits = int(SHARE_OF_FREE * free / each)
        way = f"choose at most {fits}" if fits else "choose shorter windows"
        raise RangeError(
            f"batch is {batch}, which needs {batch * each / 2**30:.1f} GiB of the card's"
            f" {free / 2**30:.1f}; {way}"
        )


class _Recorded(NamedTuple):
    """A captured step: what it reads, what it finds, and its graph."""

    chosen: Tensor
    keys: Tensor
    found: Tensor
    graph: Any


class CapturedSteps(Steps):
    """Steps on a card. Nothing is read from it before the end of an epoch.

    The first step on a batch of some size is taken as it is, which compiles kernels; the second is
    captured. So the parameters are those of steps that are never captured, bit for bit.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._stream = torch.cuda.Stream(self.windows.device)
        self._seen: set[int] = set()
        self._recorded: dict[int, _Recorded] = {}
        self._captures = True
        largest = min(self.config.batch, len(self.windows))
        torch.cuda.empty_cache()  # or what earlier trainings have left would count as taken
        free, _ = torch.cuda.mem_get_info(self.windows.device)
        check_memory(self.model, largest, self.config.window_steps, free)

    def make_optimizer(self) -> torch.optim.Optimizer:
        """As that of `Steps`, with a learning rate that a captured step reads from the card."""
        rate = torch.tensor(self.config.learning_rate, device=self.windows.device)
        return self.config.make_optimizer(self.model.parameters(), rate)

    def set_rate(self, rate: float) -> None:
        """As `Steps.set_rate`."""
        for group in self.optimizer.param_groups:
            group["lr"].fill_(rate)

    def epoch(
        self, batches: Sequence[Tensor], generator: torch.Generator
    ) -> Iterator[tuple[float, float]]:
        """As `Steps.epoch`, from the same random numbers."""
        device, dropout = self.windows.device, self.config.dropout
        drawn = [bptt.draw_keys(self.model, dropout, generator) for _ in batches]
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            keys, order = torch.stack(drawn).to(device), torch.cat(list(batches)).to(device)
            found = torch.empty(len(batches), 2, device=device)
            for number, chosen in enumerate(order.split(len(batches[0]))):
                found[number] = self._advance(chosen, keys[number])
            figures = found.tolist()
        yield from ((loss, penalty) for loss, penalty in figures)

    def _advance(self, chosen: Tensor, keys: Tensor) -> Tensor:
        n = len(chosen)
        if n not in self._recorded and n in self._seen and self._captures:
            self._capture(n, chosen, keys)
        self._seen.add(n)
        recorded = self._recorded.get(n)
        if recorded is None:
            return self._take(chosen, keys)
        recorded.chosen.copy_(chosen)
        recorded.keys.copy_(keys)
        recorded.graph.replay()
        return recorded.found

    def _capture(self, n: int, chosen: Tensor, keys: Tensor) -> None:
        """Record a step without taking it; from then on none is if that fails.

        Warns:
            RsnnWarning: it failed.
        """
        chosen, keys = chosen.clone(), keys.clone()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                found = self._take(chosen, keys)
        except RuntimeError as error:
            self._captures = False
            text = f"a step could not be captured, and is launched kernel by kernel: {error}"
            warnings.warn(text.splitlines()[0], RsnnWarning, stacklevel=1)
            return
        self._recorded[n] = _Recorded(chosen, keys, found, graph)

    def _take(self, chosen: Tensor, keys: Tensor) -> Tensor:
        dropout = self.config.dropout
        return self.take(
            chosen, lambda raster: self.forward(self.model, raster, dropout, keys=keys)
        )
