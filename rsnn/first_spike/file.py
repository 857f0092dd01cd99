"""First-spike networks, and trainings under way, on disk: sealed containers, as all models are."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from base.errors import FileError, RsnnError
from base.hdf5.arrays import parts_of, read_arrays, read_beside, write_arrays
from rsnn.first_spike.config import FirstSpikeConfig
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.training import Record, Training, start

FORMAT = "rsnnctl-first-spike-network"
STATE_FORMAT = "rsnnctl-first-spike-training"
_HISTORY = "history"
_CHANGING = ("w", "row_sum", "threshold", "adapted")
_NO_STATE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def save_network(
    network: FirstSpikeNetwork,
    path: Path,
    provenance: Mapping[str, Any],
    records: tuple[Record, ...] | list[Record] = (),
) -> str:
    """Write a network and return its digest; the same content always gives the same bytes.

    Args:
        network: the network.
        path: the file. Replaced atomically.
        provenance: its origin, as JSON values.
        records: of its training; NaN stands for a validation that there was not.

    Raises:
        FileError: the file cannot be written.
    """
    arrays, values = parts_of(network)
    names = [field.name for field in fields(Record)] if records else []
    history = {n: np.array([getattr(r, n) for r in records], np.float64) for n in names}
    beside = {_HISTORY: history} if history else {}
    return write_arrays(path, FORMAT, arrays, values, provenance, beside)


def load_network(path: Path) -> tuple[FirstSpikeNetwork, dict[str, Any]]:
    """Read a network and its provenance.

    Raises:
        FileError: no such file, another format, damaged, or its digest is not that of its content.
    """
    arrays, values, provenance = read_arrays(path, FORMAT)
    try:
        return FirstSpikeNetwork(**arrays, **json.loads(values)), provenance
    except RsnnError as error:
        raise FileError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise FileError(f"{path}: its arrays or values do not fit; make it again") from error


def load_history(path: Path) -> dict[str, np.ndarray]:
    """The records of a network's training by the names of `Record`, each (n_epochs,) float64.

    Raises:
        FileError: as in `load_network`.
    """
    return read_beside(path, FORMAT, _HISTORY)


def digest_of(parts: Parts) -> str:
    """SHA-256 of all samples to train, validate and test on."""
    total = hashlib.sha256()
    for samples in (parts.train, parts.validation, parts.test):
        arrays, values = ({}, "none") if samples is None else parts_of(samples)
        shapes = {name: array.shape for name, array in arrays.items()}
        total.update(f"{values} {shapes}\n".encode())
        for array in arrays.values():
            total.update(array.tobytes())
    return total.hexdigest()


def save_training(training: Training, path: Path, label: Mapping[str, Any]) -> None:
    """Write a training, atomically, as it is when `report` is called or `train` has returned.

    Args:
        training: the training.
        path: the file.
        label: identifies it, as JSON values.

    Raises:
        FileError: the file cannot be written.
    """
    arrays = {name: getattr(training.learner, name) for name in _CHANGING}
    if training.kept is not None:
        arrays |= dict(zip(("kept.w", "kept.threshold"), training.kept, strict=True))
    values = {
        "best": training.best,
        "generator": training.generator.bit_generator.state,
        "records": [asdict(record) for record in training.records],
    }
    write_arrays(
        *(path, STATE_FORMAT, arrays, json.dumps(values, sort_keys=True), {"label": label})
    )


def load_training(
    path: Path, config: FirstSpikeConfig, parts: Parts
) -> tuple[Training, dict[str, Any]]:
    """Read a training and its label.

    Args:
        path: the file.
        config, parts: with which it was started.

    Raises:
        FileError: no such file, another format, damaged, or of a layer of another shape.
    """
    arrays, text, provenance = read_arrays(path, STATE_FORMAT)
    training = start(config, parts)
    try:
        values = json.loads(text)
        for name in _CHANGING:
            array = getattr(training.learner, name)
            if arrays[name].shape != array.shape:
                raise ValueError(name)
            array[:] = arrays[name]
        training.kept = arrays["kept.w"], arrays["kept.threshold"]
        training.best = int(values["best"])
        training.generator.bit_generator.state = values["generator"]
        training.records = [Record(**record) for record in values["records"]]
        training.network()  # refuses weights that are none
        return training, provenance["label"]
    except (*_NO_STATE, RsnnError, RecursionError) as error:
        raise FileError(
            f"{path}: holds no training of such a network; start afresh without --resume"
        ) from error
