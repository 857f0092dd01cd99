"""Float models on disk: `*.rsnn.h5` containers, and published torch state dicts read into a model.

A container keeps every parameter in its own dtype; its digest covers the architecture and the
parameters, not the provenance. Nothing here is ever pickled.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from base.container import create_container, open_container, read_provenance
from base.errors import DataError, FileError, MismatchError, RangeError
from rsnn.dynamics import PUBLISHED, Dynamics
from rsnn.model import RSNN, Architecture, Head, big, tiny

FORMAT = "rsnnctl-float-model"
_DTYPES = (torch.float16, torch.float32, torch.float64)
_PRESETS = {len(preset(1).heads): preset for preset in (tiny, big)}  # by the number of heads


def save_model(model: RSNN, path: Path | str, provenance: Mapping[str, Any]) -> str:
    """Write a model and return its digest; the same content always gives the same bytes.

    Args:
        model: every parameter in float16, float32 or float64.
        path: where to; by convention `*.rsnn.h5`. Replaced atomically.
        provenance: how the model came about, as JSON values (command, seed, session, versions).

    Raises:
        DataError: a parameter is not finite, or of another dtype.
        FileError: the file cannot be written.
    """
    tensors = {name: p.detach().cpu() for name, p in model.named_parameters()}
    arrays = {name: _to_array(str(path), name, t) for name, t in sorted(tensors.items())}
    architecture = _architecture_json(model.architecture)
    digest = _digest(architecture, arrays)
    with create_container(
        Path(path),
        format=FORMAT,
        digest=digest,
        provenance=provenance,
    ) as file:
        file.attrs["architecture"] = architecture
        group = file.create_group("parameters")
        for name, array in arrays.items():
            group.create_dataset(name, data=array)
    return digest


def load_model(path: Path | str) -> tuple[RSNN, dict[str, Any]]:
    """Read what `save_model` wrote: the model in eval mode, and its provenance.

    Raises:
        FileError: no such file, another format, damaged, or its digest is not that of its content.
        MismatchError: parameters that do not fit the architecture.
        DataError: a parameter is not finite, or of another dtype than float16, float32, float64.
    """
    with open_container(Path(path), format=FORMAT) as file:
        text, arrays, digest = _read_content(path, file)
        provenance = read_provenance(file)
    architecture = _architecture(path, text)
    found = _digest(text, arrays)
    if found != digest:
        raise FileError(
            f"{path}: its digest says {str(digest)[:12]}, its content {found[:12]}; the file was"
            " edited, make it again"
        )
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return _build(str(path), architecture, tensors), provenance


def import_published(path: Path | str, *, name: str | None = None) -> RSNN:
    """Read a published state dict (a `.pth` file of tensors) into a model, in the dtype it keeps.

    The tiny layout has one readout head (`con3`, `group3`), the big one five (`con3` to `con7`,
    `group3` to `group7`). Sizes come from the shapes; the initial time constants, which the files
    lack, from the preset with as many heads. Nothing in the file is executed.

    Args:
        path: the file.
        name: what errors call the file, if not by its path.

    Raises:
        FileError: no such file, not a torch file, or one that holds more than tensors.
        DataError: a key is missing or unknown, a repeated tensor differs from the one it repeats,
            dtypes differ, or a weight is not finite.
        MismatchError: shapes that do not fit together.
    """
    label = str(path) if name is None else name
    stored = read_state_dict(Path(path), label)
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
        _check_finite(label, key, tensor)
    for key, original in repeats.items():
        if key in stored and not torch.equal(stored[key], stored[original]):
            raise DataError(
                f"{label}: `{key}` differs from `{original}`, which it should repeat; the file was"
                " edited, fetch it again"
            )
    architecture = _published_architecture(label, stored, n_heads)
    tensors = {parameter: stored[key] for key, parameter in keys.items()}
    names = {parameter: key for key, parameter in keys.items()}
    return _build(label, architecture, tensors, names)


def _build(
    label: str,
    architecture: Architecture,
    tensors: Mapping[str, Tensor],
    names: Mapping[str, str] | None = None,
) -> RSNN:
    """Make a model of checked tensors; `names` maps parameters to what the file calls them."""
    try:
        with torch.device("meta"):  # shapes only, because nothing says yet that they are sensible
            model = RSNN(architecture)
    except (TypeError, RuntimeError) as error:
        raise FileError(
            f"{label}: its architecture cannot be built; make the file again"
        ) from error
    wanted = {name: p.shape for name, p in model.named_parameters()}
    if differing := sorted(set(wanted) ^ set(tensors)):
        verb = "is missing" if differing[0] in wanted else "has no place"
        raise MismatchError(
            f"{label}: parameter `{differing[0]}` {verb} in its architecture; make the file again"
        )
    for name, shape in wanted.items():
        called = names[name] if names else name
        if tensors[name].shape != shape:
            raise MismatchError(
                f"{label}: `{called}` is {tuple(tensors[name].shape)}, the rest of the file needs"
                f" {tuple(shape)}; make or fetch the file again"
            )
        _check_finite(label, called, tensors[name])
    model.load_state_dict(dict(tensors), assign=True)
    return model.eval()


def _check_finite(label: str, name: str, tensor: Tensor) -> None:
    n_bad = tensor.numel() - int(torch.isfinite(tensor).sum())
    if n_bad:
        raise DataError(
            f"{label}: `{name}` has {n_bad} of {tensor.numel()} values that are NaN or infinite;"
            " every weight must be finite, use a checkpoint from before training diverged"
        )


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _to_array(label: str, name: str, tensor: Tensor) -> np.ndarray:
    if tensor.dtype not in _DTYPES:
        raise DataError(
            f"{label}: `{name}` is {tensor.dtype}; a file keeps float16, float32 or float64,"
            " convert the model first, for example with model.float()"
        )
    _check_finite(label, name, tensor)
    return np.ascontiguousarray(tensor.numpy().astype(f"<f{tensor.element_size()}", copy=False))


def _architecture_json(architecture: Architecture) -> str:
    values = asdict(architecture)
    if architecture.dynamics == PUBLISHED:  # so that files keep the digests of older versions
        del values["dynamics"]
    if not architecture.bias:
        del values["bias"]
    return json.dumps(values, sort_keys=True)


def _architecture(path: Path | str, text: str) -> Architecture:
    try:
        fields = json.loads(text)
        fields["hidden"] = tuple(fields["hidden"])
        fields["heads"] = tuple(Head(**head) for head in fields["heads"])
        if "dynamics" in fields:
            fields["dynamics"] = Dynamics(**fields["dynamics"])
        return Architecture(**fields)
    except RangeError as error:
        raise FileError(f"{path}: {error}; make the file again") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileError(
            f"{path}: its architecture cannot be read; make the file again with this rsnnctl"
        ) from error


def _read_content(
    path: Path | str, file: h5py.File
) -> tuple[str, dict[str, np.ndarray], str | None]:
    if "architecture" not in file.attrs or not isinstance(file.get("parameters"), h5py.Group):
        raise FileError(f"{path}: holds no architecture or no parameters; make the file again")
    arrays = {}
    for name, dataset in sorted(file["parameters"].items()):
        kind = dataset.dtype if isinstance(dataset, h5py.Dataset) else "a group"
        if kind not in ("<f2", "<f4", "<f8") or dataset.shape is None:
            raise DataError(
                f"{path}: `{name}` is {kind}; a model file keeps float16, float32 or"
                " float64, make it again"
            )
        arrays[name] = dataset[()]
    return file.attrs["architecture"], arrays, file.attrs.get("digest")


def _digest(architecture: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of a line of JSON that says what follows, then the little-endian bytes of it."""
    listing = [[name, str(a.dtype), list(a.shape)] for name, a in sorted(arrays.items())]
    header = {"format": FORMAT, "architecture": json.loads(architecture), "parameters": listing}
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n")
    for _, array in sorted(arrays.items()):
        total.update(array.tobytes())
    return total.hexdigest()


def read_state_dict(path: Path, label: str) -> dict[str, Tensor]:
    """Read a torch file of named tensors, of which nothing is executed; errors call it `label`.

    Raises:
        FileError: no such file, not a torch file, or one that holds more than tensors.
    """
    if not path.exists():
        raise FileError(f"{label}: no such file")
    if path.is_dir():
        raise FileError(f"{label}: is a folder, not a file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on the pickle protocol: no use to the reader
            content = torch.load(path, weights_only=True, map_location="cpu")
    except PermissionError as error:
        raise FileError(f"{label}: cannot be read: permission denied") from error
    except Exception as error:  # bytes that are no torch file raise nearly anything
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise FileError(
                f"{label}: refused, it holds `{code[1]}`, which would run as code; only tensors are"
                " read, save the model's state_dict() instead"
            ) from error
        raise FileError(
            f"{label}: not a torch file of weights, or a damaged one; fetch it again"
        ) from error
    if not isinstance(content, dict):
        raise FileError(
            f"{label}: holds a {type(content).__name__}; a state dict of tensors is needed"
        )
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise FileError(
                f"{label}: `{key}` is a {type(value).__name__}; a state dict holds named tensors"
                " only"
            )
    return content


def _count_heads(label: str, stored: Mapping[str, Tensor]) -> int:
    """Readout heads that the keys speak of: their connections are numbered from `con3` on."""
    numbers = [int(m[1]) for key in stored if (m := re.match(r"con(\d+)\.op\.weight$", key))]
    n_heads = max([*numbers, 3]) - 2
    if n_heads not in _PRESETS:
        raise DataError(
            f"{label}: has {n_heads} readout heads; the initial time constants are published for 1"
            " (tinyRSNN) and 5 (bigRSNN)"
        )
    return n_heads


def _published_keys(n_heads: int) -> dict[str, str]:
    """Published key -> parameter of `RSNN`, for the keys that carry the content."""
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
        if tensor.dtype not in _DTYPES:
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
