"""`rsnnctl export-*` and `build`: paths of files, and effects of options."""

from pathlib import Path

import pytest

from base.ownership import MANIFEST
from export.firmware.decoder import export_c
from hw_targets import find_target
from hw_targets.machines.target import build
from rsnnctl import api
from sim.artifact import load_network, vector_raster


def printed(run, *words) -> list[Path]:
    done = run(*words)
    assert done.code == 0, done
    paths = [Path(line) for line in done.out.splitlines()]
    assert all(path.stat().st_size for path in paths)
    return paths


def texts(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but for the list of those that a command wrote."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


def test_files_go_beside_the_network_or_to_the_given_path(run, network):
    Path("my net.int.h5").write_bytes(network.read_bytes())
    for words, expected in (
        (("export-nir",), ["my net.nir"]),
        (("export-nir", "-o", "a/b.nir"), ["a/b.nir"]),
        (("export-onnx",), ["my net.step.onnx", "my net.scan.onnx"]),
        (("export-onnx", "-o", "a"), ["a/my net.step.onnx", "a/my net.scan.onnx"]),
        (("export-c",), ["c/rsnn.h", "c/rsnn.c"]),
        (("export-c", "-o", "a", "--name", "mine"), ["a/mine.h", "a/mine.c"]),
    ):
        command, *options = words
        assert printed(run, command, "my net.int.h5", *options) == [Path(p) for p in expected]


@pytest.mark.slow
def test_the_float_abi_is_the_one_asked_for(run, network):
    printed(run, "build", network, "--target", "cortex_m4", "-o", "made", "--float-abi", "hard")
    flags = "TARGET_FLAGS = -mcpu=cortex-m4 -mthumb -mfloat-abi=hard --specs=picolibc.specs\n"
    assert flags in Path("made/rsnn.mk").read_text()
    api.build(load_network(network), "cortex_m4", "python", float_abi="hard")
    assert texts(Path("python")) == texts(Path("made"))
    done = run("build", network, "--target", "wasm", "-o", "none", "--float-abi", "softfp")
    assert (done.code, done.err) == (
        1,
        "Error: --float-abi is softfp; soft is all that the target has, which is without an FPU"
        " here. Leave it out, or name another target\n",
    )
    assert not Path("none").exists()


@pytest.mark.parametrize("layout", ["fast", "compact"])
def test_the_layout_is_the_one_asked_for(run, network, layout, tmp_path):
    loaded = load_network(network)
    export_c(loaded, tmp_path / "right", layout=layout)
    printed(run, "export-c", network, "-o", "c", "--layout", layout)
    assert texts(Path("c")) == texts(tmp_path / "right")
    golden, target = vector_raster(loaded), find_target("host_c")
    build(target, loaded, golden, tmp_path / "project", {"layout": layout})
    printed(run, "build", network, "--target", "host_c", "-o", "made", "--layout", layout)
    assert texts(Path("made")) == texts(tmp_path / "project")
    api.build(loaded, "host_c", "python", layout=layout)
    assert texts(Path("python")) == texts(tmp_path / "project")
    assert texts(Path("made"))["rsnn.c"] == texts(Path("c"))["rsnn.c"]
