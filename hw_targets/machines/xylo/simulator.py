"""XyloSim (the package xylosim), the public simulator of Xylo's cores, on a core's parameters."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from hw_targets.machines.target import Runner
from hw_targets.machines.xylo.chip import Chip, parameters
from sim.network import IntegerNetwork
from sim.trace import Trace, variable_names, word_dtype

Words = dict[str, NDArray[np.int64]]


def prepared(network: IntegerNetwork, folder: Path) -> Runner:
    """Make a network ready to run.

    Raises:
        UnsupportedError: a core does not hold it.
        ToolError: xylosim is not installed.
    """
    chip = parameters(network)
    load(chip.version)

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        core = Core(chip)
        for block in blocks:
            words = core.steps(block)
            found = {
                f"hidden0.syn{'2' * k}": words["syn"][:, :, k] for k in range(chip.w_in.shape[2])
            }
            found |= {"hidden0.spk": words["spk"], "hidden0.mem": words["mem"]}
            found |= {"readout.fired": words["spk_out"], "readout.syn": words["syn_out"]}
            found["readout.out"] = words["mem_out"]
            yield block, Trace(_in_order(network, found))

    return run


def load(version: int) -> Any:
    """The simulator of a core.

    Raises:
        ToolError: it is not installed.
    """
    try:
        from xylosim import v1, v2
    except ImportError:
        raise ToolError(
            "Xylo's simulator is missing: pip install xylosim, which compiles it"
        ) from None
    return v2 if version > 1 else v1


class Core:
    """A core with its state."""

    def __init__(self, chip: Chip) -> None:
        """Start from states of 0.

        Raises:
            ToolError: xylosim is not installed.
        """
        core = load(chip.version)

        def synapses(weights: NDArray[Any]) -> list[list[Any]]:
            return [
                [
                    core.XyloSynapse(int(post), k, int(row[post, k]))
                    for k in range(row.shape[1])
                    for post in np.flatnonzero(row[:, k])
                ]
                for row in weights
            ]

        self._given: dict[str, Any] = {
            "synapses_in": synapses(chip.w_in),
            "synapses_rec": synapses(chip.w_rec),
            "synapses_out": synapses(chip.w_out),
            "aliases": [[] for _ in chip.threshold],
            "threshold": chip.threshold.tolist(),
            "threshold_out": chip.threshold_out.tolist(),
            "weight_shift_inp": chip.shift_in,
            "weight_shift_rec": chip.shift_rec,
            "weight_shift_out": chip.shift_out,
            "dash_mem": chip.decay_mem.tolist(),
            "dash_mem_out": chip.decay_mem_out.tolist(),
            "dash_syns": chip.decay_syn.tolist(),
            "dash_syns_out": chip.decay_syn_out.tolist(),
            "name": "core",
        }
        if chip.version > 1:
            biases = {"bias": chip.bias.tolist(), "bias_out": chip.bias_out.tolist()}
            self._given |= {"has_bias": any(map(any, biases.values())), **biases}
        self._n_synapses = chip.w_in.shape[2]
        self._core = core.XyloLayer(**self._given)  # which points into what is given

    def steps(self, raster: NDArray[Any]) -> Words:
        """The words after each step of inputs (n_steps, n_inputs), (n_steps, neurons) each.

        `syn` is (n_steps, neurons, synapses).
        """
        fired = np.array(self._core.evolve(raster.tolist()), np.int64).reshape(len(raster), -1)

        def words(name: str) -> NDArray[np.int64]:
            return np.array(getattr(self._core, name), np.int64).T[-len(raster) :]

        currents = [words("rec_i_syn"), words("rec_i_syn2")][: self._n_synapses]
        spikes = np.array(self._core.rec_recurrent_spikes, np.int64)[-len(raster) :]
        return {
            "syn": np.stack(currents, 2),
            "mem": words("rec_v_mem"),
            "spk": spikes,
            "syn_out": words("rec_i_syn_out"),
            "mem_out": words("rec_v_mem_out"),
            "spk_out": fired,
        }


def _in_order(network: IntegerNetwork, found: Words) -> dict[str, NDArray[Any]]:
    """The words by the names of a trace, in its order and dtypes."""
    kinds = {
        f"{name}.{state}": word_dtype(word)
        for name, layer in network.named_layers()
        for state, word in layer.STATES.items()
    }
    return {name: found[name].astype(kinds[name]) for name in variable_names(network)}
