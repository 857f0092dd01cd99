"""The conformance kit on disk, to test a chip or simulator of one's own.

A folder of plain HDF5 and JSON that names nothing of rsnnctl but its own format: a file for each
case, `kit.json`, a README with the equations, `check.py`, which needs only numpy and h5py, and
`SHA256SUMS` of all of them.
"""

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from base.files import write_bytes, write_text
from base.hdf5.write import create_hdf5
from base.order import Order
from sim import reference
from sim.arithmetic.text import NOTATION, plain
from sim.conformance.case import Case
from sim.conformance.cases import VERSION, cases
from sim.contract import NumericContract

FORMAT = "rsnnctl-conformance-kit"
_CHECKER = Path(__file__).with_name("check.py")
_README = """# Conformance kit of the numeric contract, version {version}

{n_cases} small networks with their input and every state word of every step. Run each network over
its raster, write your words as `check.py` says, and let it tell the first that differs:

    python check.py TRACES [CASE ...]

Run the cases one after the other without a restart: the last is the first once more.

`sha256sum -c SHA256SUMS` tells whether the kit is as it was written; `check.py` looks at the files
that it uses.

`kit.json` describes each case: what there is to get wrong, its numeric contract, its layers and
their arrays. `CASE.h5` holds `raster` (n_steps, n_inputs), the arrays under `network/` (weights are
(post, pre)), and the right words under `trace/`, (n_steps, n_neurons) after each step. A layer with
an array `bias` adds it to the current in every step, the first and silent ones included, or to what
the membrane integrates, where `bias_on` says so; a layer without one adds nothing. A readout
without an array `e_out` shifts nothing.

With `delay_steps` 1, layers read only what the step before has written, and inputs of a step
arrive in the next one; with 0, layers are computed from the input upwards, on spikes of this step.
Under `inputs_at_once` inputs reach the first layer in their own step, and under `readout_delayed`
spikes reach the readout in the next one, whatever `delay_steps` is.
Before the first step every state is 0, but for `out`, which starts at `initial_out`, and for `mem`
of a layer with an array `initial_mem` and `lead` of one with `lead_start`, which start there. The
readout's rows are ordered head by head. `out_scale` turns `out` into floats, `label` into a class;
both play no part in the words. Under `inputs_once`, an input that has had a value other than 0 in a
step counts as 0 in all later steps.

## The numeric contract

```
{fields}
```

{notation}{equations}"""
_EQUATIONS = """
## {kind}

```
{lines}
```
"""


def export_kit(folder: Path) -> list[Path]:
    """Write the kit into a folder; return its files. The same version gives the same bytes.

    Raises:
        FileError: a file cannot be written.
    """
    folder = Path(folder)
    every = cases()
    paths = []
    for case in every:
        paths.append(folder / f"{case.name}.h5")
        _write_case(case, paths[-1])
    checker = folder / "check.py"
    write_bytes(checker, _CHECKER.read_bytes())
    fields = "\n".join(_attributes(kind) for kind in (Order, NumericContract))
    readme = folder / "README.md"
    kinds = {type(layer): None for case in every for layer in case.network.layers}
    equations = "".join(_EQUATIONS.format(kind=k.__name__, lines=plain(k)) for k in kinds)
    text = _README.format(
        version=VERSION,
        n_cases=len(every),
        fields=fields,
        notation=NOTATION,
        equations=equations,
    )
    write_text(readme, text)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "cases": [_describe(case) for case in every],
    }
    index = folder / "kit.json"  # last, so that a kit with its index is whole
    content = (json.dumps(description, indent=1, sort_keys=True) + "\n").encode()
    sums = folder / "SHA256SUMS"
    contents = ((path.name, path.read_bytes()) for path in (*paths, checker, readme))
    write_text(sums, "".join(map(_sum, (*contents, (index.name, content)))))
    write_bytes(index, content)
    return [*paths, checker, readme, sums, index]


def _sum(file: tuple[str, bytes]) -> str:
    """The line of a file, its name and content, that `sha256sum -c` reads."""
    name, content = file
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def _attributes(kind: type[Order]) -> str:
    """The fields of an order or contract, as its docstring describes them."""
    described = str(inspect.getdoc(kind)).partition("Attributes:\n")[2]
    return inspect.cleandoc(described.partition("\n\n")[0])


def _describe(case: Case) -> dict[str, Any]:
    network = case.network
    arrays: dict[str, list[str]] = {name: [] for name in network.layer_names}
    for name, _ in network.arrays():
        layer, key = name.split(".")
        arrays[layer].append(key)
    return {
        "name": case.name,
        "what": case.what,
        "contract": network.contract.as_dict(),
        "dt": network.dt,
        "n_heads": network.readout.n_heads,
        "n_steps": len(case.raster),
        "digest": network.digest(),
        "layers": [
            {"name": name, "kind": type(layer).__name__, "arrays": arrays[name]}
            for name, layer in network.named_layers()
        ],
        "variables": [
            name.replace(".", "/") for name in reference.run(network, case.raster[:0]).variables
        ],
    }


def _write_case(case: Case, path: Path) -> None:
    trace = reference.run(case.network, case.raster)
    with create_hdf5(path, libver="v110") as file:
        _write(file, "raster", case.raster)
        for name, array in case.network.arrays():
            _write(file, f"network/{name.replace('.', '/')}", array)
        for name, array in trace.variables.items():
            _write(file, f"trace/{name.replace('.', '/')}", array)


def _write(file: h5py.File, name: str, array: NDArray[Any]) -> None:
    file.create_dataset(name, data=array, track_times=False)
