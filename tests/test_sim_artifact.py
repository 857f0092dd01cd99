import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import covering_contracts, networks, random_network

from base.container import FORMAT_VERSION, create_container
from base.errors import DataError, FileError
from sim.artifact import load_network, load_vectors, save_network
from sim.fast import runs
from sim.trace import first_difference


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    network = random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)
    path = tmp_path_factory.mktemp("artifact") / "net.int.h5"
    save_network(network, path)
    return network, path, path.read_bytes()


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(networks(covering_contracts()))
def test_saving_and_loading_keeps_the_digest(tmp_path, network):
    path = tmp_path / "net.int.h5"
    assert save_network(network, path) == network.digest()
    loaded = load_network(path)
    assert loaded.digest() == network.digest()
    assert loaded.contract == network.contract
    assert dict(loaded.metadata) == dict(network.metadata)


def test_the_same_network_gives_the_same_bytes(saved, tmp_path):
    network, _, content = saved
    save_network(network, tmp_path / "again.int.h5")
    assert (tmp_path / "again.int.h5").read_bytes() == content


def test_the_golden_run_in_the_file_is_what_the_kernel_computes(saved):
    network, path, _ = saved
    raster, trace = load_vectors(path)
    assert raster.shape == (100, network.n_inputs)
    assert raster.any()
    assert trace.variables["hidden0.spk"].any()
    assert first_difference(trace, runs.run_backend(network, raster)) is None


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_flipped_bit_is_refused(saved, tmp_path_factory, data):
    _, path, content = saved
    place = data.draw(st.integers(0, len(content) - 1))
    broken = bytearray(content)
    broken[place] ^= 1 << data.draw(st.integers(0, 7))
    other = path.with_name("flipped.int.h5")
    other.write_bytes(broken)
    with pytest.raises(FileError):
        load_network(other)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, tmp_path, share):
    path = tmp_path / "cut.int.h5"
    path.write_bytes(saved[2][: int(len(saved[2]) * share)])
    with pytest.raises(FileError, match=r"truncated|not an HDF5 file"):
        load_network(path)


def edit(saved, tmp_path, change):
    path = tmp_path / "edited.int.h5"
    path.write_bytes(saved[2])
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_a_newer_format_version_is_refused_with_both_numbers(saved, tmp_path):
    path = edit(saved, tmp_path, lambda f: f.attrs.__setitem__("format_version", 99))
    with pytest.raises(FileError) as caught:
        load_network(path)
    assert str(caught.value) == (
        f"{path}: format version 99 is newer than {FORMAT_VERSION}, the newest that this rsnnctl"
        " reads; upgrade rsnnctl"
    )


def test_an_edited_weight_is_refused(saved, tmp_path):
    def change(file):
        file["network/hidden0/w_in"][0, 0] ^= 1

    path = edit(saved, tmp_path, change)
    with pytest.raises(FileError, match="edited or damaged, make it again"):
        load_network(path)


def test_another_format_and_another_file_are_named(saved, tmp_path):
    path = tmp_path / "other.int.h5"
    with create_container(path, format="something", digest="0" * 64, provenance={}):
        pass
    with pytest.raises(FileError, match="holds `something`; a file of format"):
        load_network(path)
    plain = tmp_path / "plain.h5"
    with h5py.File(plain, "w") as file:
        file["x"] = 1
    with pytest.raises(FileError, match="is HDF5 but not written by rsnnctl"):
        load_network(plain)
    text = tmp_path / "text.int.h5"
    text.write_text("hello")
    with pytest.raises(FileError, match=r"text\.int\.h5: not an HDF5 file"):
        load_network(text)
    with pytest.raises(FileError, match="no such file"):
        load_network(tmp_path / "absent.int.h5")
    with pytest.raises(FileError, match="is a folder, not a file"):
        load_network(tmp_path)


def test_an_incomplete_network_is_refused_even_where_the_checksum_fits(tmp_path):
    from sim.artifact import FORMAT

    path = tmp_path / "hollow.int.h5"
    with create_container(path, format=FORMAT, digest="0" * 64, provenance={}) as file:
        file.create_group("network")
    with pytest.raises(DataError, match="not a complete network"):
        load_network(path)


def test_a_wrong_digest_is_refused_even_where_the_checksum_fits(saved, tmp_path, monkeypatch):
    network = saved[0]
    path = tmp_path / "wrong.int.h5"
    with monkeypatch.context() as patched:
        patched.setattr(type(network), "digest", lambda self: "f" * 64)
        save_network(network, path)
    with pytest.raises(FileError, match=r"digest is .* but the file names ffffffffffff"):
        load_network(path)


def test_nothing_is_left_behind_when_saving_fails(saved, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "net.int.h5"
    path.write_bytes(b"before")
    with monkeypatch.context() as patched:
        patched.setattr("base.files.os.fsync", fail)
        with pytest.raises(FileError, match="cannot be written: no space left on device"):
            save_network(saved[0], path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
