"""NIR graphs as other tools write them, and their textbook results, for tests of import."""

import nir
import numpy as np

DT = 0.001


def parameters(rng, n, *names, scalar=False):
    """Plausible values for a node: time constants from 2 ms on, gains about 1."""
    shape = (1,) if scalar else (n,)
    values = {}
    for name in names:
        low = 0.002 if name.startswith("tau") else 0.5
        values[name] = low * (1 + 9 * rng.random(shape) ** 2)
    return values


def neuron(rng, kind, n, scalar=False):
    """A node of a kind with rest and reset at 0."""
    shape = (1,) if scalar else (n,)
    names = {"LIF": ("tau", "r"), "LI": ("tau", "r")}.get(kind, ("tau_mem", "tau_syn", "r", "w_in"))
    values = parameters(rng, n, *names, scalar=scalar) | {"v_leak": np.zeros(shape)}
    if kind.endswith("LIF"):
        values |= {"v_threshold": 0.02 + 0.1 * rng.random(shape), "v_reset": np.zeros(shape)}
    return getattr(nir, kind)(**values)


def weights(rng, matrix, biased):
    """A node of weights, with biases large enough to matter."""
    if not biased:
        return nir.Linear(matrix)
    return nir.Affine(matrix, rng.normal(size=len(matrix)) * np.abs(matrix).sum(1) / 4)


def graph(
    rng,
    hidden=("CubaLIF", "LIF"),
    last="CubaLI",
    recurrence="flat",
    scalar=False,
    n_inputs=6,
    biased=False,
):
    """A chain of layers of 7, 8, ... neurons, every second one recurrent, and 2 outputs."""
    nodes = {"input": nir.Input(np.array([n_inputs]))}
    edges, source, n_pre = [], "input", n_inputs
    for i, kind in enumerate((*hidden, last)):
        n = 2 if i == len(hidden) else 7 + i
        w = (rng.normal(size=(n, n_pre)) + 0.3) * 2 / n_pre**0.5
        nodes[f"w{i}"] = weights(rng, w, biased)
        edges.append((source, f"w{i}"))
        name = f"layer{i}"
        node = neuron(rng, kind, n, scalar)
        if recurrence is None or i % 2 or i == len(hidden):
            nodes[name] = node
        else:
            back = weights(rng, rng.normal(size=(n, n)) / n**0.5, biased)
            if recurrence == "flat":
                nodes |= {name: node, f"{name}_back": back}
                edges += [(name, f"{name}_back"), (f"{name}_back", name)]
            else:
                ends = {"in": nir.Input(np.array([n])), "out": nir.Output(np.array([n]))}
                nodes[name] = nir.NIRGraph(
                    ends | {"cells": node, "back": back},
                    [("in", "cells"), ("cells", "back"), ("back", "cells"), ("cells", "out")],
                    type_check=False,
                )
        edges.append((f"w{i}", name))
        source, n_pre = name, n
    nodes["output"] = nir.Output(np.array([2]))
    edges.append((source, "output"))
    return nir.NIRGraph(nodes, edges, type_check=False)


def textbook(graph, raster, euler, published=False):
    """Spikes of each spiking layer and the voltages of the last, by NIR's equations.

    Spikes arrive at once, but in the published order each variable and connection waits a
    step.
    """
    layers = []
    for i in range(len([name for name in graph.nodes if name.startswith("w")])):
        node, back = graph.nodes[f"layer{i}"], graph.nodes.get(f"layer{i}_back")
        if isinstance(node, nir.NIRGraph):
            node, back = node.nodes["cells"], node.nodes["back"]
        ways = [graph.nodes[f"w{i}"]] if back is None else [graph.nodes[f"w{i}"], back]
        bias = sum(getattr(way, "bias", 0.0) for way in ways)
        layers.append((ways[0].weight, node, None if back is None else back.weight, bias))
    on_the_way = [np.zeros(w.shape[1]) for w, *_ in layers]
    current = [np.zeros(len(w)) for w, *_ in layers]
    voltage = [np.zeros(len(w)) for w, *_ in layers]
    last = [np.zeros(len(w)) for w, *_ in layers]
    spikes, out = [[] for _ in layers[:-1]], []

    def decay(tau):
        return 1 - DT / tau if euler else np.exp(-DT / tau)

    for x in raster:
        signal = x.astype(float)
        for i, (w, node, w_rec, bias) in enumerate(layers):
            if published:
                signal, on_the_way[i] = on_the_way[i], signal
            total = w @ signal + bias + (0 if w_rec is None else w_rec @ last[i])
            before, was = current[i], voltage[i]
            current[i], tau = total, getattr(node, "tau", None)
            if isinstance(node, nir.CubaLIF | nir.CubaLI):
                d, tau = decay(node.tau_syn), node.tau_mem
                current[i] = d * before + (1 - d) * node.w_in * total
            drive = node.r * (before if published else current[i])
            voltage[i] = decay(tau) * was + (1 - decay(tau)) * (node.v_leak + drive)
            if isinstance(node, nir.LIF | nir.CubaLIF):
                tested = was if published else voltage[i]
                signal = (tested > node.v_threshold).astype(float)
                voltage[i] = np.where(signal, 0.0, voltage[i])
                last[i] = signal
                spikes[i].append(signal)
        out.append(voltage[-1].copy())
    return [np.array(s) for s in spikes], np.array(out)
