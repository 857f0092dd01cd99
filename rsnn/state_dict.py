"""Torch state dicts as their users store them, read without executing anything.

A checkpoint may hold its state dict beside other things, as Lightning's do; its keys may begin with
what a wrapper adds (`module.` of DataParallel, `_orig_mod.` of torch.compile); tensors may be
sparse, or split into `weight_orig` and `weight_mask` by torch.nn.utils.prune. All of these become
plain tensors under the names of the network itself.
"""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from base.errors import DataError, FileError, RangeError
from base.files import check_regular
from rsnn.layer_arrays import check_size

_COMPILED, _PARALLEL = "_orig_mod", "module"
_SPARSE = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)


def read_state_dict(path: Path, label: str) -> dict[str, Tensor]:
    """Read a torch file of named tensors; errors call it `label`.

    Raises:
        FileError: no such file, not a torch file, or one that holds no state dict, or several.
        DataError: a tensor without plain values, or two under one name.
        RangeError: a tensor larger than any plausible network's.
    """
    return plain_tensors(label, _plain_names(label, _state_dict(label, _load(path, label))))


def plain_tensors(label: str, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor of a state dict dense, with torch's pruning masks applied.

    Raises:
        DataError, RangeError: as in `read_state_dict`.
    """
    return _pruned(label, {key: _dense(label, key, tensor) for key, tensor in stored.items()})


def _load(path: Path, label: str) -> Any:
    try:
        check_regular(path)
        _check_sums(path)
    except FileError as error:
        raise FileError(str(error).replace(str(path), label, 1)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the pickle protocol do not help
            return torch.load(path, weights_only=True, map_location="cpu")
    except PermissionError as error:
        raise FileError(f"{label}: cannot be read: permission denied") from error
    except Exception as error:  # bytes of other files raise nearly anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise FileError(
                f"{label}: refused, it holds `{code[1]}`, which would run as code; only tensors are"
                " read, save the model's state_dict() instead"
            ) from error
        raise FileError(
            f"{label}: not a torch file of weights, or a damaged one; fetch it again"
        ) from error


def _check_sums(path: Path) -> None:
    """Compare the ZIP archive's own checksums, which torch does not look at."""
    try:
        if not zipfile.is_zipfile(path):
            return  # the format before torch 1.6, which has none
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # damaged headers raise nearly anything
        raise FileError(
            f"{path}: not a torch file of weights, or a damaged one; fetch it again"
        ) from error
    if damaged is not None:
        raise FileError(f"{path}: {damaged!r} does not match its checksum; fetch it again")


def _state_dict(label: str, content: Any) -> Mapping[str, Tensor]:
    """The content itself, or the one state dict among it."""
    if not isinstance(content, dict):
        raise FileError(
            f"{label}: holds a {type(content).__name__}; a state dict of tensors is needed"
        )
    if _is_state_dict(content):
        return content
    inner = [key for key, value in content.items() if _is_state_dict(value)]
    if len(inner) > 1:
        names = ", ".join(f"`{key}`" for key in inner)
        raise FileError(f"{label}: holds several state dicts, {names}; save one of them alone")
    if inner and not any(isinstance(value, Tensor) for value in content.values()):
        return content[inner[0]]
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise FileError(
                f"{label}: `{key}` is of type {type(value).__name__}; a state dict holds named"
                " tensors only"
            )
    raise FileError(f"{label}: holds nothing; a state dict of tensors is needed")


def _is_state_dict(value: Any) -> TypeGuard[dict[str, Tensor]]:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def _plain_names(label: str, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same without what wrappers put in front of names."""
    names = {key: [part for part in key.split(".") if part != _COMPILED] for key in stored}
    while all(len(parts) > 1 and parts[0] == _PARALLEL for parts in names.values()):
        names = {key: parts[1:] for key, parts in names.items()}
    plain: dict[str, Tensor] = {}
    for key, parts in names.items():
        name = ".".join(parts)
        if name in plain:
            raise DataError(f"{label}: holds `{name}` twice, with and without `{_COMPILED}`")
        plain[name] = stored[key]
    return plain


def _dense(label: str, key: str, tensor: Tensor) -> Tensor:
    """The tensor with each of its values in its place."""
    if tensor.is_meta:
        raise DataError(
            f"{label}: `{key}` is on the device meta, so it has no values; save the model after its"
            " weights are loaded"
        )
    if tensor.is_quantized:
        raise DataError(
            f"{label}: `{key}` is quantized ({tensor.dtype}); save the float model, and quantize"
            " the imported one"
        )
    if tensor.is_nested:
        raise DataError(f"{label}: `{key}` is nested; save a matrix, torch.nested.to_padded_tensor")
    try:
        check_size([(tensor.numel(), 1)])
    except RangeError as error:
        raise RangeError(f"{label}: `{key}`: {error}") from error
    if tensor.layout in _SPARSE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some layouts are called a beta
            return tensor.detach().to_dense()
    return tensor.detach()


def _pruned(label: str, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with torch's pruning masks applied, as its hooks do before each run."""
    kept = dict(stored)
    for mask_key in [key for key in stored if key.endswith("_mask")]:
        name = mask_key.removesuffix("_mask")
        if f"{name}_orig" not in stored:
            continue
        mask, weights = kept.pop(mask_key), kept.pop(f"{name}_orig")
        if mask.shape != weights.shape:
            raise DataError(
                f"{label}: `{mask_key}` has shape {tuple(mask.shape)}, `{name}_orig`"
                f" {tuple(weights.shape)}; prune the model again"
            )
        if name in kept:
            raise DataError(
                f"{label}: holds `{name}` and `{name}_orig`; keep one of them, as"
                " torch.nn.utils.prune.remove does"
            )
        kept[name] = mask.to(weights.dtype) * weights
    return kept
