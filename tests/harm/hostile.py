"""What tests of hostile files share: what they expect, and a NIR graph with odd weights."""

import h5py
import pytest


def fails(point, reason):
    return pytest.mark.xfail(strict=True, reason=f"{point}: {reason}")


def assert_one_line(done, *words):
    assert not done.timed_out, done.err
    assert done.is_one_line, (done.code, done.err)
    assert done.err.strip().isprintable()
    for word in words:
        assert word in done.err


def nir_of(path, weight=None, name="w0", **dataset):
    """Others' graph with the weights of its first node replaced."""
    with h5py.File(path, "r+") as file:
        nodes = file["node/nodes"]
        del nodes["w0/weight"]
        if weight is not None:
            nodes["w0/weight"] = weight
        elif dataset:
            nodes["w0"].create_dataset("weight", **dataset)
        if name != "w0":
            nodes.move("w0", name)
            edges = file["node/edges"][()]
            edges[edges == b"w0"] = name.encode()
            file["node/edges"][...] = edges
    return path


IMPORT = "import-nir others.nir --dt 0.004"
