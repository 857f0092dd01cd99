"""Checkpoints as training frameworks write them are read, or refused in one line."""

import warnings
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from base.errors import DataError, FileError, RangeError
from rsnn.published import import_published
from rsnn.state_dict import plain_tensors, read_state_dict


def network():
    torch.manual_seed(1)
    return nn.Sequential(OrderedDict(fc1=nn.Linear(6, 5), fc2=nn.Linear(5, 2)))


PLAIN = network().state_dict()


def read(folder, content):
    torch.save(content, folder / "w.pt")
    return read_state_dict(folder / "w.pt", "w.pt")


def assert_plain(found, expected=PLAIN):
    assert set(found) == set(expected)
    for key, tensor in expected.items():
        assert found[key].layout == torch.strided
        assert torch.equal(found[key], tensor)


def refused(folder, content, error, text):
    with pytest.raises(error, match=text) as caught:
        read(folder, content)
    assert str(caught.value).startswith("w.pt: ")
    assert "\n" not in str(caught.value)


WRAPPED = {
    "as it is": PLAIN,
    "Lightning": {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": PLAIN,
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"best": {"best_model_score": torch.ones(1), "mode": "min"}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []}],
    },
    "torch's tutorial": {
        "epoch": 3,
        "model_state_dict": PLAIN,
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 0.1}]},
        "loss": 0.2,
    },
    "under `model`": {"model": PLAIN},
    "DataParallel": {f"module.{key}": value for key, value in PLAIN.items()},
    "torch.compile": {f"_orig_mod.{key}": value for key, value in PLAIN.items()},
    "both": {f"module._orig_mod.{key}": value for key, value in PLAIN.items()},
    "both, the other way round": {f"_orig_mod.module.{key}": v for key, v in PLAIN.items()},
    "one layer compiled": {key.replace("fc2.", "fc2._orig_mod."): v for key, v in PLAIN.items()},
}


@pytest.mark.parametrize("case", WRAPPED)
def test_the_network_inside_a_checkpoint_is_found(case, tmp_path):
    assert_plain(read(tmp_path, WRAPPED[case]))


def test_names_that_only_some_layers_begin_with_are_kept(tmp_path):
    mixed = {"module.weight": torch.ones(2), "other.weight": torch.ones(3)}
    assert_plain(read(tmp_path, mixed), mixed)
    alone = {"module": torch.ones(2)}
    assert_plain(read(tmp_path, alone), alone)


def test_published_weights_inside_a_larger_module_are_found(published, tmp_path):
    stored = torch.load(published[0], weights_only=True, map_location="cpu")
    torch.save({"state_dict": {f"net.{k}": v for k, v in stored.items()}}, tmp_path / "a.ckpt")
    model, direct = import_published(tmp_path / "a.ckpt"), import_published(published[0])
    for ours, theirs in zip(model.parameters(), direct.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_several_or_no_state_dicts_are_refused(tmp_path):
    text = "holds several state dicts, `model`, `ema`; save one of them alone$"
    refused(tmp_path, {"model": PLAIN, "ema": PLAIN, "epoch": 1}, FileError, text)
    text = "`epoch` is of type int; a state dict holds named tensors only$"
    refused(tmp_path, {"epoch": 1}, FileError, text)
    refused(tmp_path, {"epoch": 1, **PLAIN}, FileError, text)
    refused(tmp_path, {}, FileError, "holds nothing; a state dict of tensors is needed$")
    text = "`inner` is of type OrderedDict; a state dict holds named tensors only$"
    refused(tmp_path, {**PLAIN, "inner": PLAIN}, FileError, text)
    text = "`inner` is of type dict; a state dict holds named tensors only$"
    refused(tmp_path, {"inner": {"deeper": PLAIN}}, FileError, text)
    text = "holds `fc1.weight` twice, with and without `_orig_mod`$"
    twice = {"fc1.weight": torch.ones(1), "fc1._orig_mod.weight": torch.ones(1)}
    refused(tmp_path, twice, DataError, text)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("make", ["to_sparse", "to_sparse_csr", "to_sparse_csc", "to_sparse_bsr"])
def test_sparse_tensors_become_dense_ones(make, dtype, tmp_path):
    weights = (PLAIN["fc1.weight"] * (PLAIN["fc1.weight"] > 0)).to(dtype)
    arguments = [(1, 2)] if make == "to_sparse_bsr" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = getattr(weights, make)(*arguments)
        found = read(tmp_path, {"fc1.weight": sparse})
    assert_plain(found, {"fc1.weight": weights})
    assert found["fc1.weight"].dtype == dtype


def quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8)


def test_tensors_without_plain_values_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = (
            r"`fc1\.weight` is quantized \(torch\.qint8\); save the float model, and quantize the"
        )
        refused(tmp_path, {**PLAIN, "fc1.weight": quantized()}, DataError, text)
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
        text = "`x` is nested; save a matrix, torch.nested.to_padded_tensor$"
        refused(tmp_path, {"x": nested}, DataError, text)
    text = "`x` is on the device meta, so it has no values; save the model after its weights are"
    refused(tmp_path, {"x": torch.ones(3, device="meta")}, DataError, text)


def test_tensors_that_would_fill_the_memory_are_refused(tmp_path):
    text = "`x`: the network would have 1000000000000 weights; at most 67108864 are taken"
    refused(tmp_path, {"x": torch.zeros(1).expand(10**6, 10**6)}, RangeError, text)
    empty = torch.zeros(2, 0, dtype=torch.long), torch.zeros(0)
    sparse = torch.sparse_coo_tensor(*empty, (10**6, 10**6), check_invariants=True)
    refused(tmp_path, {"x": sparse}, RangeError, text)


def test_weights_pruned_by_torch_have_their_masks_applied(tmp_path):
    module = network()
    prune.random_unstructured(module.fc1, "weight", 0.5)
    prune.l1_unstructured(module.fc1, "bias", 0.4)
    prune.ln_structured(module.fc2, "weight", 0.5, n=2, dim=1)
    stored = module.state_dict()
    found = read(tmp_path, stored)
    assert (module.fc1.weight == 0).sum() == 15
    weights = {
        "fc1.weight": module.fc1.weight,
        "fc1.bias": module.fc1.bias,
        "fc2.weight": module.fc2.weight,
        "fc2.bias": module.fc2.bias,
    }
    assert_plain(found, weights)
    assert_plain(plain_tensors("the module", stored), weights)
    assert not any(tensor.requires_grad for tensor in found.values())


def test_masks_that_do_not_fit_are_refused(tmp_path):
    stored = {"fc1.weight_orig": torch.ones(2, 3), "fc1.weight_mask": torch.ones(3)}
    text = r"`fc1.weight_mask` has shape \(3,\), `fc1.weight_orig` \(2, 3\); prune the model again$"
    refused(tmp_path, stored, DataError, text)
    stored = {"w_orig": torch.ones(2), "w_mask": torch.ones(2), "w": torch.ones(2)}
    refused(tmp_path, stored, DataError, "holds `w` and `w_orig`; keep one of them, as torch.nn")
    alone = {"fc1.weight_mask": torch.ones(3)}
    assert_plain(read(tmp_path, alone), alone)


def test_an_archive_over_several_disks_is_refused(tmp_path):
    """`zipfile.is_zipfile` itself raises then."""
    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(3)}, path)
    content = path.read_bytes()
    at = content.rfind(b"PK\x06\x07")  # where the 64-bit end of the directory is said to be
    assert at > 0
    path.write_bytes(content[: at + 16] + b"\2\0\0\0" + content[at + 20 :])
    with pytest.raises(FileError, match=r"a\.pt: not a torch file of weights, or a damaged one"):
        read_state_dict(path, str(path))
