"""C that is generated from a layer's step gives the words of the reference."""

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster

from export.firmware import code, decoder
from sim import reference
from sim.trace import count_differences


@pytest.fixture
def generated(monkeypatch):
    """Generate C for every kind, also where there are templates tuned by hand."""
    monkeypatch.setattr(code, "is_tuned", lambda network: False)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_generated_c_gives_every_word_under_every_contract(generated, number):
    rng = np.random.default_rng(number)
    contract = covering_contracts()[number]
    network = random_network(
        rng, contract, hidden=(7, 5), n_heads=2, biased=number % 2 == 1, recurrent=number % 3 > 0
    )
    raster = random_raster(rng, 60, 12)
    found = decoder.run_backend(network, raster)
    expected = reference.run(network, raster)
    assert expected.variables["hidden1.spk"].any()
    assert count_differences(expected, found) == 0


def test_generated_c_says_so_and_names_the_digest(generated, tmp_path):
    network = random_network(np.random.default_rng(0))
    header, source = (path.read_text() for path in decoder.export_c(network, tmp_path))
    assert network.digest() in header
    assert network.digest() in source
    assert "Written from the step of each layer's kind" in source
    assert max(map(len, source.splitlines())) <= 100
