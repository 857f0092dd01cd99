"""Files of the published code: read as their code computes, written so that it reads them."""

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from one_line import FUZZ, one_line
from rate_networks import random_rate_network, stored_network

from base.errors import DataError, FileError, RangeError, RsnnError
from rsnn.rate.matlab import published_name, read_mat, write_mat

NAME = "Task_go-nogo_N_12_Taus_4_20_Act_sigmoid_2019_01_01_120000.mat"


def content(**changes) -> dict:
    """Variables of a small file, as the published code saves them: `w` is not rectified."""
    network = random_rate_network()
    negative = np.where(network.w == 0, -0.25, network.w)
    values = {
        "w": negative,
        "w_in": network.w_in,
        "w_out": network.w_out[None],
        "b_out": [[network.b_out]],
        "m": np.diag(network.sign.astype(float)),
        "som_m": network.mask.astype(float),
        "taus": [[4.0, 20.0]],
        "taus_gaus": network.tau_param[:, None],
        "N": 12,
    }
    return {k: v for k, v in (values | changes).items() if v is not None}


def equal(one, other) -> bool:
    arrays = ("w", "sign", "is_sst", "w_in", "w_out", "tau_param")
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in arrays) and (
        (one.b_out, one.taus, one.activation, one.task, one.dale)
        == (other.b_out, other.taus, other.activation, other.task, other.dale)
    )


@pytest.mark.parametrize("version", ["4", "5", "5 compressed", "7.3"])
def test_every_version_is_read_and_weights_below_0_are_dropped(tmp_path, version):
    path = tmp_path / NAME
    if version == "7.3":
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, value in content().items():
                file[name] = np.atleast_2d(value).T
    else:
        kind, _, compressed = version.partition(" ")
        scipy.io.savemat(path, content(), format=kind, do_compression=bool(compressed))
    assert equal(read_mat(path), random_rate_network())


@pytest.mark.parametrize(
    "changes",
    [{}, {"taus": (7.0, 7.0), "tau_param": np.zeros(12)}, {"activation": "relu", "task": "xor"}],
)
def test_what_is_written_is_read_back(tmp_path, changes):
    network = random_rate_network(n_inputs=2, **changes)
    path = tmp_path / published_name(network)
    write_mat(network, path, {"losses": np.arange(3.0)})
    assert equal(read_mat(path), network)
    found = scipy.io.loadmat(path)
    assert (found["N"].item(), found["som_N"].item()) == (12, 2)
    assert np.array_equal(found["losses"].ravel(), [0, 1, 2])
    assert np.array_equal(found["exc"].ravel(), network.sign > 0)
    assert np.array_equal(found["inh"].ravel(), network.sign < 0)
    sizes = {n: found[n].shape for n in ("w", "w_in", "w_out", "b_out", "m", "som_m", "taus_gaus")}
    square = (12, 12)
    assert sizes == {
        **dict.fromkeys(("w", "m", "som_m"), square),
        **{"w_in": (12, 2), "w_out": (1, 12), "b_out": (1, 1), "taus_gaus": (12, 1)},
    }
    before = path.read_bytes()
    write_mat(network, path, {"losses": np.arange(3.0)})
    assert path.read_bytes() == before


def test_the_weights_of_the_published_code_are_ours(tmp_path, shared):
    """w m times som_m, elementwise, as its spiking network takes them."""
    network = stored_network(shared)
    path = tmp_path / published_name(network)
    assert path.name == "Task_go-nogo_N_200_Taus_4_20_Act_sigmoid.mat"
    write_mat(network, path)
    found = scipy.io.loadmat(path)
    assert np.array_equal((found["w"] @ found["m"]) * found["som_m"], network.recurrent)
    again = read_mat(path)
    assert np.count_nonzero(again.recurrent) == 2879
    assert np.array_equal(again.recurrent, network.recurrent)


def test_weights_of_both_signs_without_inhibitory_units_are_without_dales_law(tmp_path):
    w = np.random.default_rng(1).normal(size=(12, 12))
    path = tmp_path / NAME
    scipy.io.savemat(path, content(w=w, m=np.eye(12), som_m=np.ones((12, 12))))
    network = read_mat(path)
    assert not network.dale
    assert np.array_equal(network.recurrent, w.astype(np.float32))


def test_activation_and_task_stand_in_the_name_or_are_given(tmp_path):
    path = tmp_path / "net.mat"
    scipy.io.savemat(path, content())
    with pytest.raises(
        DataError, match=r"does not say the activation .* name it with `activation`"
    ):
        read_mat(path)
    network = read_mat(path, activation="relu")
    assert (network.activation, network.task) == ("relu", "")
    assert read_mat(path, activation="relu", task="xor").task == "xor"
    with pytest.raises(RangeError, match="`activation` is tanh; known"):
        read_mat(path, activation="tanh")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"m": None}, "has no variable `m`; a file of the published code has w, w_in"),
        ({"w": np.ones((3, 3))}, r"`w` is \(3, 3\); \(12, 12\) fits the 12 units of `w_out`"),
        ({"m": np.ones((12, 12))}, "`m` is no diagonal of -1 and 1"),
        ({"m": np.eye(12) * 2}, "`m` is no diagonal of -1 and 1"),
        ({"som_m": np.eye(12)}, "`som_m` does more than to take inhibition from some units"),
        ({"taus": [[1.0, 2.0, 3.0]]}, "`taus` has 3 numbers and `b_out` 1; 1 or 2 and 1"),
        ({"b_out": [[1.0, 2.0]]}, "`taus` has 2 numbers and `b_out` 2"),
        ({"taus": [[20.0, 4.0]]}, r"`taus` is 20..4 steps"),
        ({"w": "text"}, "`w` is char of"),
        ({"w": np.array([[1 + 1j]])}, "`w` is no array of real numbers"),
        ({"w_in": {"a": 1}}, "`w_in` is struct of"),
        ({"w_in": np.ones((5, 1))}, r"`w_in` is \(5, 1\)"),
        ({"w_out": np.zeros((1, 0))}, r"`w_out` is double of \(1, 0\)"),
        ({"taus_gaus": np.full((12, 1), np.inf)}, "`tau_param` has values that are NaN"),
    ],
)
def test_variables_that_make_no_network_are_refused(tmp_path, changes, text):
    path = tmp_path / NAME
    scipy.io.savemat(path, content(**changes))
    with pytest.raises(RsnnError, match=text) as error:
        read_mat(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("bytes_", [b"", b"MATLAB 5.0 MAT-file", b"\x89HDF\r\n\x1a\n", b"x" * 400])
def test_what_is_no_matlab_file_is_refused(tmp_path, bytes_):
    path = tmp_path / NAME
    path.write_bytes(bytes_)
    with pytest.raises((FileError, DataError), match=r"^[^\n]{10,300}$"):
        read_mat(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mat")
    found = []
    for name, compressed in (("a", False), ("b", True)):
        scipy.io.savemat(folder / name, content(), do_compression=compressed)
        found.append((folder / name).read_bytes())
    return tuple(found)


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_damaged_files_are_read_or_refused_in_one_line(images, tmp_path, data):
    image = bytearray(images[data.draw(st.integers(0, 1))])
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / NAME
    path.write_bytes(bytes(image[: data.draw(st.integers(0, len(image)))]))
    with one_line():
        read_mat(path)
