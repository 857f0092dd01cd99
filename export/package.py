"""The definition of a package: files around exported C that a build system of firmware reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from base.files import write_text

if TYPE_CHECKING:
    from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Package:
    """One kind of package. It holds the decoder in `src`, a README, and its own files.

    Attributes:
        description: what it is, a phrase that follows "as".
        files: templates in `export/templates/packages/` by path in the package; in both, `@NAME@`
            is the decoder's name.
        note: what users have to do with it, in sentences for the README.
    """

    description: str
    files: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def write_package(
    network: "IntegerNetwork", folder: Path, name: str, layout: str, package: Package, called: str
) -> list[Path]:
    """Write the decoder and the files of a package; return all.

    Args:
        network: the network.
        folder: of the package; created if missing.
        name: name of the decoder's files, prefix of its functions.
        layout: layout of the weights, as `export_c` takes it.
        package: the package.
        called: its name.

    Raises:
        RangeError, UnsupportedError, FileError: as `export_c` does.
    """
    from export.firmware import inputs
    from export.firmware.decoder import export_c
    from export.firmware.templates import filled

    sources = export_c(network, folder / "src", name, layout)
    own = inputs.parts(network)
    parts = {
        "NOTE": f"\n{package.note}" if package.note else "",
        "DESCRIPTION": package.description,
        "PACKAGE": called,
        "STEP": own["STEP"],
        "CTYPE": own["CTYPE"],
        "N_BYTES": str(inputs.row_length(network)),
        "DIGEST": network.digest(),
        "DT": repr(network.dt),
        "DT_US": str(round(network.dt * 1e6)),
        "UPPER": name.upper(),
        "NAME": name,
    }
    texts = {
        path.replace("@NAME@", name): filled(f"packages/{template}", parts)
        for path, template in {"README.md": "README.md", **package.files}.items()
    }
    for path, text in texts.items():
        write_text(folder / path, text)
    return [*sources, *(folder / path for path in texts)]
