"""Readers of NIR graphs: how each turns a node into decays, gains and a threshold.

NIR is continuous in time, so its reader decides what one step does. With the box convention, in
which a spike is an input of height 1 for the length of one step, all of them compute

    syn' = d_syn syn + (1 - d_syn) w_in S          mem' = d_mem mem + (1 - d_mem) r syn

and differ in d: `exp(-dt / tau)` is exact, `1 - dt / tau` is forward Euler. A `Reader` declares
which, with which dt, and what else it requires of a graph.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from base.checks import check_choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork

    Floats = NDArray[np.floating]

_NEVER_DECAYS = 2.0**60  # steps: 1 - 2^-60 is 1 in float64, and products with it stay finite


_CLEARS = {
    "current": "new",
    "fires_on": "new_membrane",
    "reset": "zero",
    "reset_drops_input": True,
    "delay_steps": 0,
    "reset_delay": False,
    "bias_on": "current",
    "adds_first": False,
    "readout_delayed": False,
}
"""Default behaviour of Euler readers, as fields of a contract."""
_SPIKES_ALIKE = (
    _CLEARS | {"fires_on": "reset_membrane"},
    _CLEARS | {"fires_on": "reset_membrane", "reset_drops_input": False, "reset_delay": True},
)
"""The same spikes where every threshold is above 0: a membrane that was cleared is not over it, and
one that is cleared late is so before the next input."""


@dataclass(frozen=True)
class Reader:
    """The form a graph must have for one reader.

    Attributes:
        name: its name in `export_nir(..., reader=name)`.
        euler: discretizes by forward Euler, one layer after the other in the same step.
        dt: its fixed step, in seconds; None for that of the network, passed to it.
        nested: recurrence is a nested graph, with names that sort in the order of signals.
        one_threshold: all neurons of a layer share one, so their rows carry the difference.
        how: a Python line that reads `graph`, with the network's `dt` to fill in.
    """

    name: str
    euler: bool = False
    dt: float | None = None
    nested: bool = False
    one_threshold: bool = False
    how: str = ""

    def time_constant(self, decay: "Floats", dt: float) -> "Floats":
        """The tau, in seconds, that this reader turns into a decay factor of 0..1."""
        import numpy as np

        if self.euler:
            with np.errstate(divide="ignore"):
                return (self.dt or dt) * np.minimum(1.0 / (1.0 - decay), _NEVER_DECAYS)
        with np.errstate(divide="ignore"):
            return np.where(decay == 1.0, dt * _NEVER_DECAYS, -dt / np.log(decay))

    def unit_gain(self, decay: "Floats") -> "Floats":
        """The `w_in` or `r` for a gain of 1 per step."""
        import numpy as np

        if self.euler:
            return np.minimum(1.0 / np.where(decay == 1.0, 1 / _NEVER_DECAYS, 1.0 - decay), 2.0**60)
        return 1.0 / np.where(decay == 1.0, 1 / _NEVER_DECAYS, 1.0 - decay)

    def differs(self, network: "IntegerNetwork") -> dict[str, Any]:
        """Fields of a network's contract in which this reader differs, with its own values."""
        if not self.euler:
            return {}
        positive = all((layer.threshold > 0).all() for layer in network.hidden)
        contract = network.contract.as_dict()
        ways = [
            {key: value for key, value in way.items() if contract[key] != value}
            for way in (_CLEARS, *(_SPIKES_ALIKE if positive else ()))
        ]
        return min(ways, key=len)


READERS = {
    reader.name: reader
    for reader in (
        Reader("exact", how="rsnnctl import-nir"),
        Reader(
            "norse",
            euler=True,
            how="norse.torch.utils.import_nir.from_nir(graph, dt={dt})",
        ),
        Reader(
            "snntorch",
            euler=True,
            dt=1e-4,
            nested=True,
            one_threshold=True,
            how="snntorch.import_nir.import_from_nir(graph)",
        ),
    )
}


def reader_named(name: str) -> Reader:
    """Return the reader of that name.

    Raises:
        RangeError: there is none.
    """
    check_choice("reader", name, READERS)
    return READERS[name]


def remarks(network: "IntegerNetwork", reader: str) -> list[str]:
    """Remarks for the user of a graph: how to read it, and where its reader differs.

    Raises:
        RangeError: no such reader.
    """
    known = reader_named(reader)
    if not known.euler:
        return []
    differs = [
        f"{reader} computes with `{field}` {value}, so its spikes will differ (docs/nir.md)"
        for field, value in known.differs(network).items()
    ]
    return [f"read it with {known.how.format(dt=network.dt)}", *differs]
