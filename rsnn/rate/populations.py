"""Populations of units: excitatory, PV and SST, as a rate network has them and files name them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsnn.rate.network import RateNetwork

NAMES = EXCITATORY, PV, SST = "E", "PV", "SST"
ALL = "all"
"""Of networks whose populations are unknown: one with all units."""
KEY = "populations"
"""Of a file's provenance; of an integer network's in the `history` of the spiking network."""


def populations_of(network: RateNetwork) -> dict[str, list[int]]:
    """Units of each population that has any: PV are the inhibitory units that are not SST.

    Empty for networks without Dale's law, whose units excite and inhibit.
    """
    if not network.dale:
        return {}
    inhibits = network.sign < 0
    members = (~inhibits, inhibits & ~network.is_sst, network.is_sst)
    units = {name: np.flatnonzero(each).tolist() for name, each in zip(NAMES, members, strict=True)}
    return {name: each for name, each in units.items() if each}


def read_populations(provenance: Mapping[str, Any], n_units: int) -> dict[str, NDArray[np.int64]]:
    """Units of each population, as the origin of a spiking or integer network names them.

    All units under `ALL` where it names none, or does not place each unit in one population.
    """
    history = provenance.get("history")
    named = provenance.get(KEY) or (history.get(KEY) if isinstance(history, Mapping) else None)
    unknown = {ALL: np.arange(n_units)}
    if not isinstance(named, Mapping) or not set(named) <= set(NAMES):
        return unknown
    lists = [named[name] for name in NAMES if name in named]
    units = [unit for each in lists if isinstance(each, list) for unit in each]
    if not all(type(unit) is int for unit in units) or sorted(units) != list(range(n_units)):
        return unknown
    return {name: np.array(named[name], np.int64) for name in NAMES if named.get(name)}
