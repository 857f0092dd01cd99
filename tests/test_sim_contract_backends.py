"""No backend can omit a choice of the contract: each changes words in every one of them."""

import os
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from networks import CHOICES, FLOOR_SUBTRACT, random_network, random_raster, under

from export.formats import backends
from sim import reference
from sim.contract import PAPER, SNNTORCH
from sim.fast import runs
from sim.trace import count_differences
from sim.verify import verify

BACKENDS = {"numba": runs.run_backend, **backends()}
COMPUTED_IN = {
    "numba": "sim/fast/compiled.py",
    "c": "export/templates/network.c",
    "onnx-reference": "export/onnx/models.py",
}
NARROW = {"syn_bits": 14, "mem_bits": 15, "frac_bits": 4}
COUNTING = {"weight_bits": 3, "frac_bits": 0, "decay_frac": 1}  # membranes meet their thresholds
OTHERS = [(name, value) for name, values in CHOICES.items() for value in values[1:]]


@cache
def pair(field, value):
    """Two networks, equal but for a field, and a raster on which their words differ."""
    for base in (PAPER, FLOOR_SUBTRACT, SNNTORCH):
        for widths, threshold in ((NARROW, 1500), (COUNTING, 8)):
            contract = replace(base, **widths, **{field: CHOICES[field][0]})
            rng = np.random.default_rng(5)
            default = random_network(rng, contract, hidden=(9, 6), threshold=threshold, biased=True)
            raster = random_raster(rng, 60, default.n_inputs)
            other = under(default, **{field: value})
            words = reference.run(default, raster), reference.run(other, raster)
            if count_differences(*words):
                return default, other, raster
    raise AssertionError(
        f"`{field}` {value} changes no word of the reference: sim/step.py does not read it"
    )


@pytest.mark.parametrize(("field", "value"), OTHERS)
def test_every_choice_changes_words_of_the_reference(field, value):
    default, other, _ = pair(field, value)
    assert default.digest() != other.digest()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("field", "value"), OTHERS)
def test_every_choice_changes_the_same_words_in_every_backend(field, value, backend):
    for network in pair(field, value)[:2]:
        report = verify(network, [pair(field, value)[2]], {backend: BACKENDS[backend]})
        reason = report.not_run.get(backend)
        if reason and backend == "verilog" and f"the contract's `{field}` is {value}" in reason:
            continue  # which it refuses by name
        if reason:  # a tool is missing
            (pytest.fail if os.environ.get("RSNN_REQUIRE_TOOLS") == "1" else pytest.skip)(reason)
        where = COMPUTED_IN.get(backend, f"the backend {backend}")
        assert report.differences == 0, f"`{field}` {value} is not computed by {where}"


def test_the_files_named_for_backends_exist_and_their_backends_too():
    root = os.path.dirname(os.path.dirname(__file__))
    assert set(COMPUTED_IN) <= set(BACKENDS)
    assert all(os.path.exists(os.path.join(root, path)) for path in COMPUTED_IN.values())
