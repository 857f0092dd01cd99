"""The same network in floats as Brian2 writes it in C++ (its standalone mode), compiled by g++."""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from rsnn.model import DT, RSNN
from rsnn.neurons import INITIAL_OUT, V_THRESHOLD, TimeConstants

# A spike of Brian's step t is the one that `RSNN` fires in step t + 1, on the membrane of step t.
_HIDDEN = """
mem = (1 - fired) * (decay_mem * mem + (1 - decay_mem) * syn)
syn = decay_syn * syn + acc
acc = 0
fired = 0
"""
_READOUT = """
out = decay_mem * out + (1 - decay_mem) * syn
syn = decay_syn * syn + acc
acc = 0
"""


class BrianStep:
    """A compiled program for one network and one raster, to be run again and again.

    Attributes:
        seconds: of the last run's loop over time alone, as the program itself takes them.
    """

    def __init__(self, model: RSNN, raster: NDArray[np.uint8], folder: Path) -> None:
        """Write and compile the program.

        Args:
            model: one recurrent layer.
            raster: (n_steps, n_inputs).
            folder: new or empty.

        Raises:
            ToolError: Brian2 or g++ is missing.
        """
        if shutil.which("g++") is None:
            raise ToolError("Brian2 needs a C++ compiler: install g++")
        try:
            import brian2
        except (ImportError, AttributeError) as error:  # AttributeError: of a NumPy too new for it
            raise ToolError(f"Brian2 cannot be imported: {error}") from error
        self.seconds = 0.0
        brian2.prefs.devices.cpp_standalone.extra_make_args_unix = []  # one compiler at a time
        self._device = brian2.device
        brian2.set_device("cpp_standalone", build_on_run=False)
        brian2.device.reinit()
        brian2.device.activate(build_on_run=False)
        brian2.defaultclock.dt = DT * brian2.second
        steps, inputs = np.nonzero(raster)
        source = brian2.SpikeGeneratorGroup(
            raster.shape[1], inputs, steps * DT * brian2.second, sorted=True
        )
        (layer,) = model.layers
        hidden = brian2.NeuronGroup(
            layer.w_in.shape[0],
            "mem:1\nsyn:1\nacc:1\nfired:1\ndecay_mem:1\ndecay_syn:1",
            threshold=f"mem > {float(V_THRESHOLD)}",
            reset="fired = 1",
        )
        readout = brian2.NeuronGroup(
            sum(head.w_out.shape[0] for head in model.readouts),
            "out:1\nsyn:1\nacc:1\ndecay_mem:1\ndecay_syn:1",
        )
        hidden.decay_mem, hidden.decay_syn = _decays([layer.tau])
        readout.decay_mem, readout.decay_syn = _decays([head.tau for head in model.readouts])
        readout.out = float(INITIAL_OUT)
        hidden.run_regularly(_HIDDEN, when="groups")
        readout.run_regularly(_READOUT, when="groups")
        w_out = np.concatenate([_array(head.w_out) for head in model.readouts])
        parts = [source, hidden, readout]
        for before, after, weights, delay in (
            (source, hidden, _array(layer.w_in), 0.0),
            (hidden, hidden, _array(layer.w_rec), DT),
            (hidden, readout, w_out, DT),
        ):
            synapses = brian2.Synapses(
                before, after, "w:1", on_pre="acc_post += w", delay=delay * brian2.second
            )
            post, pre = np.nonzero(weights)
            synapses.connect(i=pre, j=post)
            synapses.w = weights[post, pre]
            parts.append(synapses)
        self._monitor = brian2.StateMonitor(readout, "out", record=True, when="groups", order=1)
        network = brian2.Network(*parts, self._monitor)
        network.run(len(raster) * DT * brian2.second)
        brian2.device.build(directory=str(folder), compile=True, run=False)
        self._folder = folder

    def __call__(self, raster: object) -> NDArray[np.floating]:
        """Run the program over its raster; return `out` (n_steps, rows)."""
        self._device.run(str(self._folder), with_output=False, run_args=[])
        self.seconds = float(self._device._last_run_time)
        return np.asarray(self._monitor.out).T


def _array(weights) -> NDArray[np.floating]:
    return weights.detach().numpy()


def _decays(taus: list[TimeConstants]) -> list[NDArray[np.floating]]:
    """Decays of membranes and of currents, all units after each other."""
    return [np.concatenate(p) for p in zip(*(map(_array, t.decays()) for t in taus), strict=True)]
