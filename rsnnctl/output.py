"""Where a command writes: the file that `-o` names, or stdout for `-`; what it overwrote."""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from base.errors import FileError
from base.files import reason
from base.ownership import Written, overwriting
from rsnnctl import show
from rsnnctl.results.files import STDOUT, files
from rsnnctl.results.kind import Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def destination(given: Path | None, default: Path) -> Iterator[Path]:
    """Yield the path to write one file to: the one given, or the default.

    For `-` it is a temporary file, which goes to stdout when the block succeeds; what is printed
    meanwhile goes to stderr.

    Args:
        given: what the user gave with `-o`.
        default: a file of the same kind, with the suffix that the file must have.

    Raises:
        FileError: stdout cannot be written.
    """
    if given != STDOUT:
        yield given or default
        return
    stdout = sys.stdout
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / default.name
        with redirect_stdout(sys.stderr):
            yield path
        try:
            with open(path, "rb") as stream:
                shutil.copyfileobj(stream, stdout.buffer)
            stdout.flush()
        except OSError as error:
            raise FileError(f"stdout: cannot be written: {reason(error)}") from error


@contextmanager
def owned(paths: Iterable[Path], command: str, *, force: bool) -> Iterator[None]:
    """`base.ownership.overwriting`, which also says what `force` overwrites.

    Raises:
        FileError: a file may not be overwritten, or cannot be written.
    """
    with overwriting(list(paths), command, force=force) as replaced:
        say_replaced(replaced)
        yield


def say_replaced(paths: Iterable[Path]) -> None:
    """Say on stderr which files of the user `--force` overwrites."""
    for path in paths:
        show.say(f"{path}: overwritten (--force)")


def written_files(written: Written, output: Path | None) -> Result:
    """The files that were written; says which of the user's were kept or overwritten.

    Args:
        written: the files.
        output: what the user gave with `-o`.
    """
    for path in written.kept:
        show.say(f"{path}: kept, because it was changed; --force overwrites it")
    say_replaced(written.replaced)
    if output == STDOUT:
        return files([STDOUT])
    return files(path for path in written.files if path not in written.kept)


def npy_bytes(array: "NDArray[np.generic]") -> bytes:
    """The bytes of a .npy file.

    Made in memory, since numpy writes files through a buffer of C, and does not notice when the
    last write of that fails.
    """
    import numpy as np

    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
