"""Networks and traces of chips' public simulators, replayed by the reference.

    python tests/oracles/replay.py FILES...

prints, for each .npz of a simulator, the words compared, those that differ and the first of them;
exit status 1 if any do. Arrays of a file are those of a Loihi trace (lava-nc's fixed-point LIF and
Dense): `raster` (n_steps, n_inputs), `w_in`, `w_rec` and `w_out` (post, pre) as given to Dense,
`weight_bits`, an exponent `exp_*` of each, `du`, `dv`, `vth`, `bias_mant` (post,) and `bias_exp` of
the hidden layer, `_out` of the readout, and what the simulator did: `u`, `v`, `spk`, `u_out`,
`v_out`, `spk_out` (n_steps, neurons).
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import UnsupportedError
from rsnn.data.probes import Probe, ProbeFile, compare
from sim.contract import LOIHI
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.verify import Verification

Arrays = Mapping[str, NDArray[Any]]
_WORDS = {
    "hidden0.syn": "u",
    "hidden0.mem": "v",
    "hidden0.spk": "spk",
    "readout.syn": "u_out",
    "readout.out": "v_out",
}
_THRESHOLD_BITS = 6  # below those of `vth`


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


def replay(arrays: Arrays, path: Path) -> Verification:
    """Compare the state words of a trace with those that the reference computes.

    Raises:
        UnsupportedError: as `loihi_network`.
    """
    network = loihi_network(arrays)
    probes = tuple(
        Probe(ours, arrays[theirs].astype(np.int64), 0, np.arange(arrays[theirs].shape[1]))
        for ours, theirs in _WORDS.items()
    )
    return compare(network, ProbeFile(path, probes, arrays["raster"]), arrays["raster"])


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
