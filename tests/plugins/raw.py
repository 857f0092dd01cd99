"""Raw arrays: a network's words one after the other, and a JSON list that describes them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from base.files import atomic_path, write_text
from base.option import Option
from export.format import Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace

_SUFFIXES = (".raw", ".raw.json")


def _write(network: "IntegerNetwork", path: Path, *, byte_order: str) -> list[Path]:
    words, listing = (path.with_name(path.name + suffix) for suffix in _SUFFIXES)
    mark = {"little": "<", "big": ">"}[byte_order]
    arrays = {
        name: array.astype(array.dtype.newbyteorder(mark)) for name, array in network.arrays()
    }
    described: dict[str, Any] = {
        "digest": network.digest(),
        "contract": network.contract.as_dict(),
        "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
    }
    with atomic_path(words) as temporary:
        temporary.write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    write_text(listing, json.dumps(described, indent=1) + "\n")
    return [words, listing]


def _read_and_run(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    """Write, read the arrays back into the network's layers, and run those."""
    import tempfile
    from dataclasses import replace

    import numpy as np

    from sim import reference

    with tempfile.TemporaryDirectory() as folder:
        words, listing = _write(network, Path(folder) / "network", byte_order="big")
        content, start, found = words.read_bytes(), 0, {}
        for name, kind, shape in json.loads(listing.read_text())["arrays"]:
            array = np.frombuffer(content, kind, int(np.prod(shape)), start)
            found[name] = array.reshape(shape)
            start += array.nbytes
    layers = tuple(
        layer.replaced({key: found[f"{name}.{key}"] for key, _ in layer.arrays()})
        for name, layer in network.named_layers()
    )
    return reference.run(replace(network, layers=layers), raster)


FORMAT = Format(
    description="raw arrays of words",
    details="A list in JSON says what they are.",
    write=_write,
    suffixes=_SUFFIXES,
    options=(
        Option(
            "byte_order",
            default="little",
            help="Order of the bytes of a word.",
            choices=("little", "big"),
        ),
    ),
    backends={"raw": _read_and_run},
)
