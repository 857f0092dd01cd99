"""Float models on disk: `*.rsnn.h5` containers.

A container keeps every parameter in its own dtype; its digest covers the architecture and the
parameters, not the provenance. Nothing here is ever pickled.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from base.container import create_container, open_container, read_provenance
from base.errors import DataError, FileError, MismatchError, RangeError
from base.order import Order
from rsnn.model import RSNN, Architecture

FORMAT = "rsnnctl-float-model"
DTYPES = (torch.float16, torch.float32, torch.float64)


def save_model(model: RSNN, path: Path | str, provenance: Mapping[str, Any]) -> str:
    """Write a model and return its digest; the same content always gives the same bytes.

    Args:
        model: every parameter in float16, float32 or float64.
        path: the file, by convention `*.rsnn.h5`. Replaced atomically.
        provenance: origin of the model, as JSON values (command, seed, session, versions).

    Raises:
        DataError: a parameter is not finite, or of a dtype other than these.
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
    return build(str(path), architecture, tensors), provenance


def build(
    label: str,
    architecture: Architecture,
    tensors: Mapping[str, Tensor],
    names: Mapping[str, str] | None = None,
) -> RSNN:
    """Make a model of tensors by parameter; `names` maps those to what the file calls them.

    Raises:
        FileError: the architecture cannot be built.
        MismatchError: tensors that do not fit it.
        DataError: a tensor is not finite.
    """
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
        check_finite(label, called, tensors[name])
    model.load_state_dict(dict(tensors), assign=True)
    return model.eval()


def check_finite(label: str, name: str, tensor: Tensor) -> None:
    """Refuse a tensor with a value that is NaN or infinite, as DataError."""
    n_bad = tensor.numel() - int(torch.isfinite(tensor).sum())
    if n_bad:
        raise DataError(
            f"{label}: `{name}` has {n_bad} of {tensor.numel()} values that are NaN or infinite;"
            " every weight must be finite, use a checkpoint from before training diverged"
        )


def _to_array(label: str, name: str, tensor: Tensor) -> np.ndarray:
    if tensor.dtype not in DTYPES:
        raise DataError(
            f"{label}: `{name}` is {tensor.dtype}; a file keeps float16, float32 or float64,"
            " convert the model first, for example with model.float()"
        )
    check_finite(label, name, tensor)
    return np.ascontiguousarray(tensor.numpy().astype(f"<f{tensor.element_size()}", copy=False))


def _architecture_json(architecture: Architecture) -> str:
    values = architecture.as_dict()
    if architecture.is_published:  # so that files of older versions keep their digests
        del values["dynamics"]
    else:
        for item in fields(Order):
            since = item.metadata.get("choice_since", item.metadata.get("since", 1))
            is_later = item.name == "fires_when" or since > 3
            if is_later and getattr(architecture.order, item.name) == item.default:
                del values["dynamics"][item.name]
    if not architecture.bias:
        del values["bias"]
    if architecture.neuron == Architecture.neuron:
        del values["neuron"]
    return json.dumps(values, sort_keys=True)


def _architecture(path: Path | str, text: str) -> Architecture:
    try:
        return Architecture.from_dict(json.loads(text))
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
    """SHA-256 of a line of JSON that describes the tensors, then their little-endian bytes."""
    listing = [[name, str(a.dtype), list(a.shape)] for name, a in sorted(arrays.items())]
    header = {"format": FORMAT, "architecture": json.loads(architecture), "parameters": listing}
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n")
    for _, array in sorted(arrays.items()):
        total.update(array.tobytes())
    return total.hexdigest()
