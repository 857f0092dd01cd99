import os
from pathlib import Path

import pytest
import torch
from random_models import assert_equal_models

from base.errors import DataError, FileError, MismatchError
from rsnn.checkpoint import load_model, save_model
from rsnn.model import RSNN, Architecture, big, tiny
from rsnn.published import import_published


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
    save_model(model, tmp_path / "a.rsnn.h5", {})
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
    message = r"`epoch` is of type int; a state dict holds named tensors only$"
    refused(tmp_path, state_dict() | {"epoch": 3}, FileError, message)
    message = r"`5` is of type Tensor; a state dict holds named tensors only$"
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

    monkeypatch.setattr("torch.load", deny)  # root, the user on some test machines, may read all
    with pytest.raises(FileError, match=r"weights\.pth: cannot be read: permission denied$"):
        import_published(written(tmp_path, state_dict()))


def test_errors_call_the_file_by_the_given_name(tmp_path):
    with pytest.raises(FileError, match=r"^seed 3: no such file$"):
        import_published(tmp_path / "weights.pth", name="seed 3")
