"""Training steps on a CUDA card beside its peers: `python benchmarks/train.py --device cuda`.

One step as `benchmarks/train.py` has it, host clock around a synchronized step, median after two
warm ones. `captured` is the replay of one CUDA graph of the whole step; what cannot be captured is
left out. Before anything is timed, the kernels are compared with those of the CPU.

    cuda            rsnn.cuda.bptt
    numba           rsnn.fast.bptt on all processors of the machine
    torch           RSNN.forward, the loop over steps
    snntorch        as in benchmarks/train.py
    spikingjelly    its LinearRecurrentContainer of CUBALIFNode and a NonSpikingLIFNode: a smaller
                    task, with one readout, fixed time constants and torch's dropout
"""

import argparse
import gc
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from train import CONFIG, N_CHANNELS, RATE, SnnTorch, start, step_of
from train import variant as on_processors

from rsnn.cuda import bptt as cuda
from rsnn.cuda.card import Card
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize
from rsnn.fast import bptt as fast
from rsnn.model import DT, RSNN, Architecture, Decoded, Head, big, tiny
from rsnn.neurons import TimeConstants
from rsnn.training.captured import CapturedSteps
from rsnn.training.initialize import initialize
from rsnn.training.train import train

DEVICE = torch.device("cuda")
CASES = {
    "tiny, batch 250": (tiny, 250, 500),
    "tiny, batch 1000": (tiny, 1000, 500),
    "tiny, batch 4000": (tiny, 4000, 500),
    "big, batch 32": (big, 32, 500),
}
PEERS = ("numba", "torch", "spikingjelly", "snntorch")
WITH_PEERS = ("tiny, batch 250", "big, batch 32")
SHAPES = {  # compared with the CPU: architecture and batch, n_steps
    "tiny": (tiny(N_CHANNELS), 64, 500),
    "tiny, 192 inputs": (tiny(192), 16, 200),
    "big": (big(N_CHANNELS), 16, 200),
    "two layers, biases": (Architecture(35, (130, 37), (Head(0.05, 0.01),) * 9, bias=True), 9, 120),
    "1000 without recurrence": (Architecture(50, (1000, 20), recurrent=False), 5, 60),
    "one neuron": (Architecture(1, (1,)), 3, 40),
}
Step = Callable[[], object]


class SpikingJelly(nn.Module):
    """A recurrent network out of SpikingJelly's parts, with the weights of an RSNN."""

    def __init__(self, model: RSNN) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        self._restart = functional.reset_net
        (hidden,) = model.layers
        n, n_inputs = hidden.w_in.shape
        mem, syn = (float(decay.detach().mean()) for decay in hidden.tau.decays())
        self.fc = nn.Linear(n_inputs, n, bias=False)
        cell = neuron.CUBALIFNode(syn, mem, 1.0, 0.0, surrogate.Sigmoid())
        self.cell = layer.LinearRecurrentContainer(cell, n, n, bias=False)
        self.out = nn.Linear(n, 2, bias=False)
        self.readout = neuron.NonSpikingLIFNode(tau=0.05 / DT)
        with torch.no_grad():
            self.fc.weight.copy_(hidden.w_in * (1.0 - mem))
            w_rec = hidden.w_rec * (1.0 - mem)
            self.cell.rc.weight.copy_(torch.cat([torch.eye(n, device=w_rec.device), w_rec], 1))
            self.out.weight.copy_(model.readouts[0].w_out)

    def forward(self, raster: Tensor, dropout: float) -> Decoded:
        """Run over a raster (n_steps, batch, n_inputs)."""
        self._restart(self)
        currents = self.fc(nn.functional.dropout(raster, dropout))
        spk = torch.stack([self.cell(current) for current in currents])
        out = torch.stack(self.readout(self.out(nn.functional.dropout(spk, dropout))))
        return Decoded(out.transpose(0, 1), (spk.transpose(0, 1),))


def variant(name: str, preset: Callable, batch: int, n_steps: int, card: Card) -> Step:
    """Return a function that takes one step of training; all variants start alike."""
    model, raster, target, generator = start(preset, batch, n_steps)
    model, raster, target = (each.to(DEVICE) for each in (model, raster, target))
    network: nn.Module = model
    keys = cuda.draw_keys(model, CONFIG.dropout, generator).to(DEVICE)
    if name == "cuda":

        def forward() -> Decoded:
            return cuda.forward(
                model, raster, CONFIG.dropout, kernels=card, keys=keys, with_spikes=False
            )
    else:
        time_major = raster.transpose(0, 1).to(torch.float32).contiguous()
        if name == "torch":

            def forward() -> Decoded:
                return model(time_major.transpose(0, 1), CONFIG.dropout, generator)
        else:
            peer = {"snntorch": SnnTorch, "spikingjelly": SpikingJelly}[name](model).to(DEVICE)
            network = peer

            def forward() -> Decoded:
                return peer(time_major, CONFIG.dropout)

    return step_of(network, forward, target)


def milliseconds(step: Step, repeats: int, warm: int = 2) -> float:
    """Median of a synchronized step."""
    times = []
    for number in range(warm + repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        if number >= warm:
            times.append(time.perf_counter() - start)
    return median(times) * 1e3


def measure(name: str, case: tuple, card: Card, repeats: int) -> dict[str, float]:
    """Times of a step, eager and captured, and its peak memory in MB."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step = variant(name, *case, card)
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        peak = torch.cuda.max_memory_allocated() - before
        found = {"eager": milliseconds(step, repeats, 1), "MB": peak / 1e6}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
                step()
            found["captured"] = milliseconds(graph.replay, max(20, repeats))
        except RuntimeError as error:
            print(f"{name} could not be captured: {str(error).splitlines()[0]}", flush=True)
    return found


def on_cpu(case: tuple) -> float:
    """Milliseconds of a step on all processors."""
    torch.set_flush_denormal(True)
    step = on_processors("numba", *case, n_threads=os.cpu_count() or 1)
    step()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return median(times) * 1e3


def decays_of_cpu(self: TimeConstants) -> tuple[Tensor, Tensor]:
    """Decays computed on the CPU, wherever the parameters are: equal bits on all devices."""
    param = self.mem_param.cpu(), self.syn_param.cpu()
    taus = zip(param, (self.tau_mem0, self.tau_syn0), strict=True)
    mem, syn = (torch.exp(-self.dt / (nn.functional.softplus(p) * tau0)) for p, tau0 in taus)
    return mem.to(self.mem_param.device), syn.to(self.mem_param.device)


def compare(architecture: Architecture, batch: int, n_steps: int, card: Card) -> dict[str, object]:
    """One step of the kernels of the card and of the CPU, given equal decays; and once more."""
    generator = torch.Generator().manual_seed(3)
    model = RSNN(architecture)
    initialize(model, rates=(RATE,), generator=generator)
    with torch.no_grad():
        for layer in model.layers:
            layer.w_in *= 2.0
            if layer.bias is not None:
                layer.bias.normal_(0.0, 0.05, generator=generator)
    shape = batch, n_steps, architecture.n_inputs
    raster = (torch.rand(shape, generator=generator) < 2.0 * RATE * DT).to(torch.uint8)
    target = torch.randn(batch, n_steps, 2, generator=generator)

    def run(forward: Callable[..., Decoded], device: str, **options) -> list[Tensor]:
        model.to(device)
        model.zero_grad()
        draws = torch.Generator().manual_seed(7)
        decoded = forward(model, raster.to(device), 0.3, draws, **options)
        loss = (decoded.out - target.to(device)).square().sum()
        (loss + sum((c - 3.0).square().mean() for c in decoded.counts)).backward()
        gradients = [p.grad.detach().cpu().clone() for p in model.parameters()]
        return [*(x.detach().cpu() for x in (decoded.out, *decoded.spk)), *gradients]

    wanted = run(fast.forward, "cpu")
    got = run(cuda.forward, "cuda", kernels=card)
    again = run(cuda.forward, "cuda", kernels=card)
    n_exact = 1 + len(architecture.hidden)
    errors = [
        float((a - b).abs().max() / a.abs().max().clamp(min=1e-30))
        for a, b in zip(wanted[n_exact:], got[n_exact:], strict=True)
    ]
    return {
        "spikes": int(sum(x.sum() for x in wanted[1:n_exact])),
        "flips": sum(int((a != b).sum()) for a, b in zip(wanted[1:n_exact], got[1:], strict=False)),
        "out": float((wanted[0] - got[0]).abs().max()),  # 0, but for the mean of several heads
        "gradients": max(errors),
        "second run ==": all(torch.equal(a, b) for a, b in zip(got, again, strict=True)),
    }


def trainings(minutes: float, epochs: int) -> dict[str, object]:
    """Whole trainings by the published recipe on a synthetic session."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "session.mat"
        synthesize(path, minutes=minutes)
        session = load_session(path)
    split = split_session(session)
    config = replace(CONFIG, epochs=epochs, device="cuda", kernel="cuda")

    def course(config, **options) -> tuple[list[float], list, RSNN]:
        model = RSNN(tiny(N_CHANNELS))
        generator = torch.Generator().manual_seed(1)
        initialize(model, rates=(float(session.raster.mean()) / DT,), generator=generator)
        times = [time.perf_counter()]
        result = train(
            model, session, split, config, generator=generator,
            report=lambda record: times.append(time.perf_counter()), **options,
        )  # fmt: skip
        course = [(record.loss, record.validation_r2) for record in result.records]
        return list(np.diff(times)), course, model

    def same(a: RSNN, b: RSNN) -> bool:
        return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))

    states: list = []
    times, losses, model = course(config, keep=states.append)
    _, _, second = course(config)
    _, _, resumed = course(config, state=states[epochs // 2 - 1])
    capture, CapturedSteps._capture = CapturedSteps._capture, lambda *arguments: None
    eager_times, _, eager = course(config)
    CapturedSteps._capture = capture
    loop_times, by_loop, _ = course(replace(config, kernel="torch"))
    return {
        "epoch, captured, s": median(times[2:]),
        "epoch, eager, s": median(eager_times[2:]),
        "epoch, torch loop, s": median(loop_times[2:]),
        "loss and validation R2": losses,
        "loss and validation R2, torch loop": by_loop,
        "second training ==": same(model, second),
        "resumed ==": same(model, resumed),
        "eager ==": same(model, eager),
    }


def main(options: argparse.Namespace) -> None:
    """Compare, measure, and print tables or JSON."""
    warnings.simplefilter("ignore")
    card = Card(DEVICE)
    found: dict[str, object] = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    print(found, flush=True)
    decays, TimeConstants.decays = TimeConstants.decays, decays_of_cpu
    found["compared"] = {name: compare(*shape, card) for name, shape in SHAPES.items()}
    TimeConstants.decays = decays
    for name, line in found["compared"].items():
        print(name, line, flush=True)
    found["trainings"] = trainings(20.0, 6)
    print(found["trainings"], flush=True)
    print("| network | variant | eager, ms | captured, ms | peak, MB |\n|---|---|---|---|---|")
    times: dict[str, dict[str, dict[str, float]]] = {}
    for name, case in CASES.items():
        peers = ("cuda", *(PEERS if name in WITH_PEERS else ()))
        for peer in peers:
            if peer == "numba":
                cell = {"eager": on_cpu(case), "MB": np.nan}
            else:
                cell = measure(peer, case, card, 20 if peer == "cuda" else 3)
            times.setdefault(name, {})[peer] = cell
            print(
                f"| {name} | {peer} | {cell['eager']:.2f} | {cell.get('captured', np.nan):.3f} |"
                f" {cell['MB']:.0f} |",
                flush=True,
            )
    found["times"] = times
    if options.json:
        print(json.dumps(found))
