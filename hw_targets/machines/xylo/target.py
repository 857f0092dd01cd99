"""Targets whose neurons are those of a Xylo core: what does not fit, parameters, words."""

import json
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.files import write_text
from hw_targets.machines.recorded import save_golden, save_parameters
from hw_targets.machines.target import Target, refusals
from hw_targets.machines.xylo.chip import (
    KINDS,
    Room,
    beyond,
    can_saturate,
    parameters,
    use,
    violations,
)
from hw_targets.machines.xylo.simulator import prepared
from sim.contract import NumericContract
from sim.network import IntegerNetwork

_WITHOUT_MEANING = ("decay_frac", "rounding", "saturation", "refractory_steps")
_UP_TO = {"weight_bits": range(2, 9), "input_bits": range(1, 5), "max_spikes": (31,)}


def xylo_target(description: str, room: Room, contract: NumericContract) -> Target:
    """The target of a chip.

    Args:
        description: one line for people.
        room: what its core has room for.
        contract: how it computes a step.
    """
    computed: dict[str, Any] = {
        item.name: (getattr(contract, item.name),)
        for item in fields(NumericContract)
        if item.name not in _WITHOUT_MEANING
    }
    return Target(
        description=description,
        format="nir",
        build=partial(_build, room),
        backends={"xylosim": prepared},
        check=partial(_check, room),
        contract=computed | _UP_TO,
        kinds=KINDS,
    )


def _check(room: Room, target: Target, network: IntegerNetwork) -> dict[str, Any]:
    """What a network takes of the core, and all that does not fit.

    Of a network under another contract, only what does not depend on it.
    """
    taken = use(network)
    is_computed = not refusals(target, network)
    found = [*beyond(network, room), *(violations(network) if is_computed else ())]
    order = {"can_saturate": can_saturate(network)} if is_computed and not found else {}
    return {
        "use": asdict(taken),
        **order,
        "utilization": {
            what: round(value / asdict(room)[what], 4) for what, value in asdict(taken).items()
        },
        "violations": found,
    }


def _build(
    room: Room, target: Target, network: IntegerNetwork, golden: NDArray[np.uint8], folder: Path
) -> list[Path]:
    """The core's parameters, what they take of it, and a golden run that `verify --trace` reads.

    Raises:
        UnsupportedError: the core does not hold the network.
    """
    chip = parameters(network)
    arrays, trace, used = (folder / name for name in ("parameters.npz", "golden.npz", "use.json"))
    save_parameters(arrays, network, asdict(chip))
    save_golden(trace, network, golden)
    described = {"digest": network.digest(), "use": asdict(use(network)), "room": asdict(room)}
    write_text(used, json.dumps(described, indent=1) + "\n")
    return [arrays, trace, used]
