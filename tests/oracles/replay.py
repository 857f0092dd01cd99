"""Networks and traces of chips' public simulators, replayed by the reference.

    python tests/oracles/replay.py FILES...

prints, for each .npz of a simulator, the words compared, those that differ and the first of them;
exit status 1 if any do. Arrays of a file are those of a Loihi trace (lava-nc's fixed-point LIF and
Dense) or of a Xylo trace (xylosim).

Loihi: `raster` (n_steps, n_inputs), `w_in`, `w_rec` and `w_out` (post, pre) as given to Dense,
`weight_bits`, an exponent `exp_*` of each, `du`, `dv`, `vth`, `bias_mant` (post,) and `bias_exp` of
the hidden layer, `_out` of the readout, and what the simulator did: `u`, `v`, `spk`, `u_out`,
`v_out`, `spk_out` (n_steps, neurons).

Xylo, with H hidden neurons, I inputs, O readouts and K synapses of a hidden neuron: `version` of
the core, `raster` (n_steps, I) counts, `w_in` (I, H, K), `w_rec` (H, H, K) and `w_out` (H, O, 1), a
left shift `shift_*` of each, `threshold`, `decay_mem`, `bias` (H,) and `decay_syn` (H, K), `_out`
of the readout, and `syn` (n_steps, H, K), `mem`, `spk`, `syn_out`, `mem_out`, `spk_out` (n_steps,
neurons).
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import UnsupportedError
from rsnn.data.probes import Probe, ProbeFile, compare
from sim.contract import LOIHI, XYLO
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.kinds.firing_cuba_li import FiringCubaLI
from sim.kinds.multi_spike_cuba_lif import MultiSpikeCubaLIF
from sim.kinds.two_synapse_cuba_lif import TwoSynapseCubaLIF
from sim.network import IntegerNetwork
from sim.verify import Verification

Arrays = Mapping[str, NDArray[Any]]
_LOIHI_WORDS = {
    "hidden0.syn": "u",
    "hidden0.mem": "v",
    "hidden0.spk": "spk",
    "readout.syn": "u_out",
    "readout.out": "v_out",
}
_XYLO_WORDS = {
    "hidden0.syn": "syn",
    "hidden0.syn2": "syn2",
    "hidden0.mem": "mem",
    "hidden0.spk": "spk",
    "readout.syn": "syn_out",
    "readout.out": "mem_out",
    "readout.fired": "spk_out",
}
_THRESHOLD_BITS = 6  # below those of `vth`
_MOST_INPUT = 15  # spikes of a channel in a step


def loihi_network(arrays: Arrays) -> IntegerNetwork:
    """The network of a Loihi trace.

    Raises:
        UnsupportedError: an exponent below 0, by which one emulator alone shifts sums; a readout
            that fires.
    """
    for name in ("exp_in", "exp_rec", "exp_out", "bias_exp"):
        if int(arrays[name]) < 0:
            raise UnsupportedError(f"`{name}` is {int(arrays[name])}; exponents are 0 and above")
    if arrays["spk_out"].any():
        raise UnsupportedError("a readout fires, which this kind of readout does not")
    bits = int(arrays["weight_bits"])
    n, rows = len(arrays["w_in"]), len(arrays["w_out"])

    def each(size: int, value: Any) -> NDArray[np.int64]:
        return np.full(size, int(value))

    def bias(end: str) -> NDArray[np.int64] | None:
        shifted = arrays[f"bias_mant{end}"].astype(np.int64) << int(arrays["bias_exp"])
        return shifted if shifted.any() else None

    hidden = CubaLIF(
        w_in=chip_weights(arrays["w_in"], bits),
        w_rec=chip_weights(arrays["w_rec"], bits),
        e_in=each(n, arrays["exp_in"]),
        e_rec=each(n, arrays["exp_rec"]),
        decay_syn=each(n, 4095 - int(arrays["du"])),
        decay_mem=each(n, 4096 - int(arrays["dv"])),
        threshold=each(n, int(arrays["vth"]) << _THRESHOLD_BITS),
        bias=bias(""),
    )
    readout = CubaLI(
        w_out=chip_weights(arrays["w_out"], bits),
        decay_syn=each(rows, 4095 - int(arrays["du_out"])),
        decay_mem=each(rows, 4096 - int(arrays["dv_out"])),
        initial_out=np.zeros(rows, np.int64),
        out_scale=np.ones(rows),
        bias=bias("_out"),
        e_out=each(rows, arrays["exp_out"]) if arrays["exp_out"] else None,
    )
    return IntegerNetwork((hidden, readout), LOIHI, 1e-3)


def chip_weights(weights: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Weights as the chip keeps them: fewer bits, and one fewer where signs are mixed."""
    sizes, one_sign = weights.astype(np.int64), bool((weights >= 0).all() or (weights <= 0).all())
    if one_sign:
        kept = np.minimum(np.abs(sizes), 255) >> (8 - bits) << (8 - bits)
        return np.sign(sizes) * kept
    return np.clip(sizes, -256, 255) >> (9 - bits) << (9 - bits)


def xylo_network(arrays: Arrays) -> IntegerNetwork:
    """The network of a Xylo trace. Weights that shifting brings beyond 16 bits are wrapped here."""
    weights: dict[str, NDArray[np.int64]] = {}
    shifts: dict[str, int] = {}
    for name in ("in", "rec", "out"):
        shift = int(arrays[f"shift_{name}"])
        whole = arrays[f"w_{name}"].astype(np.int64)
        kept = (whole << shift).astype(np.int16).astype(np.int64)
        wraps = not np.array_equal(kept, whole << shift)
        weights[name], shifts[name] = (kept, 0) if wraps else (whole, shift)
    n, rows = len(arrays["threshold"]), len(arrays["threshold_out"])
    n_synapses = weights["in"].shape[2]
    marks = ("", "2")[:n_synapses]

    def bias(end: str) -> NDArray[np.int64] | None:
        found = arrays[f"bias{end}"].astype(np.int64)
        return found if found.any() else None

    own: dict[str, Any] = {
        "decay_mem": arrays["decay_mem"].astype(np.int64),
        "threshold": arrays["threshold"].astype(np.int64),
        "bias": bias(""),
    }
    for k, mark in enumerate(marks):
        for name in ("in", "rec"):
            own[f"w_{name}{mark}"] = weights[name][:, :, k].T
            own[f"e_{name}{mark}"] = np.full(n, shifts[name])
        own[f"decay_syn{mark}"] = arrays["decay_syn"][:, k].astype(np.int64)
    hidden = (MultiSpikeCubaLIF if n_synapses == 1 else TwoSynapseCubaLIF)(**own)
    readout = FiringCubaLI(
        w_out=weights["out"][:, :, 0].T,
        decay_syn=arrays["decay_syn_out"][:, 0].astype(np.int64),
        decay_mem=arrays["decay_mem_out"].astype(np.int64),
        initial_out=np.zeros(rows, np.int64),
        out_scale=np.ones(rows),
        bias=bias("_out"),
        e_out=np.full(rows, shifts["out"]),
        threshold=arrays["threshold_out"].astype(np.int64),
    )
    wide = any(each.min() < -128 or each.max() > 127 for each in weights.values())
    contract = replace(XYLO, weight_bits=16 if wide else 8, by_increment=int(arrays["version"]) > 1)
    return IntegerNetwork((hidden, readout), contract, 1e-3)


def replay(arrays: Arrays, path: Path) -> Verification:
    """Compare the state words of a trace with those that the reference computes.

    Raises:
        UnsupportedError: as `loihi_network`.
    """
    raster, found = arrays["raster"], dict(arrays)
    if "shift_in" in arrays:
        network, words = xylo_network(arrays), _XYLO_WORDS
        raster = np.minimum(raster, _MOST_INPUT)
        found |= {"syn" + "2" * k: arrays["syn"][:, :, k] for k in range(arrays["syn"].shape[2])}
    else:
        network, words = loihi_network(arrays), _LOIHI_WORDS
    probes = tuple(
        Probe(ours, found[theirs].astype(np.int64), 0, np.arange(found[theirs].shape[1]))
        for ours, theirs in words.items()
        if theirs in found
    )
    return compare(network, ProbeFile(path, probes, raster), raster)


def main(paths: list[str]) -> int:
    """Replay files; the exit status."""
    total = wrong = 0
    for path in map(Path, paths):
        with np.load(path) as stored:
            arrays = dict(stored)
        try:
            report = replay(arrays, path)
        except UnsupportedError as error:
            print(f"{path.name}: not replayed: {error}")
            continue
        for line in list(report.lines())[:-1]:
            print(line)
        total, wrong = total + report.words, wrong + report.differences
    print(f"{total} words, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
