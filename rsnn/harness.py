"""The model inside NeuroBench's own harness, so that its counts can be compared with ours.

NeuroBench sees a network through hooks: the inputs of every `nn.Linear` are synaptic operations,
the outputs of every activation module are activity. This module lays an RSNN out so, with the step
of `rsnn/neurons.py` in a plain loop over time; nothing of `rsnn.evaluate`'s counting is used.
"""

import copy
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from base.errors import MismatchError, RsnnError
from base.extras import extra
from base.order import PUBLISHED
from rsnn.evaluate import check_raster, check_target
from rsnn.fast.decode import blocks
from rsnn.model import RSNN, Architecture
from rsnn.neurons import CubaLI, CubaLIF

LayerType = TypeVar("LayerType", CubaLIF, CubaLI)


class Connection(nn.Linear):
    """A weight matrix of the model, shared with it, in the dtype in which the model keeps it.

    The product is taken in `dtype` and returned in float64: NeuroBench runs a binary copy of this
    layer and adds up all it returns, and float64 counts exactly.
    """

    def __init__(self, weight: nn.Parameter, dtype: torch.dtype) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta")
        self.weight = weight
        self.dtype = dtype

    def forward(self, sent: Tensor) -> Tensor:
        """Return `sent @ weight.T`; (n_rows, n_pre) to (n_rows, n_post) float64."""
        return nn.functional.linear(sent.to(self.dtype), self.weight.to(self.dtype)).double()


class Bias(nn.Module):
    """The bias that every step adds to the currents of a layer: parameters, not connections."""

    def __init__(self, bias: nn.Parameter) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, current: Tensor) -> Tensor:
        """Return the current with the bias, (n_rows, n) in its dtype."""
        return current + self.bias.to(current.dtype)


class Fire(nn.Module):
    """What all spikes of a layer pass, for NeuroBench's hook to count them."""

    def forward(self, spk: Tensor) -> Tensor:
        """Return the spikes, 0 and 1."""
        return spk


class HarnessNetwork(nn.Module):
    """An RSNN as one `Connection` per weight matrix and one `Fire` per hidden layer.

    Its parameters are the model's own, so that NeuroBench's footprint is that of the model; state
    lives in `forward`, so there is no buffer to add to it.
    """

    def __init__(self, model: RSNN, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.w_in = nn.ModuleList(Connection(layer.w_in, dtype) for layer in model.layers)
        self.w_rec = nn.ModuleList(
            nn.Identity() if layer.w_rec is None else Connection(layer.w_rec, dtype)
            for layer in model.layers
        )
        self.w_out = nn.ModuleList(Connection(head.w_out, dtype) for head in model.readouts)
        self.hidden_bias, self.head_bias = (
            nn.ModuleList(nn.Identity() if x.bias is None else Bias(x.bias) for x in layers)
            for layers in (model.layers, model.readouts)
        )
        self.fire = nn.ModuleList(Fire() for _ in model.layers)
        self.hidden_tau = nn.ModuleList(layer.tau for layer in model.layers)
        self.head_tau = nn.ModuleList(head.tau for head in model.readouts)
        # tuples: their parameters are counted above
        self._layers = tuple(_without(x, dtype, "w_rec", "bias") for x in model.layers)
        self._heads = tuple(_without(x, dtype, "bias") for x in model.readouts)

    def forward(self, batch: Tensor) -> Tensor:
        """Decode a stream given as a batch of steps, as NeuroBench's PrimateReaching does.

        Args:
            batch: (n_steps, 1, n_inputs), each sample one time step, in order.

        Returns:
            (n_steps, n_outputs).
        """
        signal = batch[:, 0].to(self.dtype)
        for i in range(len(self.w_in)):
            signal = self._hidden(i, _delayed(signal))
        sent = _delayed(signal)
        return torch.stack([self._head(i, sent) for i in range(len(self.w_out))]).mean(0)

    def _hidden(self, i: int, sent: Tensor) -> Tensor:
        """Spikes (n_steps, n_neurons) of hidden layer `i` that receives `sent`."""
        layer = self._layers[i]
        state, factors = layer.initial_state(1), layer.factors(1)
        spikes = [state.spk]
        for feed in self.hidden_bias[i](_projected(self.w_in[i], sent, self.dtype)).split(1):
            acc = feed
            if isinstance(self.w_rec[i], Connection):
                acc = feed + self.w_rec[i](spikes[-1]).to(self.dtype)
            state = layer.step(acc, state, state.spk, factors)
            spikes.append(self.fire[i](state.spk))
        return torch.cat(spikes[1:])

    def _head(self, i: int, sent: Tensor) -> Tensor:
        """`out` (n_steps, n_outputs) of head `i` that receives `sent`."""
        head = self._heads[i]
        state, factors = head.initial_state(1), head.tau.factors(1)
        outs = []
        for feed in self.head_bias[i](_projected(self.w_out[i], sent, self.dtype)).split(1):
            state = head.step(feed, state, factors)
            outs.append(state.out)
        return torch.cat(outs)


def run_neurobench(
    model: RSNN,
    raster: NDArray[np.uint8],
    velocity: NDArray[np.floating],
    *,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """Run NeuroBench's benchmark over one stream and return its results under its own names.

    `Footprint`, `ConnectionSparsity`, `ActivationSparsity`, `R2`, and `SynapticOperations` with
    `Effective_MACs`, `Effective_ACs` and `Dense`.

    Args:
        model: left unchanged.
        raster: input spikes (n_steps, n_inputs).
        velocity: the target, (n_steps, 2).
        dtype: precision of the run.

    Raises:
        MismatchError: as in `rsnn.evaluate.evaluate`; a model without exactly 2 outputs, of
            another order than the published one, or of another kind of neurons.
        DataError: as in `rsnn.evaluate.evaluate`.
        ToolError: NeuroBench is not installed.
        RsnnError: NeuroBench failed inside a metric, which it reports as zero.
    """
    extra("neurobench", "neurobench", "`harness`")
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import R2, ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel

    check_raster(model, raster)
    check_target(model, raster, velocity)
    if model.architecture.n_outputs != 2:
        raise MismatchError(
            f"the model has {model.architecture.n_outputs} outputs; NeuroBench scores exactly 2,"
            " x and y, use rsnn.evaluate.evaluate"
        )
    if model.architecture.order != PUBLISHED:
        raise MismatchError(
            "the model computes in another order than the published one, which is all that the"
            " harness runs; leave out `harness`"
        )
    if model.architecture.neuron != Architecture.neuron:
        raise MismatchError(
            f"the model has neurons of the kind {model.architecture.neuron}; the harness runs"
            f" {Architecture.neuron} only, leave out `harness`"
        )
    network = TorchModel(HarnessNetwork(copy.deepcopy(model).cpu(), dtype))
    network.add_activation_module(Fire)
    n_steps = len(raster)
    spikes = torch.from_numpy(raster.astype(np.float32))[:, None]
    target = torch.from_numpy(velocity.astype(np.float32))
    benchmark = Benchmark(
        network,
        DataLoader(TensorDataset(spikes, target), batch_size=n_steps, shuffle=False),
        [],
        [],
        [[Footprint, ConnectionSparsity], [ActivationSparsity, SynapticOperations, R2]],
    )
    with torch.no_grad():
        results = benchmark.run(quiet=True)
    if not isinstance(results["SynapticOperations"], dict) or None in results.values():
        raise RsnnError(
            f"NeuroBench could not compute its metrics for this model: {results}; compare the"
            " installed neurobench with the range in setup.cfg"
        )
    return results


def _delayed(signal: Tensor) -> Tensor:
    return torch.cat((torch.zeros_like(signal[:1]), signal[:-1]))


def _projected(connection: nn.Module, sent: Tensor, dtype: torch.dtype) -> Tensor:
    """Project a stream in the blocks of `decode`: a matrix product's rounding depends on them."""
    return torch.cat([connection(sent[block]) for block in blocks(len(sent))]).to(dtype)


def _without(layer: LayerType, dtype: torch.dtype, *parameters: str) -> LayerType:
    """A copy without what the harness computes by modules."""
    copied = copy.deepcopy(layer).to(dtype)
    for name in parameters:
        setattr(copied, name, None)
    return copied
