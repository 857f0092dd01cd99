"""Rate and spiking networks on disk: whole, with their digest, or refused in one line."""

import json
from dataclasses import fields

import h5py
import numpy as np
import pytest
from rate_networks import random_rate_network

from base.container import create_container
from base.errors import FileError
from rsnn.rate.file import FORMAT, load_lif, load_rate, save
from rsnn.rate.spiking import mapped

RATE = random_rate_network(n_inputs=2, taus=(5.0, 5.0), activation="relu")
BOTH = [(RATE, load_rate), (mapped(RATE, 30, filter="single", downsample=4), load_lif)]


@pytest.mark.parametrize(("network", "load"), BOTH)
def test_a_network_comes_back_as_it_was(tmp_path, network, load):
    path = tmp_path / "net.h5"
    digest = save(network, path, {"command": "test"})
    found, provenance = load(path)
    assert provenance == {"command": "test"}
    for field in fields(network):
        assert np.array_equal(getattr(found, field.name), getattr(network, field.name)), field.name
    assert save(found, tmp_path / "again.h5", {"command": "test"}) == digest
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("network", "load"), BOTH)
def test_a_flipped_byte_is_refused(tmp_path, network, load):
    path = tmp_path / "net.h5"
    save(network, path, {})
    content = path.read_bytes()
    for at in range(0, len(content), 509):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(FileError):
            load(path)


def test_the_digest_covers_every_array_and_value(tmp_path):
    changes = [{}, {"b_out": 0.5}, {"w_out": RATE.w_out * 2}, {"task": ""}, {"dale": False}]
    digests = {save(random_rate_network(**each), tmp_path / "n.h5", {}) for each in changes}
    assert len(digests) == len(changes)


def test_one_kind_is_not_read_as_the_other(tmp_path):
    save(RATE, tmp_path / "net.h5", {})
    with pytest.raises(FileError, match="holds `rsnnctl-rate-network`; a file of format `rsnnctl-"):
        load_lif(tmp_path / "net.h5")


def _values(**changes) -> str:
    return json.dumps({"b_out": 0.0, "taus": [4, 20]} | changes)


@pytest.mark.parametrize(
    ("values", "arrays", "text"),
    [
        (None, {"w": np.ones(2)}, "holds no arrays or no values"),
        (_values(), None, "holds no arrays or no values"),
        ("{", {"w": np.ones(2)}, "cannot be read"),
        (_values(), {"w": np.array([b"x"])}, "`w` is no array of numbers"),
        (_values(), {"w": np.ones(2)}, "its digest says 0, its content"),
    ],
)
def test_a_sealed_file_of_something_else_is_refused(tmp_path, values, arrays, text):
    path = tmp_path / "net.h5"
    with create_container(path, format=FORMAT, digest="0", provenance={}) as file:
        if values is not None:
            file.attrs["values"] = values
        for name, array in (arrays or {}).items():
            file.create_dataset(f"arrays/{name}", data=array)
    with pytest.raises(FileError, match=text):
        load_rate(path)


@pytest.mark.parametrize("values", [_values(taus=[9, 4]), _values(taus=3), _values(x=1), "[1]"])
def test_sealed_values_that_make_no_network_are_refused(tmp_path, values, monkeypatch):
    path = tmp_path / "net.h5"
    save(RATE, path, {})
    with h5py.File(path) as file:
        arrays = {name: data[()] for name, data in file["arrays"].items()}
    monkeypatch.setattr("base.hdf5.arrays._digest", lambda *_: "0")
    with create_container(path, format=FORMAT, digest="0", provenance={}) as file:
        file.attrs["values"] = values
        for name, array in arrays.items():
            file.create_dataset(f"arrays/{name}", data=array)
    with pytest.raises(FileError, match=r"^[^\n]{10,400}$"):
        load_rate(path)
