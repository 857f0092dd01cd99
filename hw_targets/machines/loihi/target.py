"""Targets whose neurons are Loihi's compartments: what does not fit, a map, parameters, words."""

import json
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.files import write_text
from hw_targets.machines.loihi.chip import populations, violations
from hw_targets.machines.loihi.emulator import prepared
from hw_targets.machines.loihi.mapping import Core, beyond, placed, shares
from hw_targets.machines.recorded import save_golden, save_parameters
from hw_targets.machines.target import Target, refusals
from sim.contract import LOIHI, NumericContract
from sim.network import IntegerNetwork

KINDS = ("cuba_lif", "cuba_li")
CONTRACT = {item.name: (getattr(LOIHI, item.name),) for item in fields(NumericContract)} | {
    "weight_bits": range(2, LOIHI.weight_bits + 1)
}
"""Values that compartments compute, by field of the contract."""


def loihi_target(description: str, room: Core, n_cores: int) -> Target:
    """The target of a chip.

    Args:
        description: one line for people.
        room: what a core has room for.
        n_cores: cores of a chip.
    """
    return Target(
        description=description,
        format="nir",
        build=partial(_build, room),
        backends={"emulator": prepared},
        check=partial(_check, room, n_cores),
        contract=CONTRACT,
        kinds=KINDS,
    )


def _check(room: Core, n_cores: int, target: Target, network: IntegerNetwork) -> dict[str, Any]:
    """Cores, how full they are, and all that does not fit.

    Of a network under another contract, only what does not depend on it.
    """
    if not set(KINDS).issuperset(layer.kind() for layer in network.layers):
        return {}
    cores = placed(network, room)
    values = [] if refusals(target, network) else violations(network)
    return {
        "cores": len(cores),
        "utilization": {what: round(share, 4) for what, share in shares(cores, room).items()},
        "map": [
            {"core": number, "layers": ", ".join(core.layers)} | asdict(core.use)
            for number, core in enumerate(cores)
        ],
        "violations": [*beyond(cores, room, n_cores), *values],
    }


def _build(
    room: Core, target: Target, network: IntegerNetwork, golden: NDArray[np.uint8], folder: Path
) -> list[Path]:
    """The chip's parameters, the map, and a golden run that `verify --trace` reads.

    Raises:
        UnsupportedError: compartments do not hold the network.
    """
    chips = populations(network)
    arrays = {
        f"{name}.{key}": array
        for (name, _), chip in zip(network.named_layers(), chips, strict=True)
        for key, array in _arrays(vars(chip)).items()
    }
    parameters, trace, cores = (
        folder / name for name in ("parameters.npz", "golden.npz", "cores.json")
    )
    save_parameters(parameters, network, arrays)
    save_golden(trace, network, golden)
    described = [{"layers": core.layers} | asdict(core.use) for core in placed(network, room)]
    text = json.dumps({"digest": network.digest(), "cores": described}, indent=1)
    write_text(cores, text + "\n")
    return [parameters, trace, cores]


def _arrays(values: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of a population by name; each matrix has its shifts, named `exp`, beside it."""
    found = {name: value for name, value in values.items() if name != "weights"}
    for name, (weights, exponents) in values["weights"].items():
        found |= {name: weights, name.replace("w_", "exp_", 1): exponents}
    return found
