"""Wrong input on the command line: one line that helps, exit 1, and nothing changed on disk."""

import hashlib
import http.server
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import cli
from rsnn.data import fetch
from rsnn.data.synthetic import synthesize
from rsnn.data.zenodo import HEADER
from rsnnctl.runs import folders


def files() -> set[str]:
    return {str(path) for path in Path().rglob("*")}


def refused(run, *arguments) -> str:
    """Run a command that must fail with one line and exit 1, and change nothing on disk."""
    before = files()
    done = run(*arguments)
    assert done.code == 1, done
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert files() == before
    return done.err.removeprefix("Error: ").rstrip("\n")


def test_without_a_run_each_command_says_how_to_start(run):
    for command in ("prune", "quantize", "export-nir", "simulate", "evaluate", "verify", "inspect"):
        assert refused(run, command) == (
            "runs/latest: there is no run yet; start with `rsnnctl train` or `rsnnctl"
            " import-weights`, or name a file"
        )


def test_a_run_without_a_network_says_what_makes_one(run, model):
    (folder,) = folders.start([folders.Planned("x", {})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    assert refused(run, "verify") == (
        "runs/x/model.int.h5: no such file in the latest run; `rsnnctl quantize` makes it"
    )
    assert "belongs to no run with a recording; name one" in refused(run, "evaluate")


@pytest.mark.parametrize(
    "command", ["import-weights", "quantize", "export-nir", "import-nir", "inspect", "verify"]
)
def test_a_missing_file_is_refused(run, command):
    assert refused(run, command, "absent.x") == "absent.x: no such file"


@pytest.mark.parametrize("command", ["quantize", "export-nir", "import-nir", "inspect", "verify"])
def test_a_file_that_is_not_hdf5_is_refused(run, command):
    Path("text.h5").write_text("hello")
    assert refused(run, command, "text.h5") == "text.h5: not an HDF5 file"


def test_a_truncated_file_is_refused(run, model, network, session):
    for path, command in (
        (model, ("quantize",)),
        (network, ("verify",)),
        (session, ("data", "info")),
    ):
        Path("cut.mat").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert refused(run, *command, "cut.mat") == (
            "cut.mat: truncated: the file ends before its content does; copy or fetch it again"
        )


def test_an_edited_and_a_newer_network_are_refused(run, network):
    path = Path("edited.int.h5")
    path.write_bytes(network.read_bytes())
    with h5py.File(path, "r+") as file:
        file["network/hidden0/w_in"][0, 0] ^= 1
    assert "edited or damaged, make it again" in refused(run, "simulate", path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 7
    assert refused(run, "verify", path) == (
        "edited.int.h5: format version 7 is newer than 1, the newest that this rsnnctl reads;"
        " upgrade rsnnctl"
    )


@pytest.mark.slow
def test_a_session_or_raster_of_other_width_is_refused_with_both_numbers(
    run, model, network, tmp_path
):
    wide = tmp_path / "wide.mat"
    synthesize(wide, minutes=0.5, n_channels=192, seed=1)
    for arguments in (
        ("evaluate", model, "--session", wide),
        ("evaluate", network, "--session", wide),
        ("simulate", network, "--input", wide),
        ("verify", network, "--input", wide),
    ):
        text = refused(run, *arguments)
        assert "192" in text
        assert "96" in text
        assert text.endswith("use a recording with as many channels")


def test_weights_that_are_not_finite_are_refused_by_name(run, shared):
    source = shared / "published" / "indy01-tinyRSNN-1.pth"
    for value in (float("nan"), float("inf")):
        state = torch.load(source, weights_only=True, map_location="cpu")
        state["con1.op.weight"][3, 5] = value
        torch.save(state, "broken.pth")
        text = refused(run, "import-weights", "broken.pth", "-o", "x.rsnn.h5")
        assert "con1.op.weight" in text
        assert "NaN or infinite" in text


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan")])
def test_a_raster_with_other_values_than_0_and_1_is_refused(run, network, value):
    raster = np.zeros((10, 96))
    raster[4, 7] = value
    np.save("raster.npy", raster)
    assert refused(run, "simulate", network, "--input", "raster.npy") == (
        f"raster.npy: the raster holds {value:g}; only 0 and 1 are spikes: bin to steps in which a"
        " channel spikes or not"
    ).replace("2;", "2.0;").replace("-1;", "-1.0;")


def test_a_raster_file_that_is_none_is_refused(run, network):
    Path("a.npy").write_bytes(b"\x93NUMPY broken")
    assert refused(run, "simulate", network, "--input", "a.npy").startswith(
        "a.npy: not a complete NumPy file of numbers: "
    )
    np.save("b.npy", np.array([object()]), allow_pickle=True)
    assert "b.npy: not a complete NumPy file" in refused(run, "verify", network, "--input", "b.npy")
    np.save("c.npy", np.zeros(96, np.uint8))
    assert "c.npy: the raster has shape (96,)" in refused(
        run, "verify", network, "--input", "c.npy"
    )
    np.savez("d.npz", x=np.zeros((2, 96)), y=np.zeros((2, 96)))
    assert refused(run, "verify", network, "--input", "d.npz") == (
        "d.npz: holds no array called `raster` (arrays: `x`, `y`); rename one"
    )
    Path("e.csv").write_text("0,1")
    assert refused(run, "verify", network, "--input", "e.csv") == (
        "e.csv: cannot be read as a raster; use one of .npy, .npz, .h5, .hdf5"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--bits", 1), "--bits is 1; 2 to 16 is possible"),
        (("--bits", 17), "--bits is 17; 2 to 16 is possible"),
        (("--decay-bits", 0), "--decay-bits is 0; 1 to 16 is possible"),
        (("--frac-bits", 17), "--frac-bits is 17; 0 to 16 is possible"),
    ],
)
def test_bits_out_of_range_are_refused(run, model, arguments, text):
    assert refused(run, "quantize", model, *arguments, "-o", "x.int.h5") == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("train", "x", "--model", "huge"), "'--model': 'huge' is not one of 'tiny', 'big'."),
        (("train", "x", "--recipe", "fast"), "'fast' is not one of 'published', 'short'."),
        (("train", "x", "--kernel", "jax"), "'jax' is not one of 'numba', 'torch', 'cuda'."),
        (("train", "x", "--device", "gpu"), "'gpu' is not one of 'cpu', 'cuda'."),
        (("train", "x", "--cluster", "mpi"), "'mpi' is not one of 'loky', 'dask', 'ray'."),
        (("explore", "--cluster", "mpi"), "'mpi' is not one of 'loky', 'dask', 'ray'."),
        (("prune", "--device", "gpu"), "'gpu' is not one of 'cpu', 'cuda'."),
        (("quantize", "--scale", "best"), "'best' is not one of 'mse', 'max', 'percentile'."),
        (("evaluate", "--precision", "int8"), "'float16', 'bfloat16', 'float32', 'float64'."),
        (("evaluate", "--part", "tset"), "'train', 'validation', 'test', 'all'."),
        (("simulate", "--part", "tset"), "'train', 'validation', 'test', 'all'."),
        (("export-nir", "--for", "brian"), "'brian' is not one of 'exact', 'norse', 'snntorch'."),
        (
            ("export-c", "--layout", "x"),
            "'--layout': 'x' is not one of 'fast', 'compact', 'constant'.",
        ),
        (("import-nir", "x", "--order", "y"), "'snntorch', 'delayed-reset', 'published'."),
        (("import-nir", "x", "--reset", "y"), "'zero', 'zero-keep-input', 'subtract'."),
        (("import-nir", "x", "--discretization", "y"), "'y' is not one of 'exact', 'euler'."),
        (("build", "--target", "abacus"), "'--target': 'abacus' is not one of 'asic_osu018'"),
        (("verify", "--target", "abacus"), "'--target': 'abacus' is not one of 'asic_osu018'"),
    ],
)
def test_unknown_names_are_usage_errors_that_list_the_known_ones(run, arguments, text):
    done = run(*arguments)
    assert done.code == 2, done
    assert text in done.err
    assert done.out == ""


@pytest.mark.slow
def test_wrong_settings_of_a_training_are_refused_before_anything_is_made(run, session):
    for arguments, text in (
        (("--set", "training.epoch=5"), "there is no setting `training.epoch`; the nearest is"),
        (("--config", "absent.toml"), "absent.toml: no such file"),
        (("--seeds", "5..1"), "--seeds is 5..1; at least one and none twice is needed"),
        (("--seeds", "a"), "--seeds is a; write one as 3, several as 1,4 or 1..5"),
        (("--epochs", 0), "epochs is 0; it must be at least 1"),
        (("--set", "training.kernel=jax"), "kernel is `jax`; choose one of cuda, numba, torch"),
        (("--set", "epochs"), "--set epochs: write section.name=value"),
        (
            ("--kernel", "numba", "--device", "cuda"),
            "kernel is numba, which computes on the CPU only; omit --kernel or choose cuda with"
            " --device cuda",
        ),
    ):
        assert refused(run, "train", session, *arguments).startswith(text)
    assert refused(run, "train", "--pretrain").startswith("--pretrain is given but no session")
    assert refused(run, "train", "--resume").startswith("runs: no run was interrupted")
    assert refused(run, "train", session, "--jobs", 0) == "--jobs is 0; at least 1 is needed"


@pytest.mark.parametrize("name", ["latest", "../x", "", ".hidden", "a b"])
def test_a_run_has_a_plain_name(run, session, name):
    text = refused(run, "train", session, "--name", name, "--epochs", 1)
    assert text.startswith(f"--name is {name!r}; ")


@pytest.mark.slow
def test_verbose_shows_where_an_error_was_raised(tmp_path):
    (tmp_path / "text.int.h5").write_text("hello")
    command = [sys.executable, cli.__file__, "-v", "inspect", "text.int.h5"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "in open_hdf5" in done.stderr
    assert done.stderr.endswith("\nError: text.int.h5: not an HDF5 file\n")


def test_a_folder_that_cannot_be_made_is_refused(run, model):
    Path("file").write_text("in the way")
    assert refused(run, "quantize", model, "-o", "file/x.int.h5").startswith(
        "file/x.int.h5: cannot be written: "
    )


@pytest.mark.slow
def test_a_failed_training_leaves_no_run_behind(run, tmp_path):
    short = tmp_path / "short.mat"
    synthesize(short, minutes=0.5, seed=1)
    with h5py.File(short, "r+") as file:
        file["target_pos"][...] = 0.0
    text = refused(run, "train", short, "--epochs", 1)
    assert text.startswith(f"{short}: its content does not match its checksum")
    with open(short, "r+b") as stream:  # as in a recording, which has no seal
        stream.seek(HEADER)
        stream.write(bytes(512 - HEADER))
    text = refused(run, "train", short, "--epochs", 1)
    assert "reaches" in text


@pytest.mark.slow
def test_a_download_is_checked_and_a_wrong_one_refused(run, monkeypatch, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    content = b"a recording" * 1000
    (served / "indy_20160622_01.mat").write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(served))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        mirror = f"http://127.0.0.1:{server.server_port}/"
        text = refused(run, "data", "fetch", "indy_20160622_01", "-o", ".", "--mirror", mirror)
        assert "c33d5fff31320d709d23fe445561fb6e expected; the download was deleted" in text
        right = {"indy_20160622_01": hashlib.md5(content).hexdigest()}
        monkeypatch.setattr(
            fetch.fetch, "__kwdefaults__", fetch.fetch.__kwdefaults__ | {"md5s": right}
        )
        done = run("data", "fetch", "indy_20160622_01", "-o", ".", "--mirror", mirror)
        assert done.out == "indy_20160622_01.mat\n"
        assert Path("indy_20160622_01.mat").read_bytes() == content
    finally:
        server.shutdown()
        server.server_close()
    text = refused(run, "data", "fetch", "indy_2016062_01")
    assert "indy_20160622_01" in text


def test_usage_errors_exit_with_2_and_an_interrupt_with_130(run, monkeypatch, network):
    assert run("quantize", "--bits", "eight").code == 2
    assert run("nonsense").code == 2

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.verify.reference.run", interrupt)
    done = run("verify", network)
    assert done.code == 130
    assert done.err.strip() == "Interrupted; nothing was kept."
