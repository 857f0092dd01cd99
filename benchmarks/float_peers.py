"""The same network in floats, step by step, as users of other tools run it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from train import SnnTorch

from rsnn.harness import run_neurobench
from rsnn.model import RSNN
from rsnn.neurons import INITIAL_OUT, V_THRESHOLD

Peer = Callable[[Tensor], object]  # of a raster (n_steps, batch, n_inputs) float32


def neurobench(model: RSNN) -> Peer:
    """NeuroBench's harness with its hooks and metrics; one stream."""

    def run(raster: Tensor) -> object:
        spikes = raster[:, 0].numpy().astype(np.uint8)
        target = np.random.default_rng(0).normal(size=(len(spikes), 2))
        return run_neurobench(model, spikes, target.astype(np.float32))

    return run


def snntorch(model: RSNN) -> Peer:
    """snnTorch's RSynaptic and Synaptic."""
    network = SnnTorch(model).eval()

    def run(raster: Tensor) -> Tensor:
        spk, syn, mem = network.lif.reset_mem()
        states = [li.reset_mem() for li in network.li]
        outs = []
        for x in raster:
            spk, syn, mem = network.lif(network.fc(x), spk, syn, mem)
            heads = []
            for i, (fc, li) in enumerate(zip(network.fc_out, network.li, strict=True)):
                _, *states[i] = li(fc(spk), *states[i])
                heads.append(states[i][1])
            outs.append(torch.stack(heads).mean(0))
        return torch.stack(outs)

    return run


def _loop(
    raster: Tensor,
    w_in: Tensor,
    w_rec: Tensor,
    w_out: Tensor,
    decays: tuple[Tensor, Tensor, Tensor, Tensor],
    threshold: float,
    initial_out: float,
) -> Tensor:
    """The published equations; every head's rows at once, averaged by the caller."""
    decay_mem, decay_syn, decay_out, decay_readout = decays
    x = torch.zeros_like(raster[0])
    spk = torch.zeros(raster.shape[1], w_rec.shape[0])
    syn, mem = torch.zeros_like(spk), torch.zeros_like(spk)
    readout = torch.zeros(raster.shape[1], w_out.shape[0])
    out = torch.full_like(readout, initial_out)
    outs = torch.empty(raster.shape[0], raster.shape[1], w_out.shape[0])
    for t in range(raster.shape[0]):
        arriving = x @ w_in.T + spk @ w_rec.T
        out = decay_out * out + (1.0 - decay_out) * readout
        readout = decay_readout * readout + spk @ w_out.T
        spk = (mem > threshold).to(mem.dtype)
        mem = (decay_mem * mem + (1.0 - decay_mem) * syn) * (1.0 - spk)
        syn = decay_syn * syn + arriving
        x = raster[t]
        outs[t] = out
    return outs


def torch_loop(model: RSNN, *, jit: bool) -> Peer:
    """A loop of plain torch operations, or the same compiled by torch.jit.script."""
    (layer,) = model.layers
    decays = (
        *layer.tau.decays(),
        *(
            torch.cat(parts)
            for parts in zip(*(h.tau.decays() for h in model.readouts), strict=True)
        ),
    )
    w_out = torch.cat([head.w_out for head in model.readouts])
    loop = torch.jit.script(_loop) if jit else _loop

    def run(raster: Tensor) -> Tensor:
        out = loop(
            raster, layer.w_in, layer.w_rec, w_out, decays, float(V_THRESHOLD), float(INITIAL_OUT)
        )
        return out.unflatten(-1, (len(model.readouts), -1)).mean(-2)

    return run
