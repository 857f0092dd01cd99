"""Time a training step against its peers: `python benchmarks/train.py [--json] [--quick]`, or the
parts of one: `python benchmarks/train.py --parts`. With `--device cuda`, those on a card, which
benchmarks/train_on_card.py tells.

One step is forward, loss, activity penalties, dropout, backward and optimizer, on Poisson input of
20 Hz on 96 channels. Runs of all variants are interleaved, so that a busy machine slows all of them
alike; medians, one thread unless said otherwise. Variants of one network:

    numba       rsnn.fast.bptt
    torch       RSNN.forward, a plain torch loop with pre-projected input
    snntorch    snnTorch's RSynaptic and Synaptic in a loop over steps, as its users write it

The loop of snnTorch has a float raster, dropout, penalties and SMORMS3 as the others have, decays
that are learned for each neuron, and its own surrogate gradient; its weights are scaled by
1 - decay_mem, which its membrane lacks, so that as many neurons fire.

Peak memory is what a process of its own uses at most during two steps, above what it used before.

The parts of a step are processor time, which a busy machine changes little; what they let expect of
two threads is one thread's time over what is outside the threads and an even half of the rest.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from threading import get_ident
from time import perf_counter, thread_time

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn

from rsnn.fast import bptt
from rsnn.model import DT, RSNN, Decoded, big, tiny
from rsnn.training.initialize import initialize
from rsnn.training.optimizers import SMORMS3
from rsnn.training.recipe import TrainConfig
from rsnn.training.steps import activity_penalty, rmse

N_CHANNELS = 96
RATE = 20.0  # Hz
CONFIG = TrainConfig()
# preset, batch, steps: as the paper trains the one, and what fits into memory of the other
CASES = {"h64": (tiny, 250, 500), "h1024": (big, 32, 500)}
QUICK_CASES = {"h64": (tiny, 50, 100), "h1024": (big, 8, 60)}
SWEEPS = ("gather", "run_hidden", "run_readout", "pull_readout", "pull_hidden")
Step = Callable[[], Decoded]


class SnnTorch(nn.Module):
    """The same network out of snnTorch's neurons, with the parameters of an RSNN."""

    def __init__(self, model: RSNN) -> None:
        super().__init__()
        (layer,) = model.layers
        n_neurons, n_inputs = layer.w_in.shape
        beta, alpha = (decay.detach().clone() for decay in layer.tau.decays())
        self.fc = nn.Linear(n_inputs, n_neurons, bias=False)
        self.lif = snntorch.RSynaptic(
            alpha,
            beta,
            linear_features=n_neurons,
            spike_grad=surrogate.fast_sigmoid(slope=20),
            reset_mechanism="zero",
            learn_alpha=True,
            learn_beta=True,
        )
        self.lif.recurrent = nn.Linear(n_neurons, n_neurons, bias=False)
        self.fc_out = nn.ModuleList()
        self.li = nn.ModuleList()
        with torch.no_grad():
            self.fc.weight.copy_(layer.w_in * (1.0 - beta)[:, None])
            self.lif.recurrent.weight.copy_(layer.w_rec * (1.0 - beta)[:, None])
            for head in model.readouts:
                beta, alpha = (decay.detach().clone() for decay in head.tau.decays())
                fc = nn.Linear(n_neurons, len(beta), bias=False)
                fc.weight.copy_(head.w_out * (1.0 - beta)[:, None])
                self.fc_out.append(fc)
                self.li.append(
                    snntorch.Synaptic(
                        alpha, beta, reset_mechanism="none", learn_alpha=True, learn_beta=True
                    )
                )

    def forward(self, raster: Tensor, dropout: float) -> Decoded:
        """Run over a raster (n_steps, batch, n_inputs)."""
        spk, syn, mem = self.lif.reset_mem()
        states = [li.reset_mem() for li in self.li]
        spikes, outs = [], []
        for x in raster:
            current = self.fc(nn.functional.dropout(x, dropout))
            spk, syn, mem = self.lif(current, spk, syn, mem)
            spikes.append(spk)
            spk = nn.functional.dropout(spk, dropout)
            heads = []
            for i, (fc, li) in enumerate(zip(self.fc_out, self.li, strict=True)):
                _, *states[i] = li(fc(spk), *states[i])
                heads.append(states[i][1])
            outs.append(torch.stack(heads).mean(0))
        return Decoded(torch.stack(outs).transpose(0, 1), (torch.stack(spikes).transpose(0, 1),))


def start(
    preset: Callable, batch: int, n_steps: int
) -> tuple[RSNN, Tensor, Tensor, torch.Generator]:
    """What all variants start from: a model, raster and target of a batch, and random numbers."""
    generator = torch.Generator().manual_seed(1)
    model = RSNN(preset(N_CHANNELS))
    initialize(model, rates=(RATE,), generator=generator)
    drawn = torch.rand(batch, n_steps, N_CHANNELS, generator=generator)
    raster = (drawn < RATE * DT).to(torch.uint8)
    target = torch.randn(batch, n_steps, 2, generator=generator).cumsum(1) / 10.0
    return model, raster, target, generator


def step_of(network: nn.Module, forward: Step, target: Tensor) -> Step:
    """One step of training of a network that `forward` runs."""
    optimizer = SMORMS3(network.parameters())

    def step() -> Decoded:
        decoded = forward()
        penalty = torch.stack([activity_penalty(c, CONFIG) for c in decoded.spike_counts()]).sum()
        loss = rmse(decoded.out, target) + penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return decoded

    return step


def variant(name: str, preset: Callable, batch: int, n_steps: int, *, n_threads: int = 1) -> Step:
    """Return a function that takes one step of training; all variants start alike.

    Threads are the kernel's own; torch has one, as `train` leaves it for a tinyRSNN.
    """
    model, raster, target, generator = start(preset, batch, n_steps)
    network: nn.Module = model
    if name == "numba":
        workspace = bptt.Workspace(n_threads)

        def forward() -> Decoded:
            return bptt.forward(
                model, raster, CONFIG.dropout, generator, workspace, with_spikes=False
            )
    else:
        time_major = raster.transpose(0, 1).to(torch.float32).contiguous()
        del raster
        if name == "torch":

            def forward() -> Decoded:
                return model(time_major.transpose(0, 1), CONFIG.dropout, generator)
        else:
            network = SnnTorch(model)

            def forward() -> Decoded:
                return network(time_major, CONFIG.dropout)

    return step_of(network, forward, target)


def seconds(step: Step) -> float:
    """Time one step."""
    start = perf_counter()
    step()
    return perf_counter() - start


def measure(case: tuple, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the medians in seconds, and the share of neurons that fire at a step."""
    steps = {name: variant(name, *case) for name in ("numba", "torch", "snntorch")}
    activity = {
        name: step().spike_counts()[0].mean().item() / case[2] for name, step in steps.items()
    }
    two = variant("numba", *case, n_threads=2)
    two()
    times: dict[str, list[float]] = {name: [] for name in (*steps, "numba, 2 threads")}
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(seconds(step))
        # fast ones more often, around the slow ones: their median is as noisy as one run is short
        for _ in range(2):
            times["numba, 2 threads"].append(seconds(two))
            times["numba"].append(seconds(steps["numba"]))
    return {name: median(values) for name, values in times.items()}, activity


def peak_memory(name: str, case: tuple) -> int:
    """Bytes that two steps need in a process of their own."""
    seconds(variant(name, case[0], 2, 3))  # whatever is loaded or compiled only once
    with open("/proc/self/clear_refs", "w") as control:
        control.write("5")  # resets the peak
    before = memory("VmHWM")
    step = variant(name, *case)
    seconds(step)
    seconds(step)
    return memory("VmHWM") - before


def time_parts(case: tuple, n_threads: int, repeats: int) -> dict[str, float]:
    """Medians in seconds of processor time: all of a step, outside the chunks, and each sweep."""
    spent: list[tuple[str, int, float]] = []

    def timed(name: str, work: Callable) -> Callable:
        def wrapper(*arguments):
            start = thread_time()
            result = work(*arguments)
            spent.append((name, get_ident(), thread_time() - start))
            return result

        return wrapper

    step = variant("numba", *case, n_threads=n_threads)
    step()
    owners = [(bptt, name) for name in SWEEPS]
    owners += [(bptt._Chunk, name) for name in ("forward", "backward")]
    originals = [getattr(owner, name) for owner, name in owners]
    for (owner, name), work in zip(owners, originals, strict=True):
        setattr(owner, name, timed(name, work))
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        spent.clear()
        start = thread_time()
        step()
        main = thread_time() - start
        busy: dict[int, float] = {}
        part = dict.fromkeys(SWEEPS, 0.0)
        for name, thread, time in spent:
            if name in part:
                part[name] += time
            else:
                busy[thread] = busy.get(thread, 0.0) + time
        outside = main - busy.get(get_ident(), 0.0)
        part |= {"outside": outside, "busiest": max(busy.values())}
        part["all"] = outside + sum(busy.values())
        for name, time in part.items():
            found.setdefault(name, []).append(time)
    for (owner, name), work in zip(owners, originals, strict=True):
        setattr(owner, name, work)
    return {name: median(times) for name, times in found.items()}


def print_parts(case: tuple, repeats: int) -> None:
    """Print the parts of a step with one thread and with two, and the expected speed-up."""
    one, two = (time_parts(case, n_threads, repeats) for n_threads in (1, 2))
    print("| part | one thread, ms | two threads, ms |")
    print("|---|---|---|")
    for name in one:
        print(f"| {name} | {one[name] * 1e3:.1f} | {two[name] * 1e3:.1f} |")
    even = two["outside"] + (two["all"] - two["outside"]) / 2
    print(f"two threads on two free cores, if they share evenly: {one['all'] / even:.2f}")


def memory(key: str) -> int:
    """Read a field of this process's status, in bytes."""
    with open("/proc/self/status") as status:
        (kib,) = (line.split()[1] for line in status if line.startswith(key + ":"))
    return int(kib) * 1024


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the ratios only")
    parser.add_argument("--repeats", type=int, help="rounds of each network (5 and 3)")
    parser.add_argument("--quick", action="store_true", help="small batches, one round")
    parser.add_argument(
        "--parts", action="store_true", help="print the parts of a step with 64 neurons"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--peak", choices=("numba", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda":
        import train_on_card  # which imports this file

        train_on_card.main(options)
        return
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    cases = QUICK_CASES if options.quick else CASES
    if options.peak:
        print(peak_memory(options.peak, cases["h64"]))
        return
    if options.parts:
        print_parts(cases["h64"], options.repeats or 20)
        return
    times, activity = {}, {}
    for name, case in cases.items():
        rounds = 1 if options.quick else options.repeats or (5 if name == "h64" else 3)
        times[name], activity[name] = measure(case, rounds)
    quick = ["--quick"] if options.quick else []
    peaks = {
        name: int(subprocess.check_output([sys.executable, __file__, "--peak", name, *quick]))
        for name in ("numba", "torch")
    }
    ratios = {
        f"{name}_vs_{peer}": times[name][peer] / times[name]["numba"]
        for name in cases
        for peer in ("snntorch", "torch")
    }
    ratios["threads2_vs_1"] = times["h64"]["numba"] / times["h64"]["numba, 2 threads"]
    ratios["h64_memory_vs_torch"] = peaks["numba"] / peaks["torch"]
    if options.json:
        print(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}))
        return
    print("| network | variant | ms per step | x numba | neurons firing per step |")
    print("|---|---|---|---|---|")
    for name in cases:
        for peer, time in times[name].items():
            fires = f"{activity[name][peer]:.1%}" if peer in activity[name] else ""
            slower = time / times[name]["numba"]
            print(f"| {name} | {peer} | {time * 1e3:.0f} | {slower:.2f} | {fires} |")
    for peer, peak in peaks.items():
        print(f"peak memory of h64, {peer}: {peak / 1e6:.0f} MB")
    print(json.dumps({name: round(ratio, 3) for name, ratio in ratios.items()}))


if __name__ == "__main__":
    main()
