"""What a network is trained, validated and tested on, found by its name: a file or a folder."""

from dataclasses import dataclass
from pathlib import Path

from base.checks import check_count
from base.errors import DataError, FileError, RangeError
from rsnn.first_spike.data.digits import digits
from rsnn.first_spike.data.file import SUFFIXES, load_samples, load_set
from rsnn.first_spike.data.images import read_idx
from rsnn.first_spike.data.samples import MOST_TICKS, Samples, check_no_empty
from rsnn.first_spike.data.spiking_dataset import read_spiking_dataset

DIGITS = "digits"
"""Name of scikit-learn's images."""
_FILES = ("trainset", "valset", "testset")
_MNIST, _IDX = ("train", "t10k"), ("images-idx3", "labels-idx1")


@dataclass(frozen=True)
class Parts:
    """Samples to train on, to choose the best epoch by, and to test on.

    Raises:
        DataError: there is nothing to train on or to test on, a training sample has no event, or a
            part has a class that the training part has not.
        MismatchError: their inputs or ticks differ.
    """

    train: Samples
    validation: Samples | None
    test: Samples

    def __post_init__(self) -> None:
        check_no_empty(self.train)
        if self.test.n_samples == 0:
            raise DataError("there are no samples to test on")
        for name, part in (("the validation part", self.validation), ("the test part", self.test)):
            if part is not None:
                self.train.check_same_inputs(part, ("the training part", name))
                if part.n_classes > self.train.n_classes:
                    raise DataError(
                        f"{name} has class {part.n_classes - 1}; the training part has classes"
                        f" 0 to {self.train.n_classes - 1}"
                    )
        if self.validation is not None and self.validation.n_samples == 0:
            object.__setattr__(self, "validation", None)


def load_parts(source: str | Path, ticks: int | None = None) -> Parts:
    """Find and read samples.

    Args:
        source: `digits`; a file of samples that names its parts; or a folder with `trainset`,
            `testset` and maybe `valset`, files of samples or of published code (.npy), or with the
            four files of MNIST.
        ticks: for files of published code, as in `read_spiking_dataset`.

    Raises:
        FileError: there is no such thing, or a file of it is missing or damaged.
        DataError, RangeError, MismatchError: the samples are refused.
        ToolError: scikit-learn is not installed, which has the digits.
    """
    path = Path(source)
    if ticks is not None:
        check_count("ticks", ticks, MOST_TICKS)
        if not is_published(source):
            raise RangeError(
                f"`ticks={ticks}` has no effect: {source} holds no file of published code (.npy);"
                " leave it out"
            )
    if str(source) == DIGITS and not path.exists():
        return Parts(*digits())
    if not path.exists():
        raise FileError(f"{path}: no such file or folder; `{DIGITS}` is a name")
    if path.is_dir():
        return _from_folder(path, ticks)
    _, parts = load_samples(path)
    if not {"train", "test"} <= parts.keys():
        raise DataError(
            f"{path}: names no samples to train on and to test on; add `train` and `test`, their"
            " numbers, or name a folder with trainset and testset"
        )
    return Parts(parts["train"], parts.get("validation"), parts["test"])


def is_published(source: str | Path) -> bool:
    """Whether samples are files of published code, whose times are rounded to ticks."""
    return any(Path(source).glob("*set.npy"))


def _from_folder(folder: Path, ticks: int | None) -> Parts:
    sets = {name: path for name in _FILES if (path := _set_file(folder, name)) is not None}
    if {"trainset", "testset"} <= sets.keys():
        read = {
            name: read_spiking_dataset(path, ticks) if path.suffix == ".npy" else load_set(path)
            for name, path in sets.items()
        }
        return Parts(read["trainset"], read.get("valset"), read["testset"])
    files = [_mnist_file(folder, part, what) for part in _MNIST for what in _IDX]
    found = [path for path in files if path is not None]
    if len(found) == len(files):
        train, test = read_idx([(found[0], found[1]), (found[2], found[3])])
        return Parts(train, None, test)
    raise FileError(
        f"{folder}: holds neither trainset and testset ({', '.join((*SUFFIXES, '.npy'))}) nor the"
        " four files of MNIST (train-images-idx3-ubyte and so on)"
    )


def _set_file(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for suffix in (*SUFFIXES, ".npy"))
    return next((path for path in paths if path.exists()), None)


def _mnist_file(folder: Path, part: str, what: str) -> Path | None:
    names = (f"{part}-{what}-ubyte{zipped}" for zipped in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).exists()), None)
