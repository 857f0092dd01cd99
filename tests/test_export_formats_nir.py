import json
from dataclasses import replace

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import covering_contracts, networks, random_network, random_raster

from base.errors import DataError, FileError
from export.nir.files import METADATA_KEY, export_nir, import_nir, run_backend, to_graph
from export.nir.metadata import VERSION
from export.nir.readers import READERS
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.published import import_published
from sim import reference
from sim.trace import first_difference


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)


def positive(layer):
    return replace(layer, threshold=np.maximum(abs(layer.threshold), 1))


@pytest.mark.slow
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(networks(covering_contracts()), st.sampled_from(sorted(READERS)))
def test_the_way_through_nir_keeps_digest_and_bytes(tmp_path, network, reader):
    path, again = tmp_path / "net.nir", tmp_path / "again.nir"
    if reader == "snntorch":  # which has positive thresholds only
        network = replace(network, layers=(*map(positive, network.hidden), network.readout))
    export_nir(network, path, reader)
    back = import_nir(path)
    assert back.digest() == network.digest()
    assert dict(back.metadata) == dict(network.metadata)
    export_nir(back, again, reader)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_published_networks_keep_their_digest(published, tmp_path, reader):
    for path in published:
        for bits in (4, 8, 16):
            network = quantize(import_published(path), Precision(bits=bits))
            export_nir(network, tmp_path / "net.nir", reader)
            assert nir.read(tmp_path / "net.nir").check_types()
            assert import_nir(tmp_path / "net.nir").digest() == network.digest()


def test_the_graph_is_made_of_the_fields_primitives_with_integer_weights(network):
    graph = to_graph(network)
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds == {
        "input": "Input",
        "hidden0_w_in": "Linear",
        "hidden0": "CubaLIF",
        "hidden0_w_rec": "Linear",
        "hidden1_w_in": "Linear",
        "hidden1": "CubaLIF",
        "hidden1_w_rec": "Linear",
        "readout_w_out": "Linear",
        "readout": "CubaLI",
        "readout_mean": "Linear",
        "output": "Output",
    }
    assert ("hidden0", "hidden0_w_rec") in graph.edges
    assert ("hidden0_w_rec", "hidden0") in graph.edges
    assert graph.nodes["hidden0_w_in"].weight.dtype.kind == "i"
    assert graph.nodes["readout_w_out"].weight.dtype == np.int8


def test_time_constants_and_thresholds_say_what_the_integers_do(network):
    graph = to_graph(network)
    layer, node = network.hidden[0], graph.nodes["hidden0"]
    decay = layer.decay_mem / 4096
    assert np.allclose(np.exp(-network.dt / node.tau_mem), decay, rtol=1e-12)
    # the float membrane is mem * (1 - decay) / 2^frac_bits, so is its threshold
    assert np.array_equal(node.v_threshold, layer.threshold * (1 - decay) / 64)
    shifted = layer.w_in.astype(int) << layer.e_in.astype(int)[:, None]
    assert np.array_equal(graph.nodes["hidden0_w_in"].weight, shifted)


def test_the_library_reads_the_file_and_its_own_type_check_accepts_it(network, tmp_path):
    export_nir(network, tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    assert graph.check_types()
    contract = json.loads(graph.metadata[METADATA_KEY])["contract"]
    assert contract == network.contract.written()


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    export_nir(network, tmp_path / "a.nir")
    export_nir(network, tmp_path / "b.nir")
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_the_imported_network_computes_the_same_words(network):
    raster = random_raster(np.random.default_rng(0), 100, 12)
    assert first_difference(reference.run(network, raster), run_backend(network, raster)) is None


def edited(network, path, change):
    export_nir(network, path)
    with h5py.File(path, "r+") as file:
        change(file["node"])
    return path


def set_metadata(text):
    def change(node):
        del node["metadata"][METADATA_KEY]
        node["metadata"][METADATA_KEY] = text

    return change


def set_contract(network, **changes):
    metadata = json.loads(to_graph(network).metadata[METADATA_KEY])
    return set_metadata(json.dumps(metadata | changes))


def flip_weight(node):
    node["nodes/hidden0_w_in/weight"][0, 0] += 16


def change_threshold(node):
    node["nodes/hidden0/v_threshold"][0] += 1.0


def drop_recurrence(node):
    edges = node["edges"][()]
    del node["edges"]
    node["edges"] = edges[:-1]


def test_an_edited_graph_is_refused(network, tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(FileError, match=r"digest is .* the graph was edited, export it again"):
        import_nir(edited(network, path, flip_weight))
    with pytest.raises(FileError, match="`v_threshold` of node `hidden0` was edited"):
        import_nir(edited(network, path, change_threshold))
    with pytest.raises((FileError, DataError), match=r"nodes or edges were|not a valid NIR"):
        import_nir(edited(network, path, drop_recurrence))


def test_a_graph_without_contract_or_with_half_of_one_is_refused(network, tmp_path):
    path = tmp_path / "net.nir"
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3)))))
    with pytest.raises(DataError, match="the graph carries no numeric contract"):
        import_nir(path)
    with pytest.raises(DataError, match=r"in metadata `rsnnctl` is incomplete"):
        import_nir(edited(network, path, set_metadata("{}")))
    with pytest.raises(DataError, match=r"in metadata `rsnnctl` is incomplete"):
        import_nir(edited(network, path, set_metadata("no json")))
    with pytest.raises(FileError, match=f"contract version 99 is newer than {VERSION}"):
        import_nir(edited(network, path, set_contract(network, version=99)))


def test_files_that_are_not_nir_are_refused(tmp_path):
    path = tmp_path / "x.nir"
    with pytest.raises(FileError, match="no such file"):
        import_nir(path)
    path.write_text("not hdf5")
    with pytest.raises(FileError, match="not an HDF5 file"):
        import_nir(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(FileError, match="HDF5, but not a NIR graph"):
        import_nir(path)
