import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import ARCHITECTURES, assert_equal_models, random_model

from base.container import create_container
from base.errors import DataError, FileError, MismatchError, RsnnError
from base.order import Order
from rsnn.checkpoint import FORMAT, load_model, save_model
from rsnn.model import Architecture

PROVENANCE = {"command": "rsnnctl train", "seed": 3, "session": None, "versions": {"torch": "2"}}


LATE = Order("new", "reset_membrane", "subtract", False, 0, True)
DIGESTS = {  # as files have had them since there were other orders than the published one
    Architecture(5, (4, 3)): "26329e6541b81ff9a21fe89a4cdb01ce40f5469a6093032c7c9abb2b74466095",
    Architecture(5, (4, 3), initial_out=0.0): (
        "5b527670375208e502afb6f8c444ee6e7e157458fe4903837cd82740862f535c"
    ),
    Architecture(5, (4, 3), order=LATE, initial_out=0.25): (
        "cc973539d5160c8d71fc1ed956fb61e76d9c624faed5888d068f61545135f282"
    ),
    Architecture(5, (4, 3), order=Order(current="new")): (
        "339044797d8e5ab6501b79e4696ccbddc74fe98c5ca372792c6ac93cc18343ea"
    ),
}


# Containers


@pytest.mark.parametrize("architecture", DIGESTS, ids=["published", "start", "both", "order"])
def test_the_order_of_a_step_travels_with_the_model_and_in_its_digest(tmp_path, architecture):
    path = tmp_path / "a.rsnn.h5"
    assert save_model(random_model(architecture), path, {}) == DIGESTS[architecture]
    assert load_model(path)[0].architecture == architecture


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_model_loads_as_it_was_in_its_own_dtype(tmp_path, name, dtype):
    model = random_model(ARCHITECTURES[name]).to(dtype)
    path = tmp_path / "a.rsnn.h5"
    digest = save_model(model, path, PROVENANCE)
    loaded, provenance = load_model(path)
    assert_equal_models(model, loaded)
    assert provenance == PROVENANCE
    assert not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    assert save_model(loaded, tmp_path / "b.rsnn.h5", {}) == digest


def test_parameters_of_mixed_dtypes_keep_each_its_own(tmp_path):
    model = random_model(ARCHITECTURES["recurrent"])
    model.heads.half()
    model.hidden[0].tau.double()
    save_model(model, tmp_path / "a.rsnn.h5", {})
    assert_equal_models(model, load_model(tmp_path / "a.rsnn.h5")[0])


@pytest.mark.slow
def test_the_same_content_gives_the_same_bytes_a_second_later(tmp_path):
    model = random_model(ARCHITECTURES["two layers"])
    save_model(model, tmp_path / "a.rsnn.h5", PROVENANCE)
    time.sleep(1.1)  # HDF5 can store times in whole seconds
    save_model(model, tmp_path / "b.rsnn.h5", PROVENANCE)
    assert (tmp_path / "a.rsnn.h5").read_bytes() == (tmp_path / "b.rsnn.h5").read_bytes()


def test_the_digest_covers_weights_dtypes_and_architecture_but_not_provenance(tmp_path):
    path = tmp_path / "a.rsnn.h5"
    architecture = ARCHITECTURES["recurrent"]
    digest = save_model(random_model(architecture), path, PROVENANCE)
    assert save_model(random_model(architecture), path, {}) == digest
    changed = [random_model(architecture, seed=1), random_model(architecture).half()]
    nudged = random_model(architecture)
    with torch.no_grad():
        weight = nudged.heads[0].w_out
        weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
    slower = random_model(architecture)
    slower.architecture = Architecture(17, (23,), tau_mem0=0.021)
    digests = {save_model(model, path, {}) for model in (*changed, nudged, slower)}
    assert len(digests | {digest}) == 5


@pytest.mark.slow
@settings(
    max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_flipped_byte_is_refused(tmp_path, data):
    path = tmp_path / "a.rsnn.h5"
    save_model(random_model(ARCHITECTURES["one neuron, one input"]), path, PROVENANCE)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(RsnnError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "a.rsnn.h5"
    save_model(random_model(ARCHITECTURES["recurrent"]), path, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"truncated"):
        load_model(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_is_not_finite_is_not_saved(tmp_path, value):
    model = random_model(ARCHITECTURES["recurrent"])
    with torch.no_grad():
        model.hidden[0].w_rec[1, :3] = value
    path = tmp_path / "a.rsnn.h5"
    message = r"a\.rsnn\.h5: `hidden\.0\.w_rec` has 3 of 529 values that are NaN or infinite; every"
    with pytest.raises(DataError, match=message):
        save_model(model, path, {})
    assert not path.exists()


def test_a_model_in_bfloat16_is_not_saved(tmp_path):
    model = random_model(ARCHITECTURES["recurrent"]).bfloat16()
    message = r"is torch\.bfloat16; a file keeps float16, float32 or float64, convert the model"
    with pytest.raises(DataError, match=message):
        save_model(model, tmp_path / "a.rsnn.h5", {})


# Containers that rsnnctl sealed but did not fill well


def crafted(folder: Path, change) -> Path:
    """A sealed container of a small model whose content `change(file)` has altered."""
    model = random_model(Architecture(3, (4,)))
    architecture = {
        "dt": 0.004,
        "heads": [{"tau_mem0": 0.05, "tau_syn0": 0.01}],
        "hidden": [4],
        "n_inputs": 3,
        "n_outputs": 2,
        "recurrent": True,
        "tau_mem0": 0.02,
        "tau_syn0": 0.01,
    }
    path = folder / "a.rsnn.h5"
    with create_container(path, format=FORMAT, digest="0" * 64, provenance={}) as file:
        file.attrs["architecture"] = json.dumps(architecture)
        for name, parameter in model.named_parameters():
            file[f"parameters/{name}"] = parameter.detach().numpy()
        change(file)
    return path


def sealed_with_its_digest(folder: Path, change, monkeypatch) -> Path:
    """The same with the digest check out of the way, as if the writer had been at fault."""
    monkeypatch.setattr("rsnn.checkpoint._digest", lambda *_: "0" * 64)
    return crafted(folder, change)


def replace(file, name: str, array: np.ndarray) -> None:
    del file[f"parameters/{name}"]
    file[f"parameters/{name}"] = array


def test_a_digest_that_is_not_of_the_content_is_refused(tmp_path):
    message = r"its digest says 000000000000, its content [0-9a-f]{12}; the file was edited, make"
    with pytest.raises(FileError, match=message):
        load_model(crafted(tmp_path, lambda file: None))


def test_loaded_weights_that_are_not_finite_are_refused(tmp_path, monkeypatch):
    def change(file):
        file["parameters/heads.0.w_out"][0, :2] = np.nan

    message = r"`heads\.0\.w_out` has 2 of 8 values that are NaN or infinite; every weight must be"
    with pytest.raises(DataError, match=message):
        load_model(sealed_with_its_digest(tmp_path, change, monkeypatch))


def test_loaded_shapes_that_do_not_fit_the_architecture_are_refused(tmp_path, monkeypatch):
    def change(file):
        replace(file, "hidden.0.w_in", np.zeros((4, 5), np.float32))

    message = r"`hidden\.0\.w_in` is \(4, 5\), the rest of the file needs \(4, 3\); make or fetch"
    with pytest.raises(MismatchError, match=message):
        load_model(sealed_with_its_digest(tmp_path, change, monkeypatch))


def test_a_missing_parameter_and_one_too_many_are_refused(tmp_path, monkeypatch):
    def lose(file):
        del file["parameters/hidden.0.w_rec"]

    def add(file):
        file["parameters/hidden.1.w_in"] = np.zeros((4, 4), np.float32)

    message = r"parameter `hidden\.0\.w_rec` is missing in its architecture; make the file again$"
    with pytest.raises(MismatchError, match=message):
        load_model(sealed_with_its_digest(tmp_path, lose, monkeypatch))
    message = r"parameter `hidden\.1\.w_in` has no place in its architecture; make the file again$"
    with pytest.raises(MismatchError, match=message):
        load_model(sealed_with_its_digest(tmp_path, add, monkeypatch))


def test_parameters_of_integers_are_refused(tmp_path):
    def change(file):
        replace(file, "heads.0.w_out", np.zeros((2, 4), np.int8))

    message = r"`heads\.0\.w_out` is int8; a model file keeps float16, float32 or float64, make it"
    with pytest.raises(DataError, match=message):
        load_model(crafted(tmp_path, change))


def test_a_file_without_parameters_is_refused(tmp_path):
    def change(file):
        del file["parameters"]

    with pytest.raises(FileError, match=r"holds no architecture or no parameters; make the file"):
        load_model(crafted(tmp_path, change))


UNREADABLE = "its architecture cannot be read; make the file again with this rsnnctl"
NEVER = "`reset` is 'never'; known: zero, subtract; make the file again"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"heads": None}, UNREADABLE),
        ({"dynamics": {"wings": 2}}, UNREADABLE),
        ({"dynamics": 3}, UNREADABLE),
        ({"order": {}}, UNREADABLE),  # called `dynamics` in a file
        ({"initial_out": 0.0}, UNREADABLE),  # there too
        ({"dynamics": {"reset": "never"}}, NEVER),
    ],
)
def test_an_architecture_that_cannot_be_read_is_refused(tmp_path, monkeypatch, change, text):
    def spoil(file):
        values = json.loads(file.attrs["architecture"]) | change
        file.attrs["architecture"] = json.dumps(values)

    path = sealed_with_its_digest(tmp_path, spoil, monkeypatch)
    with pytest.raises(FileError) as caught:
        load_model(path)
    assert str(caught.value) == f"{path}: {text}"


def test_an_order_may_lack_fields_that_came_after_the_file(tmp_path, monkeypatch):
    def change(file):
        values = json.loads(file.attrs["architecture"]) | {"dynamics": {"current": "new"}}
        file.attrs["architecture"] = json.dumps(values)

    model, _ = load_model(sealed_with_its_digest(tmp_path, change, monkeypatch))
    assert model.architecture == Architecture(3, (4,), order=Order(current="new"))


def test_a_torch_file_given_as_a_model_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({}, path)
    with pytest.raises(FileError, match=r"weights\.pth: not an HDF5 file"):
        load_model(path)
