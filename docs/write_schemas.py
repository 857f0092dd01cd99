"""Write `docs/schemas/`: a JSON schema per kind of result, from the kinds that commands declare.

    python docs/write_schemas.py

A schema that was released is never changed: raise its kind's `version` instead.
"""

import json
import sys
from pathlib import Path

import cli  # noqa: F401  # imports every command
from rsnnctl.results.kind import Kind
from rsnnctl.results.schema import schema_of

FOLDER = Path(__file__).resolve().parent / "schemas"


def schemas() -> dict[str, str]:
    """The text of each file, by its name."""
    modules = [module for name, module in sys.modules.items() if name.startswith("rsnnctl")]
    declared = [kind for module in modules for kind in vars(module).values()]
    kinds = {kind.name: kind for kind in declared if isinstance(kind, Kind)}
    return {
        f"{kind.name}-{kind.version}.json": json.dumps(schema_of(kind), indent=2) + "\n"
        for _, kind in sorted(kinds.items())
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
