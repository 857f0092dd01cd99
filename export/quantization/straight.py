"""An integer run as a differentiable function of the floats behind its integers.

Forward is the simulation itself; backward is `export.quantization.backward`, stream by stream.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.quantization.backward import Units, choices, pull_hidden, pull_readout
from export.quantization.units import gain_of, units_of
from rsnn.fast.denormals import flushed_denormals
from rsnn.layer_floats import LayerFloats, by_layer, combined, flattened
from rsnn.model import Decoded
from sim.contract import NumericContract
from sim.fast import runs
from sim.intermediates import intermediates
from sim.layer import Layer
from sim.network import IntegerNetwork
from sim.trace import Trace

_Arrays = LayerFloats[NDArray[np.float32]]
CHUNK = 8  # streams whose gradients are summed first, before all chunks are


def run_straight(
    network: IntegerNetwork,
    raster: Tensor,
    surrogates: list[tuple[int, np.float32]],
    floats: Sequence[LayerFloats[Tensor]],
) -> Decoded:
    """Run a network, differentiable by the floats behind its integers.

    Args:
        network: the network.
        raster: input spikes (batch, n_steps, n_inputs).
        surrogates: `rsnn.surrogate.Surrogate.code` of each hidden layer.
        floats: result of `export.qat.Latent.floats`.
    """
    out, *spk = _Straight.apply(_Run(network, raster.numpy(), surrogates), *flattened(floats))
    return Decoded(out, tuple(spk))


class _Straight(torch.autograd.Function):
    """An integer run as a function of the floats behind its integers, flattened."""

    @staticmethod
    def forward(ctx: Any, run: "_Run", *floats: Tensor | None) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*floats)
        return tuple(torch.from_numpy(result) for result in run.forward())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        floats = [None if f is None else np.ascontiguousarray(f.numpy()) for f in ctx.saved_tensors]
        found = flattened(ctx.run.backward(by_layer(floats), grads))
        return (None, *(None if grad is None else torch.from_numpy(grad) for grad in found))


class _Run:
    """A batch of streams through an integer network, and the gradient back through it."""

    def __init__(
        self,
        network: IntegerNetwork,
        rasters: NDArray[np.uint8],
        surrogates: list[tuple[int, np.float32]],
    ) -> None:
        self.network = network
        self.rasters = rasters
        self.surrogates = surrogates
        self.traces: list[Trace] = []

    def forward(self) -> list[NDArray[np.float32]]:
        """Decoded values, and the spikes of each hidden layer, (batch, n_steps, n)."""
        n_threads = torch.get_num_threads()
        done = runs.run_many(self.network, self.rasters, record=True, threads=n_threads)
        self.traces = [run.trace for run in done if run.trace is not None]
        out = np.stack([self.network.readout.decode(run.out) for run in done])
        names = [f"{name}.spk" for name in self.network.layer_names[:-1]]
        spk = [np.stack([trace.variables[name] for trace in self.traces]) for name in names]
        return [result.astype(np.float32) for result in (out, *spk)]

    def backward(self, floats: list[_Arrays], grads: tuple[Tensor | None, ...]) -> list[_Arrays]:
        """The gradients of `floats` from those of what `forward` returned."""
        chunks = [
            range(start, min(start + CHUNK, len(self.rasters)))
            for start in range(0, len(self.rasters), CHUNK)
        ]

        def work(chunk: range) -> list[_Arrays]:
            sums = [combined(_no_gradient, layer) for layer in floats]
            for stream in chunk:
                self._pull(stream, floats, [None if g is None else g[stream] for g in grads], sums)
            return sums

        with flushed_denormals(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(pool.map(work, chunks))  # summed in order, whatever the threads
        return [combined(_total, *parts) for parts in zip(*found, strict=True)]

    def _pull(
        self,
        stream: int,
        floats: list[_Arrays],
        grads: list[Tensor | None],
        sums: list[_Arrays],
    ) -> None:
        """Add the gradients of one stream to `sums`, whose weights are (pre, post)."""
        network, words = self.network, self.traces[stream].variables
        how = choices(network.contract)
        readout = network.readout
        own, total = floats[-1], sums[-1]
        shape = (len(self.rasters[stream]), readout.n_outputs)
        grad = np.zeros(shape, np.float32) if grads[0] is None else grads[0].numpy()
        names = network.layer_names
        below = [self.rasters[stream], *(words[f"{name}.spk"] for name in names[:-1])]
        by_spk = [
            np.zeros(spk.shape, np.float32) if g is None else np.array(g.numpy(), np.float32)
            for spk, g in zip(below[1:], grads[1:], strict=True)
        ]
        pull_readout(
            how,
            _units(readout, network.contract, own.decay_mem, own.decay_syn),
            readout.initial_out,
            below[-1],
            words["readout.syn"],
            words["readout.out"],
            own.w_in,
            np.tile(grad, readout.n_heads) / np.float32(readout.n_heads),
            by_spk[-1],
            (total.w_in, total.decay_syn, total.decay_mem, _or_empty(total.bias, 1)),
        )
        nothing = np.empty((0, 0), np.float32)
        for level in reversed(range(len(network.hidden))):
            layer, name = network.hidden[level], names[level]
            own, total = floats[level], sums[level]
            pull_hidden(
                how,
                _units(layer, network.contract, own.decay_mem, own.decay_syn),
                self.surrogates[level],
                below[level],
                words[f"{name}.spk"],
                words[f"{name}.syn"],
                words[f"{name}.mem"],
                *_resets(network, self.rasters[stream], self.traces[stream], level),
                own.w_in,
                _or_empty(own.w_rec, 2),
                by_spk[level],
                by_spk[level - 1] if level else nothing,
                (
                    total.w_in,
                    _or_empty(total.w_rec, 2),
                    total.decay_syn,
                    total.decay_mem,
                    _or_empty(total.bias, 1),
                ),
            )


def _no_gradient(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros(weights.T.shape, np.float32)


def _total(*sums: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(sum(sums, np.zeros_like(sums[0])).T)


def _or_empty(array: NDArray[np.float32] | None, n_axes: int) -> NDArray[np.float32]:
    """An array, or one of no elements where it is absent, as compiled code expects."""
    return np.empty((0,) * n_axes, np.float32) if array is None else array


def _resets(
    network: IntegerNetwork, raster: NDArray[np.uint8], trace: Trace, level: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Masks of membranes that are reset, and that are tested after it; see `pull_hidden`."""
    found = intermediates(network, raster, trace, level)
    was_over = found.was_over.astype(np.uint8)
    pending = was_over if network.contract.fires_on == "reset_membrane" else was_over[:0]
    return found.resets.astype(np.uint8), pending


def _units(
    layer: Layer, contract: NumericContract, decay_mem: NDArray, decay_syn: NDArray
) -> Units:
    """The float values of one step of a layer's words."""
    unit = units_of(layer, contract) / 2.0**contract.frac_bits
    mem = unit * gain_of(layer, contract)
    threshold = np.ones(1) if layer.is_readout() else layer.threshold * mem
    unit32, mem32, threshold32 = (part.astype(np.float32) for part in (unit, mem, threshold))
    return Units(unit32, mem32, threshold32, decay_syn, decay_mem)
