"""Networks of snnTorch with parameters of their own for each neuron, for tests of import."""

import numpy as np
import snntorch
import torch
from torch import nn

N_INPUTS, N_STEPS = 9, 300


def neurons(kind: str, n: int, generator: torch.Generator, **options):
    """A layer with decays and thresholds of its own for each neuron, all of them learned."""

    def between(low, high):
        return low + (high - low) * torch.rand(n, generator=generator)

    options = {"threshold": between(0.5, 1.5), "learn_threshold": True, **options}
    options |= {"learn_beta": True, "init_hidden": False}
    if "Synaptic" in kind:
        options |= {"alpha": between(0.2, 0.9), "learn_alpha": True}
    if kind.startswith("R"):
        options |= {"linear_features": n}
    return getattr(snntorch, kind)(beta=between(0.3, 0.95), **options)


class Network(nn.Module):
    """Two hidden layers and a readout without reset."""

    def __init__(self, kinds, reset, seed=0, bias=True, sizes=(12, 10)):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.fc1 = nn.Linear(N_INPUTS, sizes[0], bias=bias)
        self.lif1 = neurons(kinds[0], sizes[0], generator, **reset)
        self.fc2 = nn.Linear(sizes[0], sizes[1], bias=bias)
        self.lif2 = neurons(kinds[1], sizes[1], generator, **reset)
        self.fc3 = nn.Linear(sizes[1], 2, bias=bias)
        self.out = neurons(kinds[2], 2, generator, reset_mechanism="none")
        with torch.no_grad():
            for linear in (self.fc1, self.fc2):
                linear.weight *= 3.0

    def forward(self, raster):
        """Spikes of both layers and the readout's membrane, (n_steps, n) each."""
        layers = [(self.fc1, self.lif1), (self.fc2, self.lif2), (self.fc3, self.out)]
        states = [
            tuple(linear.weight.new_zeros(1, len(linear.weight)) for _ in range(n_states(layer)))
            for linear, layer in layers
        ]
        kept = [[], [], []]
        for x in raster:
            signal = x[None]
            for i, (linear, layer) in enumerate(layers):
                # a spike of theirs is a float32, whatever its layer computes in
                result = [each.to(raster) for each in layer(linear(signal), *states[i])]
                signal = result[0]
                states[i] = result if is_recurrent(layer) else result[1:]
                kept[i].append(result[-1] if layer is self.out else signal)
        return [torch.cat(rows) for rows in kept]


def n_states(layer) -> int:
    kind = type(layer).__name__
    return 1 + is_recurrent(layer) + kind.endswith("Synaptic")


def is_recurrent(layer) -> bool:
    return type(layer).__name__.startswith("R")


def spikes(seed=0, n_steps=N_STEPS):
    rng = np.random.default_rng(seed)
    return (rng.random((n_steps, N_INPUTS)) < 0.3).astype(np.uint8)


DESCRIPTION = """
dt = 0.004

[[layers]]
linear = "fc1"
name = "lif1"
neuron = "RSynaptic"

[[layers]]
linear = "fc2"
name = "lif2"
neuron = "Synaptic"

[[layers]]
linear = "fc3"
name = "out"
neuron = "Leaky"
"""


def saved(folder):
    """A network whose state dict, and its description, are `theirs.pt` and `theirs.toml`."""
    theirs = Network(("RSynaptic", "Synaptic", "Leaky"), {"reset_mechanism": "zero"})
    torch.save(theirs.state_dict(), folder / "theirs.pt")
    (folder / "theirs.toml").write_text(DESCRIPTION)
    return theirs


COMMAND = ("import-snntorch", "theirs.pt", "--description", "theirs.toml")
