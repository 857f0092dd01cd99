"""Compile benchmarks/step.c and call it with an integer network."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from sim.contract import PAPER
from sim.network import IntegerNetwork

SOURCE = Path(__file__).with_name("step.c")
FLAGS = ("-std=c11", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
_NUMBERS = ("n_inputs", "n_hidden", "n_rows", "decay_frac", "frac_bits", "syn_bits", "mem_bits")
_N_ARRAYS = 11


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in _NUMBERS),
        ("arrays", ctypes.c_void_p * _N_ARRAYS),
    )


def compile_step(folder: Path) -> ctypes.CDLL:
    """Compile the loop into a folder.

    Raises:
        ToolError: there is no C compiler.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise ToolError("the C loop needs a C compiler: install gcc")
    library = folder / "step.so"
    subprocess.run([compiler, *FLAGS, SOURCE, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.simulate.restype = ctypes.c_int64
    return loaded


class CStep:
    """The loop with a network of one recurrent layer, int8 weights and the contract `paper`."""

    def __init__(self, library: ctypes.CDLL, network: IntegerNetwork) -> None:
        (hidden,), readout, c = network.hidden, network.readout, network.contract
        assert c.weight_bits <= 8
        assert c.rounding == PAPER.rounding
        assert hidden.w_rec is not None
        weights = [w.T for w in (hidden.w_in, hidden.w_rec, readout.w_out)]
        others = [getattr(hidden, k) for k in ("e_in", "e_rec", "decay_syn", "decay_mem")]
        others += [hidden.threshold, readout.decay_syn, readout.decay_mem, readout.initial_out]
        self._arrays = [np.ascontiguousarray(w, np.int8) for w in weights]
        self._arrays += [np.ascontiguousarray(a, np.int32) for a in others]
        numbers = (network.n_inputs, hidden.n_neurons, readout.n_neurons)
        widths = (c.decay_frac, c.frac_bits, c.syn_bits, c.mem_bits)
        pointers = (ctypes.c_void_p * _N_ARRAYS)(*(a.ctypes.data for a in self._arrays))
        self._network = _Network(*numbers, *widths, pointers)
        self._simulate = library.simulate
        self._input_counts = np.zeros(network.n_inputs, np.int64)
        self._sent_counts = np.zeros(hidden.n_neurons, np.int64)
        self._n_rows = readout.n_neurons

    def __call__(self, raster: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Run from the initial state; return `out` (n_steps, n_rows)."""
        out = np.empty((len(raster), self._n_rows), np.int32)
        arrays = (raster, out, self._input_counts, self._sent_counts)
        inputs, *results = (ctypes.c_void_p(a.ctypes.data) for a in arrays)
        n_steps = ctypes.c_int64(len(raster))
        self._simulate(ctypes.byref(self._network), inputs, n_steps, *results)
        return out
