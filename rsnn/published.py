"""Published state dicts as models."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from base.errors import DataError, MismatchError
from rsnn.checkpoint import DTYPES, build, check_finite
from rsnn.model import RSNN, Architecture, big, tiny
from rsnn.state_dict import read_state_dict

_PRESETS = {len(preset(1).heads): preset for preset in (tiny, big)}  # by the number of heads


def import_published(path: Path | str, *, name: str | None = None) -> RSNN:
    """Read a published state dict (a `.pth` file of tensors) into a model, in the dtype it keeps.

    The tiny layout has one readout head (`con3`, `group3`), the big one five (`con3` to `con7`,
    `group3` to `group7`). Sizes come from the shapes; the initial time constants, which the files
    lack, from the preset with as many heads. Nothing in the file is executed.

    Args:
        path: the file.
        name: name of the file in errors; its path by default.

    Raises:
        FileError: no such file, not a torch file, or no single state dict in it.
        DataError: a key is missing or unknown, a repeated tensor differs from its original,
            dtypes differ, or a weight is not finite or has no plain value.
        MismatchError: shapes that do not fit together.
        RangeError: a tensor larger than any plausible network's.
    """
    label = str(path) if name is None else name
    stored = _unwrapped(read_state_dict(Path(path), label))
    n_heads = _count_heads(label, stored)
    keys = _published_keys(n_heads)
    repeats = _repeated_keys(n_heads)
    if missing := [key for key in keys if key not in stored]:
        raise DataError(
            f"{label}: key `{missing[0]}` is missing; a published tinyRSNN or bigRSNN state dict is"
            " needed"
        )
    if unknown := sorted(set(stored) - set(keys) - set(repeats)):
        raise DataError(
            f"{label}: unexpected key{'s' * (len(unknown) > 1)} {_quoted(unknown)}; a published"
            " tinyRSNN or bigRSNN state dict is needed"
        )
    _check_dtypes(label, stored)
    for key, tensor in stored.items():
        check_finite(label, key, tensor)
    for key, original in repeats.items():
        if key in stored and not torch.equal(stored[key], stored[original]):
            raise DataError(
                f"{label}: `{key}` differs from `{original}`, which it should repeat; the file was"
                " edited, fetch it again"
            )
    architecture = _published_architecture(label, stored, n_heads)
    tensors = {parameter: stored[key] for key, parameter in keys.items()}
    names = {parameter: key for key, parameter in keys.items()}
    return build(label, architecture, tensors, names)


def _unwrapped(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same without a name that all keys begin with, of the model inside a larger module."""
    wrappers = {key.partition(".")[0] for key in stored}
    if len(wrappers) > 1:
        return dict(stored)
    return {key.partition(".")[2] or key: tensor for key, tensor in stored.items()}


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _count_heads(label: str, stored: Mapping[str, Tensor]) -> int:
    """Readout heads in the keys: their connections are numbered from `con3` on."""
    numbers = [int(m[1]) for key in stored if (m := re.match(r"con(\d+)\.op\.weight$", key))]
    n_heads = max([*numbers, 3]) - 2
    if n_heads not in _PRESETS:
        raise DataError(
            f"{label}: has {n_heads} readout heads; the initial time constants are published for 1"
            " (tinyRSNN) and 5 (bigRSNN)"
        )
    return n_heads


def _published_keys(n_heads: int) -> dict[str, str]:
    """Published key -> parameter of `RSNN`, for the keys that are not redundant."""
    keys = {
        "con1.op.weight": "hidden.0.w_in",
        "con2.op.weight": "hidden.0.w_rec",
        "group2.mem_param": "hidden.0.tau.mem_param",
        "group2.syn_param": "hidden.0.tau.syn_param",
    }
    for i in range(n_heads):
        keys[f"con{i + 3}.op.weight"] = f"heads.{i}.w_out"
        keys[f"group{i + 3}.mem_param_readout"] = f"heads.{i}.tau.mem_param"
        keys[f"group{i + 3}.syn_param_readout"] = f"heads.{i}.tau.syn_param"
    return keys


def _repeated_keys(n_heads: int) -> dict[str, str]:
    """Redundant key -> the key it repeats: a connection lists its groups' parameters again."""
    ends = {"con1.dst": 2, "con2.src": 2, "con2.dst": 2, "output_group": n_heads + 2}
    for i in range(n_heads):
        ends |= {f"con{i + 3}.src": 2, f"con{i + 3}.dst": i + 3}
    repeats = {}
    for end, group in ends.items():
        suffix = "" if group == 2 else "_readout"
        for kind in ("mem_param", "syn_param"):
            repeats[f"{end}.{kind}{suffix}"] = f"group{group}.{kind}{suffix}"
    return repeats


def _check_dtypes(label: str, stored: Mapping[str, Tensor]) -> None:
    first, dtype = next((key, tensor.dtype) for key, tensor in stored.items())
    for key, tensor in stored.items():
        if tensor.dtype not in DTYPES:
            raise DataError(
                f"{label}: `{key}` is {tensor.dtype}; weights are float16, float32 or float64"
            )
        if tensor.dtype != dtype:
            raise DataError(
                f"{label}: `{key}` is {tensor.dtype} but `{first}` {dtype}; convert the state dict"
                " to one dtype"
            )


def _published_architecture(label: str, stored: Mapping[str, Tensor], n_heads: int) -> Architecture:
    for key in ("con1.op.weight", "con3.op.weight"):
        if stored[key].dim() != 2:
            raise MismatchError(
                f"{label}: `{key}` has {stored[key].dim()} axes; a weight matrix has 2, (post, pre)"
            )
    n_hidden, n_inputs = stored["con1.op.weight"].shape
    return Architecture(
        n_inputs,
        (n_hidden,),
        _PRESETS[n_heads](n_inputs).heads,
        n_outputs=stored["con3.op.weight"].shape[0],
    )
