"""Whether Numba can keep what it compiles: its files are pickles, so their folder must be safe.

Numba looks for a folder beside the source, then in the user's cache. A read-only installation may
have neither, and then each run compiles anew: a folder made for the run would not outlive it, and
any that outlives it would have a path that others can guess.
"""

import os
import stat
import sys
from functools import cache
from pathlib import Path
from types import FunctionType

from numba.core.caching import FunctionCache


def can_cache(source: str) -> bool:
    """Whether compiled functions of a source file can be cached; says on stderr, once, if not.

    Args:
        source: path of the file, for the option `cache` of Numba's decorators.
    """
    try:
        folder = Path(FunctionCache(FunctionType(compile("", source, "exec"), {})).cache_path)
    except RuntimeError:  # none can be written to
        _tell()
        return False
    found = folder.stat()
    owners = {os.geteuid(), os.stat(source).st_uid}
    is_safe = found.st_uid in owners and not found.st_mode & stat.S_IWOTH
    if not (folder.is_absolute() and is_safe):  # without a home it is below the working directory
        _tell()
        return False
    return True


@cache
def _tell() -> None:
    print(
        "Compiled code is not kept, so every run takes longer to start: there is no folder for it"
        " that only you can write to; set NUMBA_CACHE_DIR to one",
        file=sys.stderr,
    )
