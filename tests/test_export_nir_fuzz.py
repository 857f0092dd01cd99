"""Arbitrary NIR files: one line, no traceback, no hang, no allocation beyond their size."""

import tracemalloc

import h5py
import nir
import numpy as np
import pytest
from foreign_graphs import DT, graph
from hypothesis import given
from hypothesis import strategies as st
from networks import random_network
from one_line import FUZZ, one_line

from base.errors import FileError, RsnnError
from export.nir import container
from export.nir.container import read_graph
from export.nir.files import METADATA_KEY, export_nir, import_nir
from rsnnctl.read_nir import read_nir

names = st.sampled_from(["input", "output", "w0", "w1", "layer0", "layer1", "layer0_back", "x"])
sizes = st.sampled_from([0, 1, 2, 7, 8, 10**6, 10**9])
odd = st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0, 1e-320, 1e308, 1e30])


@st.composite
def arrays(draw):
    """Small arrays of odd shapes, dtypes and values."""
    shape = tuple(draw(st.lists(st.integers(0, 8), max_size=3)))
    kind = draw(st.sampled_from(["f8", "f4", "i1", "i8", "u1", "c16", "S3", "?"]))
    array = np.full(shape, draw(odd) if kind in ("f8", "f4", "c16") else 1)
    with np.errstate(over="ignore"):  # 1e308 is an infinity in f4
        return array.astype(kind)


@st.composite
def nodes(draw, depth=0):
    """A node of any kind with parameters that may not fit, or a graph of such nodes."""
    kind = draw(st.sampled_from(["Linear", "Affine", "LIF", "CubaLIF", "Input", "Delay", "Graph"]))
    if kind == "Graph" and depth < 3:
        return draw(graphs(depth + 1))
    if kind == "Input":
        return draw(st.sampled_from([nir.Input, nir.Output]))(np.array([draw(sizes)]))
    n = draw(st.integers(1, 8))
    if kind in ("Linear", "Affine"):
        weight = np.full((n, draw(st.integers(1, 8))), draw(st.one_of(odd, st.just(0.5))))
        return nir.Linear(weight) if kind == "Linear" else nir.Affine(weight, np.zeros(n))
    if kind in ("LIF", "CubaLIF"):
        count = 4 if kind == "LIF" else 5
        values = [np.full(n, draw(st.one_of(odd, st.just(0.01)))) for _ in range(count)]
        return getattr(nir, kind)(*values)
    return nir.Delay(np.ones(n))


@st.composite
def graphs(draw, depth=0):
    """Random nodes under few names, random edges between names, there or not."""
    inside = draw(st.dictionaries(names, nodes(depth), min_size=1, max_size=6))
    edges = draw(st.lists(st.tuples(names, names), max_size=10))
    inside.setdefault("input", nir.Input(np.array([draw(sizes)])))
    inside.setdefault("output", nir.Output(np.array([2])))
    return nir.NIRGraph(inside, edges, type_check=False)


@pytest.mark.slow
@FUZZ
@given(graphs())
def test_random_graphs_are_imported_or_refused_in_one_line(tmp_path, made):
    nir.write(tmp_path / "x.nir", made)
    with one_line():
        read_nir(tmp_path / "x.nir", dt=DT)
    with one_line():
        import_nir(tmp_path / "x.nir")


@pytest.mark.slow
@FUZZ
@given(st.data())
def test_a_good_graph_with_one_thing_wrong_is_refused_in_one_line(tmp_path, data):
    path = tmp_path / "x.nir"
    ours = data.draw(st.booleans())
    if ours:
        reader = data.draw(st.sampled_from(["exact", "norse", "snntorch"]))
        rng = np.random.default_rng(1)
        network = random_network(rng, hidden=(5, 4), threshold=7, min_threshold=0)
        export_nir(network, path, reader)
    else:
        nir.write(path, graph(np.random.default_rng(4), recurrence="nested"))
    with h5py.File(path, "r+") as file:
        found = []
        file.visit(found.append)
        where = data.draw(st.sampled_from(found))
        what = data.draw(st.sampled_from(["remove", "replace", "circle", "text", "add"]))
        if what == "add":
            file.require_group("node").create_dataset("extra", data=data.draw(arrays()))
        else:
            target = file[file[where].parent.name]
            name = where.rsplit("/", 1)[-1]
            del target[name]
            if what == "replace":
                target.create_dataset(name, data=data.draw(arrays()))
            elif what == "text":
                target.create_dataset(name, data=data.draw(st.text("ab{}[]0\u00e9", max_size=9)))
            elif what == "circle":
                target[name] = file["/"]
    with one_line():
        read_nir(path, dt=None if ours else DT)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text("ab")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["contract", "layers", "hidden0", "readout", "n_heads", "e_in"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@pytest.mark.slow
@FUZZ
@given(st.data())
def test_metadata_with_anything_in_them_are_refused_in_one_line(tmp_path, data):
    import json

    path = tmp_path / "x.nir"
    export_nir(random_network(np.random.default_rng(1), hidden=(5,)), path)
    with h5py.File(path, "r+") as file:
        stored = file["node/metadata"]
        described = json.loads(stored[METADATA_KEY][()])
        at = described
        for _ in range(data.draw(st.integers(0, 2))):
            inner = [key for key, value in at.items() if isinstance(value, dict) and value]
            at = at[data.draw(st.sampled_from(inner))] if inner else at
        at[data.draw(st.sampled_from(sorted(at)))] = data.draw(json_values)
        del stored[METADATA_KEY]
        stored[METADATA_KEY] = json.dumps(described)
    with one_line():
        read_nir(path)


@pytest.mark.slow
@FUZZ
@given(st.integers(0, 10**6), st.integers(1, 255), st.booleans())
def test_flipped_bytes_and_cut_files_are_refused_in_one_line(tmp_path, at, flip, cut):
    path = tmp_path / "x.nir"
    nir.write(path, graph(np.random.default_rng(4)))
    content = bytearray(path.read_bytes())
    at %= len(content)
    if cut:
        content = content[:at]
    else:
        content[at] ^= flip
    path.write_bytes(content)
    with one_line():
        read_nir(path, dt=DT)


def refused(path, text, error=RsnnError):
    tracemalloc.start()
    with pytest.raises(error, match=text):
        read_nir(path, dt=DT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.slow
def test_huge_arrays_long_lists_and_circles_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.nir"

    def made(change):
        nir.write(path, graph(np.random.default_rng(4)))
        with h5py.File(path, "r+") as file:
            change(file["node"])

    def replace(name, **how):
        def change(node):
            del node[name]
            node.create_dataset(name, **how)

        return change

    made(replace("nodes/w0/weight", shape=(10**7, 10**7), dtype="f8", chunks=(64, 64)))
    refused(
        path, r"`weight` of shape \(10000000, 10000000\) needs 8\d+ bytes, of which 0 are stored"
    )
    made(replace("nodes/w0/weight", data=np.zeros((12_000, 12_000), "f8"), compression="gzip"))
    refused(path, r"array `weight` of shape \(12000, 12000\) makes it more than 1024 MiB")
    text = h5py.string_dtype()
    made(replace("edges", shape=(10**4, 2), dtype=text, chunks=(100, 2)))
    refused(path, "has 10000 edges; at most 2000 are read")
    made(lambda node: node["nodes"].update({"again": node}) or node["nodes"].__setitem__("g", node))
    refused(path, "more than 24 deep|holds more than 5000|not a valid NIR")
    made(lambda node: node["nodes"].__setitem__("far", h5py.ExternalLink("/etc/passwd", "/")))
    refused(path, "`far` is a link; store it in its place")
    made(lambda node: node["nodes"].__setitem__("kind", np.dtype("f8")))
    refused(path, "`kind` is neither a group nor an array")
    with h5py.File(path, "w") as file:
        group = file.create_group("node")
        for i in range(container.MAX_OBJECTS + 1):
            group.create_group(str(i))
    refused(path, "holds more than 5000 groups and arrays")
    nir.write(path, nir.Linear(np.ones((2, 3))))
    refused(path, "holds one Linear node; a graph with input and output is needed")
    with h5py.File(path, "w") as file:
        file["node"] = 1
    with pytest.raises(FileError, match="HDF5, but not a NIR graph"):
        read_graph(path)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (12.5, r"node `input` has 12.5 channels; at least 1, a whole number, is needed"),
        (0, r"node `input` has 0 channels; at least 1, a whole number"),
        ([12, 1], r"node `input` has no shape \(channels,\); flatten the input"),
        (np.nan, "node `input`: `shape` holds NaN or infinity"),
        (12 + 0j, "node `input`: `shape` holds no real numbers"),
    ],
)
def test_the_number_of_channels_is_a_whole_number(tmp_path, shape, text):
    nir.write(tmp_path / "x.nir", graph(np.random.default_rng(4)))
    with h5py.File(tmp_path / "x.nir", "r+") as file:
        del file["node/nodes/input/shape"]
        file["node/nodes/input/shape"] = shape
    refused(tmp_path / "x.nir", text)
