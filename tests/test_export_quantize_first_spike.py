"""First-spike networks as integers: equations, limits, and accuracy on digits."""

from dataclasses import replace

import numpy as np
import pytest

from base.errors import DataError, RangeError, UnsupportedError
from export.quantization.precision import Precision
from export.quantize_first_spike import quantize_first_spike
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.parts import load_parts
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.training import start, train
from sim import reference
from sim.fast.events import check_network
from sim.fast.first_spikes import first_spikes
from sim.inspect import summarize

PRECISION = Precision(bits=8, frac_bits=0, per_layer=True, scale="max")


def drawn(seed=0, n=6, n_inputs=20, **changes):
    rng = np.random.default_rng(seed)
    values = {
        "w": rng.normal(0.3, 0.4, (n, n_inputs)),
        "threshold": np.linspace(0.4, 2.0, n),
        "n_classes": 3,
        "t_max": 16,
        "leak_tau": 0.0,
        "semantics": "exact",
    }
    return FirstSpikeNetwork(**(values | changes))


@pytest.mark.parametrize("frac_bits", [0, 3])
def test_weights_thresholds_and_lead_are_those_of_the_equations(frac_bits):
    floats = drawn()
    network = quantize_first_spike(floats, replace(PRECISION, frac_bits=frac_bits), dt=2e-3)
    layer, c = network.readout, network.contract
    scale = np.abs(floats.w).max() / 127
    assert np.abs(layer.w_in * scale - floats.w).max() <= scale / 2 * (1 + 1e-9)
    assert layer.threshold.tolist() == np.floor(floats.threshold * 2**frac_bits / scale).tolist()
    assert set(layer.decay_mem.tolist()) == {1 << c.decay_frac}
    assert layer.label.tolist() == [0, 0, 1, 1, 2, 2]
    low, high = layer.limits(c)["asked_v"]
    step = int(layer.lead_step[0])
    assert step > high.max() - low.min() >= step // 2
    assert (layer.lead_start == 16 * step).all()
    assert 1 << (c.mem_bits - 2) <= (16 * step + high.max()) < 1 << (c.mem_bits - 1)
    assert (c.delay_steps, c.inputs_once, network.dt) == (0, True, 2e-3)
    check_network(network)
    assert summarize(network)["cannot_overflow"]


def test_a_threshold_between_two_potentials_is_rounded_down():
    """A potential of 10 steps fires above 9.7 of them, and not above 10.2."""
    w = np.array([[1.27], [0.1], [0.1]])
    floats = drawn(w=w, threshold=np.array([9.0, 0.097, 0.102]), n_classes=3)
    network = quantize_first_spike(floats, PRECISION, dt=1e-3)
    assert network.readout.w_in[:, 0].tolist() == [127, 10, 10]
    assert network.readout.threshold[1:].tolist() == [9, 10]
    found = first_spikes(network, [0, 1], [0], [3])
    assert found.t[0].tolist() == [16, 3, 16]


def test_a_leak_is_a_decay_per_tick_that_only_clocked_backends_compute():
    network = quantize_first_spike(drawn(leak_tau=0.5), replace(PRECISION, frac_bits=4), dt=1e-3)
    assert set(network.readout.decay_mem.tolist()) == {round(np.exp(-1 / 8) * 4096)}
    with pytest.raises(UnsupportedError, match="potentials leak; the event-driven engine"):
        check_network(network)


def test_what_cannot_be_quantized_is_refused():
    with pytest.raises(UnsupportedError, match=r"one scale; with a scale per neuron up to 0\.24"):
        quantize_first_spike(drawn(), replace(PRECISION, per_layer=False), dt=1e-3)
    with pytest.raises(DataError, match="all weights are zero; train the network again"):
        quantize_first_spike(drawn(w=np.zeros((6, 20))), PRECISION, dt=1e-3)
    text = r"`out` orders neurons by 16 ticks and potentials of .* takes 17 bits; 12 are possible"
    with pytest.raises(RangeError, match=text):
        quantize_first_spike(drawn(), replace(PRECISION, mem_bits=12), dt=1e-3)
    with pytest.raises(RangeError, match=r"by 16777216 ticks .*; 32 are possible"):
        quantize_first_spike(drawn(t_max=1 << 24), PRECISION, dt=1e-3)
    assert quantize_first_spike(drawn(), replace(PRECISION, mem_bits=20), dt=1e-3)


@pytest.mark.slow  # trains, and compiles a kernel
def test_int8_of_digits_is_as_good_and_verified_on_every_sample():
    parts = load_parts("digits")
    training = start(resolve(gathered("digits-s2stdp-ncg", None, []), seed=0), parts)
    train(training, parts)
    floats, test = training.network(), parts.test
    network = quantize_first_spike(floats, PRECISION, dt=1e-3)
    found = first_spikes(network, test.ptr, test.index, test.tick)
    share = (found.classes(network) == test.label).mean()
    assert share >= floats.accuracy(test) - 0.005
    for k in range(len(test.label)):
        own = slice(test.ptr[k], test.ptr[k + 1])
        raster = np.zeros((test.t_max, test.n_inputs), np.uint8)
        raster[test.tick[own], test.index[own]] = 1
        trace = reference.run(network, raster).variables
        assert trace["readout.t"][-1].tolist() == found.t[k].tolist()
        assert trace["readout.v"][-1].tolist() == found.v[k].tolist()
        assert network.readout.decode(trace["readout.out"])[-1, 0] == found.classes(network)[k]
