"""Describe any file that rsnnctl has written."""

from pathlib import Path
from typing import Any

from rsnnctl.errors import FileError
from rsnnctl.files import read_label
from sim import artifact
from sim.inspect import describe


def describe_file(path: Path) -> dict[str, Any]:
    """Describe a float model or an integer network with values that JSON can hold.

    Raises:
        FileError: the file is neither, or is damaged.
    """
    label = read_label(path)
    if label.format == artifact.FORMAT:
        return {"file": str(path)} | describe(artifact.load_network(path))
    from rsnn import checkpoint, inspect  # only now, because torch takes a second to import

    if label.format == checkpoint.FORMAT:
        model, provenance = checkpoint.load_model(path)
        facts = {"file": str(path), "digest": label.digest} | inspect.describe(model)
        return facts | {"provenance": provenance}
    raise FileError(f"{path}: holds `{label.format}`; a model or an integer network can be shown")
