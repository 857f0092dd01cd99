"""How time grows with hidden neurons and with how many of them fire: for benchmarks/simulate.py."""

from dataclasses import replace
from pathlib import Path
from time import process_time

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from rsnn.data.raster import random_raster
from sim.contract import PAPER
from sim.fast.runs import Run, run
from sim.fast.simulator import Simulator
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.metrics import evaluate_run
from sim.network import IntegerNetwork

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
ACTIVITIES = (0.005, 0.01, 0.02, 0.05, 0.1)
_N_INPUTS = 96
_N_ROWS = 2


def random_network(n_hidden: int, threshold: int) -> IntegerNetwork:
    """Dense int8 weights of mean 0, all neurons alike; recurrence is too weak to keep itself up."""
    rng = np.random.default_rng(1)

    def weights(n_post: int, n_pre: int) -> np.ndarray:
        deviation = 40 * (_N_INPUTS / max(n_pre, _N_INPUTS)) ** 0.5
        return np.clip(np.rint(rng.normal(0, deviation, (n_post, n_pre))), -127, 127).astype(int)

    def same(n: int, value: int) -> np.ndarray:
        return np.full(n, value)

    hidden = CubaLIF(
        weights(n_hidden, _N_INPUTS),
        weights(n_hidden, n_hidden),
        same(n_hidden, 0),
        same(n_hidden, 0),
        same(n_hidden, 2500),
        same(n_hidden, 3400),
        same(n_hidden, threshold),
    )
    readout = CubaLI(
        weights(_N_ROWS, n_hidden),
        same(_N_ROWS, 2500),
        same(_N_ROWS, 3700),
        same(_N_ROWS, 0),
        np.ones(_N_ROWS),
    )
    contract = replace(PAPER, syn_bits=29, mem_bits=30)
    return IntegerNetwork((hidden, readout), contract, 0.004)


def network_of(n_hidden: int, activity: float, raster: np.ndarray) -> tuple[IntegerNetwork, Run]:
    """A network whose threshold makes about this share of neurons fire in a step."""
    low, high = 8.0, 25.0  # log2 of the threshold
    for _ in range(12):
        middle = (low + high) / 2
        network = random_network(n_hidden, round(2**middle))
        found = run(network, raster)
        if found.hidden_spikes > activity * n_hidden * len(raster):
            low = middle
        else:
            high = middle
    return network, found


def draw_scaling(path: Path, *, quick: bool) -> None:
    """Print and draw ns per effective AC, one curve per activity, as a PNG."""
    sizes = SIZES[::3] if quick else SIZES
    activities = ACTIVITIES[::2] if quick else ACTIVITIES
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    print(
        "\n| hidden | firing, % | ACs per step | us per step | ns per AC |\n|---|---|---|---|---|"
    )
    for activity in activities:
        points = []
        for n_hidden in sizes:
            raster = random_raster(300, _N_INPUTS, dt=0.004)
            network, found = network_of(n_hidden, activity, raster)
            seconds = []
            simulator = Simulator(network)
            for _ in range(99):
                simulator.reset()
                start = process_time()
                simulator.step_block(raster)
                seconds.append((process_time() - start) / len(raster))
            acs = evaluate_run(network, found, None).effective_acs
            firing = 100 * found.hidden_spikes / n_hidden / len(raster)
            step = float(np.median(seconds))
            points.append((n_hidden, step * 1e6, step * 1e9 / acs))
            print(
                f"| {n_hidden} | {firing:.2f} | {acs:.0f} | {step * 1e6:.2f} |"
                f" {step * 1e9 / acs:.3f} |",
                flush=True,
            )
        hidden, steps, costs = zip(*points, strict=True)
        left.loglog(hidden, steps, "o-", label=f"{100 * activity:g} % fire")
        right.loglog(hidden, costs, "o-")
    left.set(xlabel="hidden neurons", ylabel="time of a step (us)")
    right.set(xlabel="hidden neurons", ylabel="time per effective AC (ns)")
    left.legend(frameon=False)
    figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
