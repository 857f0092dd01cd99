"""Time a step of simulation against its peers: `python benchmarks/simulate.py [--json] [--quick]`.

Poisson input of 20 Hz per channel, initial networks, 45 % of small ones' weights
pruned. Runs of all variants are interleaved, so that a busy machine slows all of them alike;
medians, one thread unless said otherwise. Times are processor time, in which other processes do
not count, with elapsed time beside it, which alone shows two threads. Variants of one network:

    numba           sim.fast.simulator.Simulator, or sim.fast.runs.run_many over 64 streams
    C               benchmarks/step.c, gcc -O3 -march=native, checked to decode the same words
    snntorch        snnTorch's RSynaptic and Synaptic, step by step
    torch, jit      a loop of torch operations, plain and by torch.jit.script
    onnxruntime     a step of the network in ONNX, called for every step
    onnx scan       the same with the loop over time inside the graph, by ONNX's Scan
    export-onnx     the integer models that export-onnx writes, checked to give the same words, in
                    onnxruntime and in onnx.reference
    brian2          its C++ standalone mode; its program takes the elapsed time of its loop
    neurobench      the harness with its hooks, as the published figures were made

snnTorch, torch, ONNX, Brian2 and NeuroBench compute in floats, with the same equations and delays;
ONNX and Brian2 are checked to decode what the torch loop does. onnxruntime and brian2 need not be
installed (Brian2 2.9 needs NumPy below 2.4).

`--plot FILE.png` draws time per effective accumulate (AC) for 64 to 4096 hidden neurons and 0.5 to
10 % of them firing in a step.
"""

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import torch
from brian_step import BrianStep
from c_step import CStep, compile_step
from float_peers import neurobench, snntorch, torch_loop
from numpy.typing import NDArray
from onnx_step import onnx_scan, onnx_step
from scaling import draw_scaling

from base.errors import ToolError
from export.onnx.engines import Engine, by_onnxruntime, by_reference
from export.onnx.models import initial_states, to_scan_model, to_step_model
from export.quantize import quantize
from rsnn.data.raster import random_raster
from rsnn.model import DT, RSNN, big, tiny
from rsnn.training.initialize import initialize
from sim.fast import runs
from sim.fast.simulator import Simulator
from sim.metrics import evaluate_run
from sim.network import IntegerNetwork

RATE = 20.0  # Hz
N_STREAMS = 64
# preset, inputs, share of weights pruned, factor on weights that makes about the ACs published
CASES = {
    "tiny 96": (tiny, 96, 0.45, 1.0),
    "tiny 192": (tiny, 192, 0.45, 1.0),
    "big 96": (big, 96, 0.0, 1.6),
}


@dataclass
class Timed:
    """One variant: a function of a raster, the raster, and the steps of all streams in it.

    `own_clock` returns the seconds of the last run where it has taken them itself.
    """

    run: Callable[[object], object]
    raster: object
    n_steps: int
    own_clock: Callable[[], float] | None = None
    seconds: list[tuple[float, float]] = field(default_factory=list)

    def measure(self) -> None:
        start = process_time(), perf_counter()
        self.run(self.raster)
        end = process_time(), perf_counter()
        taken = end[0] - start[0], end[1] - start[1]
        if self.own_clock is not None:
            taken = (self.own_clock(),) * 2
        self.seconds.append((taken[0] / self.n_steps, taken[1] / self.n_steps))

    @property
    def microseconds(self) -> float:
        """Of processor time, median of a step of one stream."""
        return median(processor for processor, _ in self.seconds) * 1e6

    @property
    def elapsed(self) -> float:
        """The same of time that went by."""
        return median(wall for _, wall in self.seconds) * 1e6


def case(preset: Callable, n_inputs: int, pruned: float, factor: float) -> RSNN:
    """A network as training starts it, pruned at random and with its weights scaled."""
    generator = torch.Generator().manual_seed(1)
    model = RSNN(preset(n_inputs))
    initialize(model, rates=(RATE,), generator=generator)
    with torch.no_grad():
        for weight in model.connections().values():
            weight *= factor * (torch.rand(weight.shape, generator=generator) >= pruned)
    return model


def variants(
    model: RSNN, network: IntegerNetwork, library, folder: Path, scale: float
) -> tuple[dict[str, Timed], dict[str, str]]:
    """Everything that is timed on one network, and why the rest is not."""
    is_big = network.hidden[0].n_neurons > 100
    n_inputs = network.n_inputs
    most = int((4000 if is_big else 40_000) * scale)
    each = 1000 if is_big else 2500  # quick or not, because there is a constant cost of starting
    streams = np.stack(
        [random_raster(each, n_inputs, dt=DT, rate=RATE, seed=seed) for seed in range(N_STREAMS)]
    )
    one = random_raster(most, n_inputs, dt=DT, rate=RATE)
    found: dict[str, Timed] = {}
    missing: dict[str, str] = {}

    def add(name: str, run: Callable, raster: NDArray, n_steps: int) -> None:
        found[name] = Timed(run, raster, n_steps)

    def floats(raster: NDArray[np.uint8], n_steps: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(raster[:n_steps]).astype(np.float32))

    def many(threads: int) -> Callable:
        return lambda rasters: runs.run_many(network, rasters, threads=threads)

    simulator = Simulator(network)

    def one_stream(raster: NDArray[np.uint8]) -> NDArray[np.int32]:
        simulator.reset()
        return simulator.step_block(raster).out

    add("numba", one_stream, one, most)
    if library is None:
        missing["C"] = "no C compiler; install gcc"
    else:
        add("C", CStep(library, network), one, most)
        assert np.array_equal(found["C"].run(one), one_stream(one))
    few = max(8, int((60 if is_big else 400) * scale))
    stepwise = {
        "snntorch": snntorch(model),
        "torch": torch_loop(model, jit=False),
        "jit": torch_loop(model, jit=True),
        "neurobench": neurobench(model),
    }
    for name, run in stepwise.items():
        add(name, run, floats(one[:, None], few), few)
    with torch.no_grad():
        expected = torch_loop(model, jit=False)(floats(one[:, None], few)).numpy()[:, 0]

    def check(name: str, out: NDArray) -> None:
        heads = out.reshape(len(out), len(model.heads), -1).mean(1)[:few]
        assert np.allclose(heads, expected, atol=1e-5 * np.abs(expected).max()), name

    for name, make in (("onnxruntime", onnx_step), ("onnx scan", onnx_scan)):
        try:
            add(name, make(model), one[:few, None].astype(np.float32), few)
        except ToolError as error:
            missing[name] = str(error)
        else:
            check(name, found[name].run(found[name].raster))
    for name, run in exported_onnx(network).items():
        n_steps = max(8, few // 8) if "reference" in name else few
        add(name, run, one[:n_steps, None], n_steps)
        assert np.array_equal(run(one[:n_steps, None]), one_stream(one[:n_steps])), name
    try:
        brian = BrianStep(model, one, folder)
    except ToolError as error:
        missing["brian2"] = str(error)
    else:
        found["brian2"] = Timed(brian, one, most, own_clock=lambda: brian.seconds)
        check("brian2", brian(one))
    n_steps = each * N_STREAMS
    add("64 numba", many(1), streams, n_steps)
    add("64 numba, 2 threads", many(2), streams, n_steps)
    few = max(4, few // 8)
    batch = floats(streams.transpose(1, 0, 2), few)
    add("64 torch", torch_loop(model, jit=False), batch, few * N_STREAMS)
    add("64 snntorch", snntorch(model), batch, few * N_STREAMS)
    return found, missing


def exported_onnx(network: IntegerNetwork) -> dict[str, Callable]:
    """The two models of export-onnx in both engines, from (n_steps, 1, n_inputs) to `out`."""

    def by(engine: Engine) -> tuple[Callable, Callable]:
        states = initial_states(network)
        wanted = [f"{name}.next" for name in states]
        step = engine(to_step_model(network).SerializeToString())
        scan = engine(to_scan_model(network).SerializeToString())

        def steps(raster: NDArray[np.uint8]) -> NDArray:
            now, outs = states, []
            for x in raster:
                now = dict(zip(states, step(wanted, now | {"x": x}), strict=True))
                outs.append(now["readout.out"][0])
            return np.array(outs)

        def scanned(raster: NDArray[np.uint8]) -> NDArray:
            return scan(["readout.out.trace"], states | {"raster": raster})[0][:, 0]

        return steps, scanned

    names = ("export-onnx, step", "export-onnx, scan")
    found = dict(zip(names, by(by_onnxruntime), strict=True))
    in_reference = (f"{name}, onnx.reference" for name in names)
    return found | dict(zip(in_reference, by(by_reference), strict=True))


def measure(found: dict[str, Timed], repetitions: int) -> None:
    """Run all variants in turn, again and again, after one run each that does not count."""
    with torch.no_grad():
        for timed in found.values():
            timed.run(timed.raster)
        for _ in range(repetitions):
            for timed in found.values():
                timed.measure()


def ratios(times: dict[str, dict[str, Timed]]) -> dict[str, float]:
    """The ratios in the docs: speed-ups, and our time over that of the C loop."""
    small, large = times["tiny 96"], times["big 96"]

    def speed_up(found: dict[str, Timed], peer: str, ours: str) -> float:
        return round(found[peer].microseconds / found[ours].microseconds, 2)

    result = {
        "tiny_vs_snntorch": speed_up(small, "snntorch", "numba"),
        "big_vs_snntorch": speed_up(large, "snntorch", "numba"),
        "tiny64_vs_torch": speed_up(small, "64 torch", "64 numba"),
        "big64_vs_torch": speed_up(large, "64 torch", "64 numba"),
        "threads2_vs_1": round(large["64 numba"].elapsed / large["64 numba, 2 threads"].elapsed, 2),
    }
    for name, found in (("tiny_vs_c", small), ("big_vs_c", large)):
        if "C" in found:
            result[name] = round(1 / speed_up(found, "C", "numba"), 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="ratios only")
    parser.add_argument("--quick", action="store_true", help="few steps and repetitions")
    parser.add_argument("--plot", type=Path, help="also draw the scaling")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
    torch.set_num_threads(1)
    scale, repetitions = (0.1, 3) if options.quick else (1.0, 9)
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = compile_step(Path(folder))
        except ToolError:
            library = None
        for name, description in CASES.items():
            model = case(*description)
            network = quantize(model)
            own = Path(folder) / name.replace(" ", "_")
            times[name], missing = variants(model, network, library, own, scale)
            measure(times[name], repetitions)
            if not options.json:
                show(name, network, times[name], missing)
    if options.plot is not None:
        draw_scaling(options.plot, quick=options.quick)
    result = ratios(times)
    print(json.dumps(result, indent=2) if options.json else result)


def show(
    name: str, network: IntegerNetwork, found: dict[str, Timed], missing: dict[str, str]
) -> None:
    """Print the table of one network."""
    raster = found["numba"].raster
    acs = evaluate_run(network, runs.run(network, raster), None).effective_acs
    print(f"\n{name}: {acs:.0f} effective ACs per step; load {os.getloadavg()[0]:.1f}")
    print("| variant | us per step and stream | x numba | us elapsed |\n|---|---|---|---|")
    for variant, timed in found.items():
        ours = found["64 numba" if variant.startswith("64") else "numba"].microseconds
        ratio = timed.microseconds / ours
        print(f"| {variant} | {timed.microseconds:.3f} | {ratio:.2f} | {timed.elapsed:.3f} |")
    for variant, reason in missing.items():
        print(f"| {variant} | not run: {reason} | | |")


if __name__ == "__main__":
    main()
