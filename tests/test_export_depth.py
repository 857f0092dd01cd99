"""Networks of 12 hidden layers, whose names sort otherwise as text than as numbers."""

import nir
import numpy as np
import pytest
import torch
from networks import random_network, random_raster, with_arrays
from random_models import random_model

from export.nir.chain import chain_of
from export.nir.files import export_nir, import_nir
from export.nir.flatten import flatten
from export.nir.readers import READERS
from export.quantize import quantize
from rsnn.checkpoint import load_model, save_model
from rsnn.evaluate import decode
from rsnn.model import Architecture
from rsnnctl.backends import backends
from sim import reference
from sim.artifact import load_network, load_vectors, save_network
from sim.trace import first_difference

DEPTH = 12
SIZES = tuple(3 + i % 4 for i in range(DEPTH))


@pytest.fixture(scope="module")
def network():
    """Layers whose neurons fire in the last, too, with thresholds that every reader can have."""
    made = random_network(
        np.random.default_rng(5), hidden=SIZES, sparsity=0.0, threshold=900, min_threshold=1
    )
    for i, layer in enumerate(made.hidden):
        made = with_arrays(
            made, i, w_in=np.maximum(layer.w_in, -20), decay_syn=layer.decay_syn // 2
        )
    return made


@pytest.fixture(scope="module")
def raster(network):
    return random_raster(np.random.default_rng(6), 150, network.n_inputs)


def test_the_last_of_twelve_layers_fires(network, raster):
    spikes = reference.run(network, raster).variables["hidden11.spk"]
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("reader", READERS)
def test_nir_files_of_twelve_layers_come_back(network, reader, tmp_path):
    export_nir(network, tmp_path / "deep.nir", reader)
    assert nir.read(tmp_path / "deep.nir").check_types()
    assert import_nir(tmp_path / "deep.nir").digest() == network.digest()


@pytest.mark.parametrize("reader", READERS)
def test_a_graph_of_twelve_layers_is_followed_in_their_order(network, reader, tmp_path):
    export_nir(network, tmp_path / "deep.nir", reader)
    names = [stage.name for stage in chain_of(flatten(nir.read(tmp_path / "deep.nir")))]
    assert len(names) == DEPTH + 1
    assert all(f"hidden{i}" in name for i, name in enumerate(names[:DEPTH]))


def test_container_files_of_twelve_layers_come_back(network, tmp_path):
    save_network(network, tmp_path / "deep.int.h5")
    assert load_network(tmp_path / "deep.int.h5").digest() == network.digest()
    raster, trace = load_vectors(tmp_path / "deep.int.h5")
    assert first_difference(reference.run(network, raster), trace) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", backends())
def test_every_backend_computes_twelve_layers(name, network, raster):
    assert (
        first_difference(reference.run(network, raster), backends()[name](network, raster)) is None
    )


@pytest.mark.slow
def test_float_checkpoints_of_twelve_layers_come_back_and_are_quantized(tmp_path):
    model = random_model(Architecture(9, SIZES), 3, sparsity=0.0)
    save_model(model, tmp_path / "deep.rsnn.h5", {})
    back, _ = load_model(tmp_path / "deep.rsnn.h5")
    raster = random_raster(np.random.default_rng(6), 100, 9)
    for ours, theirs in zip(decode(model, raster)[1], decode(back, raster)[1], strict=True):
        assert np.array_equal(ours, theirs)
    network = quantize(back)
    assert [layer.n_neurons for layer in network.hidden] == list(SIZES)
    for layer, integers in zip(model.layers, network.hidden, strict=True):
        signs = torch.sign(layer.w_in.detach()).numpy()
        assert (np.sign(integers.w_in) * signs >= 0).all()
