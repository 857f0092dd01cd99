"""The state from which the training of a rate network continues, bit for bit, on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import FileError, RsnnError
from base.hdf5.arrays import read_arrays, write_arrays
from rsnn.rate.network import RateNetwork
from rsnn.rate.training.adam import Moments
from rsnn.rate.training.train import Record, Training

FORMAT = "rsnnctl-rate-training"
_CHANGING = ("w", "w_out", "tau_param")
_NO_STATE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def save_training(training: Training, path: Path, label: Mapping[str, Any]) -> None:
    """Write a training, atomically, as it is when `report` is called or `train` has returned.

    Args:
        training: its generator must be one of `numpy.random.default_rng`.
        path: the file.
        label: identifies the training, as JSON values.

    Raises:
        FileError: the file cannot be written.
    """
    arrays = {"losses": np.array(training.losses)}
    for when in ("network", "before"):
        arrays |= {f"{when}.{name}": getattr(getattr(training, when), name) for name in _CHANGING}
    for name, each in training.moments.items():
        arrays |= {f"moments.{name}.{part}": array for part, array in vars(each).items()}
    arrays |= {f"last.{name}": array for name, array in training.last.items()}
    values = {
        "b_out": {"network": training.network.b_out, "before": training.before.b_out},
        "generator": training.generator.bit_generator.state,
        "records": [asdict(record) for record in training.records],
        "done": training.done,
    }
    write_arrays(path, FORMAT, arrays, json.dumps(values, sort_keys=True), {"label": label})


def load_training(path: Path, start: RateNetwork) -> tuple[Training, dict[str, Any]]:
    """Read a training and its label.

    Args:
        path: the file.
        start: the network at the start; only what is not trained is taken from it.

    Raises:
        FileError: no such file, another format, damaged, or of a network of another shape.
    """
    arrays, text, provenance = read_arrays(path, FORMAT)
    try:
        values = json.loads(text)
        networks = [
            _network(start, arrays, when, values["b_out"][when]) for when in ("network", "before")
        ]
        generator = np.random.default_rng()
        generator.bit_generator.state = values["generator"]
        training = Training(networks[0], generator)
        training.before = networks[1]
        training.losses = [float(loss) for loss in arrays["losses"]]
        training.records = [Record(**record) for record in values["records"]]
        training.done = bool(values["done"])
        training.last = _below("last", arrays)
        moments = _below("moments", arrays)
        for name in {name.rpartition(".")[0] for name in moments}:
            parts = [moments[f"{name}.{part}"] for part in ("first", "second")]
            shape = (1,) if name == "b_out" else getattr(start, name).shape
            if any(part.shape != shape for part in parts):
                raise ValueError(name)
            training.moments[name] = Moments(*parts)
        return training, provenance["label"]
    except (*_NO_STATE, RsnnError, RecursionError) as error:
        raise FileError(
            f"{path}: holds no training of such a network; start afresh without --resume"
        ) from error


def _network(
    start: RateNetwork, arrays: Mapping[str, NDArray[Any]], when: str, b_out: float
) -> RateNetwork:
    changes: dict[str, Any] = {name: arrays[f"{when}.{name}"] for name in _CHANGING}
    return replace(start, b_out=float(b_out), **changes)


def _below(group: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a group by the rest of their names."""
    return {
        name.partition(".")[2]: array
        for name, array in arrays.items()
        if name.partition(".")[0] == group
    }
