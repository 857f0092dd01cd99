"""Readers of arbitrary files answer in one line, soon, and with little memory."""

import json
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import random_network

from base.container import _USER_BLOCK, _seal, create_container
from base.errors import RsnnError
from export.nir.files import import_nir
from export.onnx.models import export_onnx
from rsnn.checkpoint import FORMAT as MODEL_FORMAT
from rsnn.checkpoint import load_model, save_model
from rsnn.model import RSNN, Architecture
from sim.artifact import FORMAT, load_network, load_vectors, save_network

READERS = (load_network, load_vectors, load_model)
FUZZ = settings(
    max_examples=200,
    deadline=3000,  # ms; a hang fails
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answer(read, path) -> str:
    """A reader's error, in one line and with little memory; empty if it can read the file."""
    text = ""
    tracemalloc.start()
    try:
        read(path)
    except RsnnError as error:
        text = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20
    if text:
        assert "\n" not in text
        assert len(text) < 600
        assert str(path) in text
    return text


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """A network, a model and ONNX of the network."""
    folder = tmp_path_factory.mktemp("files")
    network = random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)
    save_network(network, folder / "network")
    save_model(RSNN(Architecture(7, (5,))), folder / "model", {"seed": 1})
    export_onnx(network, folder / "step", folder / "scan")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


damage = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "swap"]), st.integers(0, 10**9)),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, changes) -> bytes:
    broken = bytearray(content)
    for kind, number in changes:
        place = number % max(len(broken), 1)
        if kind == "flip" and broken:
            broken[place] ^= 1 << (number % 8)
        elif kind == "cut":
            del broken[place:]
        elif kind == "insert":
            broken[place:place] = bytes([number % 256]) * (number % 50)
        else:
            broken[:place] = broken[:place][::-1]
    return bytes(broken)


@pytest.mark.slow
@FUZZ
@given(st.sampled_from(["network", "model", "step", "scan"]), damage)
def test_damaged_files_of_every_kind_are_refused_by_every_reader(files, tmp_path, name, changes):
    path = tmp_path / "file"
    path.write_bytes(damaged(files[name], changes))
    for read in (*READERS, import_nir):
        answer(read, path)


@pytest.mark.slow
@FUZZ
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_are_no_file_of_any_kind(tmp_path, content, as_hdf5):
    path = tmp_path / "file"
    path.write_bytes((b"\x89HDF\r\n\x1a\n" if as_hdf5 else b"") + content)
    for read in (*READERS, import_nir):
        assert answer(read, path)


@pytest.mark.parametrize("name", ["network", "model", "step", "scan"])
def test_a_whole_file_of_another_kind_is_named(files, tmp_path, name):
    path = tmp_path / "file"
    path.write_bytes(files[name])
    for read in READERS:
        is_model = read is load_model
        if (name == "network" and not is_model) or (name == "model" and is_model):
            read(path)
        else:
            assert answer(read, path)
    assert answer(import_nir, path)


odd_numbers = st.sampled_from([0, -1, 1.5, np.nan, np.inf, 1e308, 2**62, -(2**31), 10**9])
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=5,
)
odd_texts = st.one_of(
    st.just(""), st.just("["), st.just("[" * 30000), st.just("1" * 5000), odd_json.map(json.dumps)
)


@st.composite
def odd_items(draw):
    """A function that puts something odd into a group under a name."""
    kind = draw(st.sampled_from(["array", "text", "huge", "empty", "group", "loop", "link", "out"]))
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=3)))
    dtype = draw(st.sampled_from(["i1", "u1", "i4", "u8", "f2", "f4", "f8", "c16", "S3", "?"]))
    number = draw(st.sampled_from([0, 1, 100]))
    size = draw(st.sampled_from([10**6, 10**9, 10**12]))

    def put(group, name):
        if kind == "array":
            group[name] = np.full(shape, number).astype(dtype)
        elif kind == "text":
            group[name] = "text"
        elif kind == "huge":
            group.create_dataset(name, (size, 8), dtype if dtype != "S3" else "i1", chunks=(64, 8))
        elif kind == "empty":
            group[name] = h5py.Empty("i4")
        elif kind == "group":
            group.create_group(name)
        elif kind == "loop":
            group[name] = group.file["/"]
        elif kind == "link":
            group[name] = h5py.ExternalLink("/dev/zero", "/x")
        else:
            group.create_dataset(name, (8,), "i1", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])

    return put


def sealed_edit(content: bytes, path: Path, change) -> None:
    """A file in which something was changed, and whose checksum fits nonetheless."""
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        change(file)
    behind = path.read_bytes()[_USER_BLOCK:]
    path.write_bytes(_seal(behind) + behind)


@pytest.fixture(scope="module")
def places(files, tmp_path_factory) -> dict[str, list[tuple[str, str]]]:
    """Every object and attribute of both containers, as (object, attribute or nothing)."""
    path = tmp_path_factory.mktemp("places") / "file"
    found = {}
    for kind in ("network", "model"):
        path.write_bytes(files[kind])
        with h5py.File(path, "r") as file:
            names: list[str] = []
            file.visit(names.append)
            keys = [(name, key) for name in ["/", *names] for key in file[name].attrs]
        found[kind] = [*((name, "") for name in names), *keys]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["network", "model"])
@FUZZ
@given(data=st.data())
def test_whatever_a_file_with_a_right_checksum_holds(files, places, tmp_path, name, data):
    path = tmp_path / "file"
    place, key = data.draw(st.sampled_from(places[name]))
    value = data.draw(odd_texts | odd_numbers if key else st.none() | odd_items())

    def change(file):
        if key:
            file[place].attrs[key] = value if len(str(value)) < 60000 else "x"
            return
        del file[place]
        if value is not None:
            parent, _, last = place.rpartition("/")
            value(file[parent or "/"], last)

    sealed_edit(files[name], path, change)
    for read in READERS:
        answer(read, path)


@pytest.mark.slow
@FUZZ
@given(
    sizes=st.lists(st.sampled_from([0, 1, 5, 10**6, 10**9, 10**18]) | st.text(max_size=2)),
    n_inputs=odd_numbers | st.text(max_size=2),
    change=st.dictionaries(
        st.sampled_from(["heads", "dt", "recurrent", "tau_mem0", "hidden", "n_outputs", "x"]),
        odd_json | odd_numbers,
    ),
)
def test_whatever_architecture_a_model_claims(tmp_path, sizes, n_inputs, change):
    heads = [{"tau_mem0": 0.05, "tau_syn0": 0.01}]
    claimed = {"hidden": sizes, "heads": heads, "n_inputs": n_inputs} | change
    path = tmp_path / "file"
    path.unlink(missing_ok=True)
    with create_container(path, format=MODEL_FORMAT, digest="0" * 64, provenance={}) as file:
        file.attrs["architecture"] = json.dumps(claimed)
        file["parameters/hidden.0.w_in"] = np.zeros((5, 7), np.float32)
    from rsnn import checkpoint

    with h5py.File(path) as file:  # a digest that fits, so that the architecture is built
        text, arrays, _ = checkpoint._read_content(path, file)
    right = checkpoint._digest(text, arrays)
    sealed_edit(path.read_bytes(), path, lambda file: file.attrs.__setitem__("digest", right))
    assert answer(load_model, path)


def test_the_reasons_are_told(files, tmp_path):
    path = tmp_path / "file"

    def told(change, text, read=load_network, name="network"):
        sealed_edit(files[name], path, change)
        with pytest.raises(RsnnError, match=text):
            read(path)

    def instead(place, put):
        def change(file):
            del file[place]
            put(file)

        return change

    weights = "network/hidden0/w_in"
    told(
        instead(weights, lambda f: f.create_dataset(weights, (10**9, 8), "i1", chunks=(64, 8))),
        r"`w_in` of shape \(1000000000, 8\) needs 8000000000 bytes, of which 0 are stored",
    )
    told(
        instead(weights, lambda f: f.__setitem__(weights, h5py.SoftLink("/x"))), "`w_in` is a link"
    )
    zeros = [("/dev/zero", 0, h5py.h5f.UNLIMITED)]
    told(
        instead(weights, lambda f: f.create_dataset(weights, (8,), "i1", external=zeros)),
        "`w_in` lies in another file",
    )
    told(lambda f: f.__setitem__("network/loop", f["/"]), "groups lie more than 24 deep")
    told(lambda f: f.attrs.__setitem__("digest", 3), "has no text `digest`")
    told(lambda f: f.attrs.__setitem__("format_version", "x"), "its format version is no number")
    told(lambda f: f["provenance"].attrs.__setitem__("x", "["), "its provenance cannot be read")
    told(
        instead(weights, lambda f: f.__setitem__(weights, "text")), "`w_in` is no array of numbers"
    )
    told(lambda f: f.pop("vectors"), "not a whole golden run", load_vectors)
    told(
        instead("vectors/raster", lambda f: f.__setitem__("vectors/raster", np.zeros((3, 4)))),
        r"`raster` of its golden run is float64 \(3, 4\); uint8 \(3, 12\) is needed",
        load_vectors,
    )
    assert FORMAT != MODEL_FORMAT
