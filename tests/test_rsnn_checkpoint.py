import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import ARCHITECTURES, random_model

from rsnn.checkpoint import FORMAT, import_published, load_model, save_model
from rsnn.model import RSNN, Architecture, big, tiny
from rsnnctl.errors import DataError, FileError, MismatchError, RsnnError
from rsnnctl.files import create_container

PROVENANCE = {"command": "rsnnctl train", "seed": 3, "session": None, "versions": {"torch": "2"}}


def state_dict(n_inputs: int = 7, n_hidden: int = 5, n_heads: int = 1) -> dict[str, torch.Tensor]:
    """A published state dict in float16, without the keys that repeat others."""
    generator = torch.Generator().manual_seed(n_heads)
    shapes = {
        "con1.op.weight": (n_hidden, n_inputs),
        "con2.op.weight": (n_hidden, n_hidden),
        "group2.mem_param": (n_hidden,),
        "group2.syn_param": (n_hidden,),
    }
    for k in range(3, n_heads + 3):
        shapes[f"con{k}.op.weight"] = (2, n_hidden)
        shapes[f"group{k}.mem_param_readout"] = (2,)
        shapes[f"group{k}.syn_param_readout"] = (2,)
    return {key: torch.randn(shape, generator=generator).half() for key, shape in shapes.items()}


def written(folder: Path, content) -> Path:
    path = folder / "weights.pth"
    torch.save(content, path)
    return path


def assert_equal_models(model: RSNN, other: RSNN) -> None:
    assert model.architecture == other.architecture
    ours, theirs = dict(model.named_parameters()), dict(other.named_parameters())
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert parameter.dtype == theirs[name].dtype
        assert torch.equal(parameter, theirs[name])


# Containers


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
    with create_container(
        path, format=FORMAT, format_version=1, digest="0" * 64, provenance={}
    ) as file:
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


def test_an_architecture_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    def change(file):
        file.attrs["architecture"] = '{"hidden": [4]}'

    message = r"its architecture cannot be read; make the file again with this rsnnctl$"
    with pytest.raises(FileError, match=message):
        load_model(sealed_with_its_digest(tmp_path, change, monkeypatch))


def test_a_published_file_given_as_a_model_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"weights\.pth: not an HDF5 file"):
        load_model(written(tmp_path, state_dict()))


# Published state dicts


def test_published_networks_are_imported_one_to_one(published):
    for path in published:
        model = import_published(path)
        stored = torch.load(path, weights_only=True, map_location="cpu")
        n_inputs = 96 if path.name.startswith("indy") else 192
        assert model.architecture == tiny(n_inputs)
        assert not model.training
        for key, parameter in {
            "con1.op.weight": model.hidden[0].w_in,
            "con2.op.weight": model.hidden[0].w_rec,
            "con3.op.weight": model.heads[0].w_out,
            "group2.mem_param": model.hidden[0].tau.mem_param,
            "group2.syn_param": model.hidden[0].tau.syn_param,
            "group3.mem_param_readout": model.heads[0].tau.mem_param,
            "group3.syn_param_readout": model.heads[0].tau.syn_param,
        }.items():
            assert parameter.dtype == torch.float16
            assert torch.equal(parameter, stored[key])


def test_a_published_network_survives_saving_and_loading(published, tmp_path):
    model = import_published(published[3])
    save_model(model, tmp_path / "a.rsnn.h5", PROVENANCE)
    assert_equal_models(model, load_model(tmp_path / "a.rsnn.h5")[0])


def test_the_big_layout_has_five_heads_each_with_its_own_weights(tmp_path):
    stored = {key: tensor.float() for key, tensor in state_dict(n_heads=5).items()}
    model = import_published(written(tmp_path, stored))
    assert model.architecture == Architecture(7, (5,), big(7).heads)
    for i, head in enumerate(model.heads):
        assert head.w_out.dtype == torch.float32
        assert torch.equal(head.w_out, stored[f"con{i + 3}.op.weight"])
        assert torch.equal(head.tau.mem_param, stored[f"group{i + 3}.mem_param_readout"])
        assert torch.equal(head.tau.syn_param, stored[f"group{i + 3}.syn_param_readout"])


@pytest.mark.parametrize("n_heads", [1, 5])
def test_repeated_keys_are_accepted_when_they_agree(tmp_path, n_heads):
    stored = state_dict(n_heads=n_heads)
    last = n_heads + 2
    for kind in ("mem_param", "syn_param"):
        for end in ("con1.dst", "con2.src", "con2.dst", *(f"con{k}.src" for k in range(3, last))):
            stored[f"{end}.{kind}"] = stored[f"group2.{kind}"].clone()
        repeated = stored[f"group{last}.{kind}_readout"]
        stored[f"con{last}.dst.{kind}_readout"] = stored[f"output_group.{kind}_readout"] = repeated
    plain = import_published(written(tmp_path, state_dict(n_heads=n_heads)))
    assert_equal_models(plain, import_published(written(tmp_path, stored)))


def refused(folder: Path, content, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        import_published(written(folder, content))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{folder}/weights.pth: ")


def test_a_repeated_key_that_differs_is_refused(tmp_path):
    stored = state_dict()
    stored["con2.src.mem_param"] = stored["group2.mem_param"] + 1
    message = (
        r"`con2\.src\.mem_param` differs from `group2\.mem_param`, which it should repeat; the"
    )
    refused(tmp_path, stored, DataError, message)


@pytest.mark.parametrize(
    "key", ["con1.op.weight", "con2.op.weight", "con3.op.weight", "group3.syn_param_readout"]
)
def test_a_missing_key_is_named(tmp_path, key):
    stored = state_dict()
    del stored[key]
    message = rf"key `{key}` is missing; a published tinyRSNN or bigRSNN state dict is needed$"
    refused(tmp_path, stored, DataError, message)


def test_unexpected_keys_are_named(tmp_path):
    stored = state_dict() | {"bias": torch.zeros(3)}
    refused(tmp_path, stored, DataError, r"unexpected key `bias`; a published tinyRSNN or bigRSNN")
    stored |= {f"layer{i}": torch.zeros(3) for i in range(5)}
    message = r"unexpected keys `bias`, `layer0`, `layer1`, `layer2` and 2 more; a published"
    refused(tmp_path, stored, DataError, message)


@pytest.mark.parametrize("n_heads", [2, 7])
def test_other_numbers_of_heads_are_refused(tmp_path, n_heads):
    message = rf"has {n_heads} readout heads; the initial time constants are published for 1 \(tiny"
    refused(tmp_path, state_dict(n_heads=n_heads), DataError, message)


@pytest.mark.parametrize(
    ("key", "shape", "needed"),
    [
        ("con2.op.weight", (5, 6), r"\(5, 5\)"),
        ("con3.op.weight", (2, 6), r"\(2, 5\)"),
        ("group2.mem_param", (4,), r"\(5,\)"),
        ("group3.syn_param_readout", (1,), r"\(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_under_their_published_names(
    tmp_path, key, shape, needed
):
    stored = state_dict() | {key: torch.zeros(shape).half()}
    found = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = rf"`{key}` is {found}, the rest of the file needs {needed}; make or fetch the file"
    refused(tmp_path, stored, MismatchError, message)


def test_a_weight_that_is_no_matrix_is_refused(tmp_path):
    stored = state_dict() | {"con1.op.weight": torch.zeros(5).half()}
    message = r"`con1\.op\.weight` has 1 axes; a weight matrix has 2, \(post, pre\)$"
    refused(tmp_path, stored, MismatchError, message)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    stored = state_dict()
    stored["con2.op.weight"][2, :3] = float("nan")
    stored["con2.op.weight"][3, 0] = float("-inf")
    message = (
        r"`con2\.op\.weight` has 4 of 25 values that are NaN or infinite; every weight must be"
        r" finite, use a checkpoint from before training diverged$"
    )
    refused(tmp_path, stored, DataError, message)


def test_mixed_dtypes_are_refused(tmp_path):
    stored = state_dict()
    stored["con3.op.weight"] = stored["con3.op.weight"].float()
    message = r"`con3\.op\.weight` is torch\.float32 but `con1\.op\.weight` torch\.float16; convert"
    refused(tmp_path, stored, DataError, message)


def test_integer_weights_are_refused(tmp_path):
    stored = {key: tensor.to(torch.int8) for key, tensor in state_dict().items()}
    message = r"`con1\.op\.weight` is torch\.int8; weights are float16, float32 or float64$"
    refused(tmp_path, stored, DataError, message)


def test_what_is_no_state_dict_is_refused(tmp_path):
    refused(tmp_path, [1, 2], FileError, r"holds a list; a state dict of tensors is needed$")
    message = r"`epoch` is a int; a state dict holds named tensors only$"
    refused(tmp_path, state_dict() | {"epoch": 3}, FileError, message)
    message = r"`5` is a Tensor; a state dict holds named tensors only$"
    refused(tmp_path, {5: torch.zeros(3)}, FileError, message)


class Code:
    def __reduce__(self):
        return os.system, ("touch it-ran",)


def test_code_in_a_pickle_is_refused_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = r"refused, it holds `posix\.system`, which would run as code; only tensors are read"
    refused(tmp_path, state_dict() | {"con1.op.weight": Code()}, FileError, message)
    message = r"refused, it holds `rsnn\.model\.RSNN`, which would run as code; only tensors are"
    refused(tmp_path, RSNN(tiny(3)), FileError, message)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello world\n", b'{"a": 1}', b"\x89HDF\r\n\x1a\n" + bytes(900), b"PK\x03\x04"],
)
def test_what_is_no_torch_file_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        import_published(path)
    wanted = f"{path}: not a torch file of weights, or a damaged one; fetch it again"
    assert str(caught.value) == wanted


def test_a_truncated_torch_file_is_refused(tmp_path):
    path = written(tmp_path, state_dict())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileError, match=r"not a torch file of weights, or a damaged one; fetch it"):
        import_published(path)


def test_a_path_without_a_file_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"weights\.pth: no such file$"):
        import_published(tmp_path / "weights.pth")
    with pytest.raises(FileError, match=r": is a folder, not a file$"):
        import_published(tmp_path)
    with pytest.raises(FileError, match=r"a\.rsnn\.h5: no such file$"):
        load_model(tmp_path / "a.rsnn.h5")


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("torch.load", deny)  # root, who runs some test machines, may read all
    with pytest.raises(FileError, match=r"weights\.pth: cannot be read: permission denied$"):
        import_published(written(tmp_path, state_dict()))


def test_errors_call_the_file_by_the_given_name(tmp_path):
    with pytest.raises(FileError, match=r"^seed 3: no such file$"):
        import_published(tmp_path / "weights.pth", name="seed 3")
