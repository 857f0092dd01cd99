"""The state from which a training continues, bit for bit, in memory and on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import torch
from torch import Tensor

from base.container import create_container, open_container, read_provenance
from base.errors import FileError, MismatchError
from rsnn.model import RSNN

FORMAT = "rsnnctl-training-state"
_NO_STATE = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class EpochRecord:
    """Results of one epoch.

    `loss` and `train_r2` are RMSE (mm per step) and R2 over the training batches, under dropout and
    while the parameters change; `penalty` is the sum of the activity regularizers; `validation_r2`
    and `activation_sparsity` (share of zeros in the hidden spikes) are without dropout, over the
    validation windows.
    """

    epoch: int
    n_epochs: int
    learning_rate: float
    loss: float
    train_r2: float
    penalty: float
    validation_r2: float
    activation_sparsity: float


@dataclass(frozen=True)
class TrainState:
    """A training between two epochs. Tensors are copies on the CPU, on whatever device it computes.

    Attributes:
        epoch: epochs done.
        parameters: parameters of the model, by name.
        best, best_epoch, best_r2: the parameters that validated best so far.
        optimizer: its tensors, by number of the parameter and name, as `3.mean`.
        generator: state of the random generator.
        records: records of the epochs done.
    """

    epoch: int
    parameters: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    best_epoch: int
    best_r2: float
    optimizer: Mapping[str, Tensor]
    generator: Tensor
    records: tuple[EpochRecord, ...]

    @classmethod
    def first(cls, model: RSNN) -> Self:
        """The state before the first epoch."""
        parameters = _copies(model.state_dict())
        return cls(0, parameters, parameters, 0, -np.inf, {}, torch.empty(0), ())

    def after(
        self,
        record: EpochRecord,
        model: RSNN,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> "TrainState":
        """The state after one more epoch, with the result in `record`."""
        parameters = _copies(model.state_dict())
        is_best = record.validation_r2 > self.best_r2
        tensors = {
            f"{number}.{name}": torch.as_tensor(value)
            for number, values in optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        return TrainState(
            epoch=record.epoch,
            parameters=parameters,
            best=parameters if is_best else self.best,
            best_epoch=record.epoch if is_best else self.best_epoch,
            best_r2=record.validation_r2 if is_best else self.best_r2,
            optimizer=_copies(tensors),
            generator=generator.get_state(),
            records=(*self.records, record),
        )

    def put_back(
        self, model: RSNN, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> None:
        """Set model, optimizer and generator to this state.

        Raises:
            MismatchError: the model has other parameters.
        """
        shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        if shapes != {name: tuple(p.shape) for name, p in self.parameters.items()}:
            raise MismatchError(
                "the training state belongs to a model of another shape; continue with the settings"
                " it was started with"
            )
        model.load_state_dict(self.parameters)
        values: dict[int, dict[str, Tensor]] = {}
        for key, tensor in self.optimizer.items():
            number, name = key.split(".", 1)
            values.setdefault(int(number), {})[name] = tensor.clone()
        optimizer.load_state_dict(optimizer.state_dict() | {"state": values})
        generator.set_state(self.generator)


def save_state(state: TrainState, path: Path, label: Mapping[str, Any]) -> None:
    """Write a state, atomically; `label` identifies its training."""
    with create_container(path, format=FORMAT, digest="", provenance=label) as file:
        for group, tensors in (
            ("parameters", state.parameters),
            ("best", state.best),
            ("optimizer", state.optimizer),
        ):
            for name, tensor in tensors.items():
                _write(file, f"{group}/{name}", tensor)
        _write(file, "generator", state.generator)
        file.attrs["epoch"] = state.epoch
        file.attrs["best_epoch"] = state.best_epoch
        file.attrs["best_r2"] = state.best_r2
        file["records"] = json.dumps([asdict(record) for record in state.records])


def load_state(path: Path) -> tuple[TrainState, dict[str, Any]]:
    """Read what `save_state` wrote: the state and its label.

    Raises:
        FileError: no such file, truncated, edited, of a different format or a newer version; or
            its values are no state of a training.
    """
    with open_container(path, format=FORMAT) as file:
        try:
            state = TrainState(
                epoch=_count(file.attrs["epoch"]),
                parameters=_read(file, "parameters"),
                best=_read(file, "best"),
                best_epoch=_count(file.attrs["best_epoch"]),
                best_r2=float(file.attrs["best_r2"]),
                optimizer=_read(file, "optimizer"),
                generator=torch.from_numpy(file["generator"][()]),
                records=tuple(map(_record, json.loads(file["records"][()]))),
            )
            _check(state)
        except _NO_STATE as error:
            raise FileError(
                f"{path}: holds no state of a training; start afresh without `resume`"
            ) from error
        return state, read_provenance(file)


def _check(state: TrainState) -> None:
    """Refuse what no training leaves behind.

    Raises:
        ValueError, RuntimeError, TypeError: the values do not belong together.
    """
    shapes = {name: p.shape for name, p in state.parameters.items()}
    if shapes != {name: p.shape for name, p in state.best.items()}:
        raise ValueError("the best parameters have other shapes")
    if [r.epoch for r in state.records] != list(range(1, state.epoch + 1)):
        raise ValueError("the records are not those of its epochs")
    if not state.best_epoch <= state.epoch:
        raise ValueError("the best epoch is still to come")
    for key in state.optimizer:
        number, _, name = key.partition(".")
        if not name or int(number) not in range(len(shapes)):
            raise ValueError("a tensor of the optimizer belongs to no parameter")
    tensors = (*state.parameters.values(), *state.best.values(), *state.optimizer.values())
    if not all(tensor.is_floating_point() for tensor in tensors):
        raise TypeError("a tensor holds no floating-point numbers")
    torch.Generator().set_state(state.generator)


def _count(value: Any) -> int:
    number = int(value)
    if number != value or number < 0:
        raise ValueError("no count")
    return number


def _record(values: Any) -> EpochRecord:
    record = EpochRecord(**values)
    for field in fields(record):
        if type(getattr(record, field.name)) not in (int, field.type):
            raise TypeError(f"{field.name} is no number")
    return record


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def _write(file: h5py.File, name: str, tensor: Tensor) -> None:
    file.create_dataset(name, data=tensor.numpy(), track_times=False)


def _read(file: h5py.File, group: str) -> dict[str, Tensor]:
    stored = file.get(group, {})
    return {name: torch.from_numpy(np.asarray(data[()])) for name, data in stored.items()}
