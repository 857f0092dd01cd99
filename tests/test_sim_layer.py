"""Ranges of what sources send: readers of rasters and weights use them or refuse by name."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from networks import covering_contracts, random_network

from base.errors import DataError, RangeError
from export.firmware.decoder import export_c
from export.formats import backends
from export.nir.files import export_nir
from sim import reference
from sim.bounds.layers import state_bounds
from sim.fast import runs
from sim.intermediates import asked_in
from sim.kinds.cuba_lif import CubaLIF
from sim.network import check_spikes
from sim.verify import verify


@dataclass(frozen=True)
class Graded(CubaLIF):
    """A CuBa-LIF layer whose inputs are whole numbers 0 to 3."""

    VALUES: ClassVar = (0, 3)
    UNNAMED: ClassVar = False


def graded(seed: int, contract):
    rng = np.random.default_rng(seed)
    plain = random_network(rng, contract, hidden=(7, 5))
    first, *others = plain.layers
    network = replace(plain, layers=(Graded(**vars(first)), *others))
    return network, rng.integers(0, 4, (60, 12)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 3])
def test_graded_inputs_are_computed_where_they_are_known(number):
    network, raster = graded(number, covering_contracts()[number])
    known = {name: backends()[name] for name in ("onnxruntime", "onnx-reference")}
    found = verify(network, [raster], {"numba": runs.run_backend, **known})
    assert found.differences == 0
    trace = reference.run(network, raster)
    spikes = reference.run(network, np.minimum(raster, 1))
    assert (trace.variables["hidden0.syn"] != spikes.variables["hidden0.syn"]).any()


def test_bounds_count_on_the_largest_value():
    for seed, contract in enumerate(covering_contracts()):
        network, raster = graded(seed, contract)
        trace, bounds = reference.run(network, raster), state_bounds(network)
        for index, name in enumerate(network.layer_names):
            for state, asked in asked_in(network, raster, trace, index).items():
                low, high = bounds[name].range_of(state)
                assert (asked.low >= low).all(), (name, state)
                assert (asked.high <= high).all(), (name, state)
        plain = replace(network, layers=(CubaLIF(**vars(network.layers[0])), *network.layers[1:]))
        narrow = state_bounds(plain, unlimited=True)["hidden0"].syn_high
        assert (state_bounds(network, unlimited=True)["hidden0"].syn_high >= narrow).all()


def test_those_that_know_spikes_alone_refuse_by_name(tmp_path):
    network, _ = graded(0, covering_contracts()[0])
    writers = {"C": export_c, "NIR": lambda n, path: export_nir(n, path / "a.nir")}
    for backend, write in writers.items():
        text = (
            rf"hidden0 \(test_sim_layer\) takes values 0..3 from below; {backend} computes spikes"
        )
        with pytest.raises(RangeError, match=text):
            write(network, tmp_path)
    check_spikes(random_network(np.random.default_rng(0)), "C")
    assert not list(tmp_path.iterdir())


def test_a_raster_beyond_the_range_is_refused():
    network, _ = graded(0, covering_contracts()[0])
    for example, dtype in ((4, np.uint8), (0.5, float), (-1.0, float)):
        text = rf"the raster holds {example}; the network takes whole numbers 0\.\.3"
        with pytest.raises(DataError, match=text):
            runs.run(network, np.full((3, 12), example, dtype))


def test_weights_times_the_largest_value_sent_fit_the_accumulator():
    """The limit counts on VALUES, 0..3 here: a third of what spikes may add up to."""
    network, _ = graded(0, replace(covering_contracts()[0], weight_bits=16))
    first = network.layers[0]
    wide = np.full((first.n_neurons, 30_000), 32_767)  # 983,010,000 in sum, times 3
    with pytest.raises(RangeError, match="w_in: the weights of a neuron add up to 2949030000"):
        replace(first, w_in=wide).checked("hidden0", 30_000, network.contract)
