"""A crate of Rust around a network: `Cargo.toml`, `src/lib.rs`, its golden run, a README."""

from pathlib import Path

from base.errors import RangeError, UnsupportedError
from base.files import write_text
from export.firmware import inputs
from export.firmware.code import check_layout, is_tuned
from export.firmware.decoder import check_name
from export.firmware.storage import LAYOUTS
from export.firmware.templates import filled
from export.rust.source import source
from export.rust.tables import table_rows
from rsnn.data.raster import random_raster
from sim import reference
from sim.layer import SPIKES
from sim.network import IntegerNetwork

_GOLDEN_STEPS = 100
_WORDS = (
    "abstract alloc as async await become box break const continue core crate do dyn else enum"
    " extern false final fn for if impl in let loop macro match mod move mut override priv pub ref"
    " return self Self static std struct super test trait true try type typeof unsafe unsized use"
    " virtual where while yield proc_macro"
)
_TAKEN = frozenset(_WORDS.split())
"""Keywords of Rust, and the names of crates that come with it."""


def write_crate(network: IntegerNetwork, folder: Path, name: str, layout: str) -> list[Path]:
    """Write a crate without `std`, atomically; the same network gives the same bytes.

    Args:
        network: the network.
        folder: of the crate; created if missing.
        name: of the crate; a C identifier that is no keyword of Rust.
        layout: layout of the weights: `fast`, or `compact`, which stores few zeros.

    Returns:
        The files: `Cargo.toml`, `README.md`, `src/lib.rs` and `src/golden.rs`.

    Raises:
        RangeError: `name` is none, or there is no such layout.
        UnsupportedError: a layer is of a kind, or the contract makes a choice, that hand-written
            code does not compute.
        FileError: a file cannot be written.
    """
    check_name(name)
    if name in _TAKEN:
        raise RangeError(f"name is {name!r}, which Rust keeps for itself; choose another")
    check_network(network)
    check_layout(network, layout)
    if layout not in LAYOUTS:
        raise RangeError(f"`layout` is {layout}, which Rust has not; known: {', '.join(LAYOUTS)}")
    raster = random_raster(_GOLDEN_STEPS, network.n_inputs, dt=network.dt)
    out = reference.run(network, raster).variables["readout.out"]
    parts = {
        "N_STEPS": str(len(raster)),
        "INPUT": "\n".join(table_rows(inputs.rows(network, raster))),
        "OUTPUT": "\n".join(table_rows(out)),
        "DIGEST": network.digest(),
        "DT": repr(network.dt),
        "NAME": name,
    }
    texts = {path: filled(f"rust/{path}", parts) for path in ("Cargo.toml", "README.md")}
    texts["src/lib.rs"] = source(network, layout)
    texts["src/golden.rs"] = filled("rust/golden.rs", parts)
    for path, text in texts.items():
        write_text(folder / path, text)
    return [folder / path for path in texts]


def check_network(network: IntegerNetwork) -> None:
    """Refuse a network of which no Rust can be written.

    Raises:
        UnsupportedError: it is one whose C is generated, or takes other inputs than spikes.
    """
    if not is_tuned(network) or network.input_values != SPIKES:
        kinds = ", ".join(dict.fromkeys(layer.kind() for layer in network.layers))
        raise UnsupportedError(
            "Rust is written of networks whose C is hand-written, of CuBa-LIF layers that take"
            f" spikes; this one has {kinds} under a contract that asks for generated C. Leave"
            " `--language` out"
        )
