"""XyloSim (PyPI xylosim), the public simulator of SynSense's Xylo, on arrays as `replay.py` has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def simulated(arrays: Arrays) -> dict[str, NDArray[np.int64]]:
    """The words of a network after each step: `syn`, `mem`, `spk` and `_out` of the readout."""
    from xylosim import v1, v2

    core = v2 if int(arrays["version"]) > 1 else v1

    def synapses(weights: NDArray[Any]) -> list[list[Any]]:
        return [
            [
                core.XyloSynapse(int(post), k, int(row[post, k]))
                for k in range(row.shape[1])
                for post in np.flatnonzero(row[:, k])
            ]
            for row in weights
        ]

    given: dict[str, Any] = {
        "synapses_in": synapses(arrays["w_in"]),
        "synapses_rec": synapses(arrays["w_rec"]),
        "synapses_out": synapses(arrays["w_out"]),
        "aliases": [[] for _ in arrays["threshold"]],
        "threshold": arrays["threshold"].tolist(),
        "threshold_out": arrays["threshold_out"].tolist(),
        "weight_shift_inp": int(arrays["shift_in"]),
        "weight_shift_rec": int(arrays["shift_rec"]),
        "weight_shift_out": int(arrays["shift_out"]),
        "dash_mem": arrays["decay_mem"].tolist(),
        "dash_mem_out": arrays["decay_mem_out"].tolist(),
        "dash_syns": arrays["decay_syn"].tolist(),
        "dash_syns_out": arrays["decay_syn_out"].tolist(),
        "name": "drawn",
    }
    if core is v2:
        biases = {"bias": arrays["bias"].tolist(), "bias_out": arrays["bias_out"].tolist()}
        given |= {"has_bias": any(map(any, biases.values())), **biases}
    layer = core.XyloLayer(**given)  # which points into `given`
    n_steps = len(arrays["raster"])
    fired = np.array(layer.evolve(arrays["raster"].tolist()), np.int64).reshape(n_steps, -1)

    def words(name: str) -> NDArray[np.int64]:
        return np.array(getattr(layer, name), np.int64).T

    currents = [words("rec_i_syn"), words("rec_i_syn2")][: arrays["w_in"].shape[2]]
    return {
        "syn": np.stack(currents, 2),
        "mem": words("rec_v_mem"),
        "spk": np.array(layer.rec_recurrent_spikes, np.int64),
        "syn_out": words("rec_i_syn_out"),
        "mem_out": words("rec_v_mem_out"),
        "spk_out": fired,
    }
