"""The C of a step: every layer's neurons on arrived sums, and the sums their spikes add to."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from export.firmware.storage import Storage
from export.firmware.templates import filled
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork

_IN_LANES = (
    "lower(@KIND@_sums[i / 2u])",
    "upper(@KIND@_sums[i / 2u])",
    "lower(@KIND@_sums[i / 2u + 1u])",
    "upper(@KIND@_sums[i / 2u + 1u])",
)
"""The sums of four neurons per turn, where they share two words."""


def deliver(stored: Mapping[str, Storage], name: str, layout: str) -> str:
    """The function that takes an input's spike: lists it, or adds its row."""
    first = stored["w_in0"]
    listed = "state->given[state->n_given] = (uint8_t)channel;\nstate->n_given++;"
    parts = {
        "QUALIFIERS": "static inline" if layout == "fast" else "APART static",
        "NAME": name,
        "ADDING": listed if first.in_lanes else first.adding("state->sum_in0", "channel"),
    }
    return filled("deliver_input.c", parts)


def advance(
    network: IntegerNetwork, stored: Mapping[str, Storage], name: str, *, constant: bool = False
) -> str:
    """The step without the input's spikes.

    With a delay all neurons come first, from the top, so that each layer finds the spikes that the
    layer below sent in the step before; without one it needs those of this step. In constant time
    lists are filled up, and all their rows added.
    """
    hidden = range(len(network.hidden))
    steps = [_hidden(network.hidden[i], stored, name, i, constant) for i in hidden]
    sends = [_send(network, stored, i, constant) for i in hidden]
    readout = filled("step_readout.c", {"N": str(network.readout.n_neurons)})
    if network.contract.delay_steps:
        return "".join([*reversed(steps), readout, *sends])
    return "".join([*chain.from_iterable(zip(steps, sends, strict=True)), readout])


def index_type(n: int) -> str:
    """The C type that holds the index of one of n neurons."""
    return "uint8_t" if n <= 256 else "uint16_t"


def _send(network: IntegerNetwork, stored: Mapping[str, Storage], i: int, constant: bool) -> str:
    """Add the weights of the spikes of hidden layer i to the sums that they reach."""
    reached = (
        (f"w_rec{i}", f"sum_rec{i}"),
        (f"w_in{i + 1}", f"sum_in{i + 1}"),
        ("w_out" if i + 1 == len(network.hidden) else "", "sum_out"),
    )
    adding = [
        stored[name].adding(f"state->{sums}", "sender")
        for name, sums in reached
        if name in stored and not stored[name].in_lanes
    ]
    if not adding:
        return ""
    count = f"{network.hidden[i].n_neurons}u" if constant else f"state->n_fired{i}"
    return filled("send.c", {"I": str(i), "COUNT": count, "ADDING": "\n".join(adding)})


@dataclass(frozen=True)
class _Arriving:
    """The sums that arrive at a hidden layer through one of its matrices.

    Attributes:
        kind: `in` or `rec`.
        layer: index of the hidden layer.
        stored: the matrix in flash.
        is_shifted: some row of the matrix is shifted.
    """

    kind: str
    layer: int
    stored: Storage
    is_shifted: bool

    @property
    def in_lanes(self) -> bool:
        """Whether sums of four neurons share two words."""
        return self.stored.in_lanes

    @property
    def senders(self) -> str:
        """The list of those whose spikes arrive, and their number."""
        i = self.layer if self.kind == "rec" else self.layer - 1
        listed = f"fired{i}" if i >= 0 else "given"
        return f"state->{listed}, state->n_{listed}"

    def lines(self, template: str) -> str:
        """A template filled in for these sums."""
        parts = {
            "KIND": self.kind,
            "I": str(self.layer),
            "ROWS": self.stored.name,
            "N_WORDS": str(-(-self.stored.shape[1] // 4)),
            "SENDERS": self.senders,
            "MOST": str(self.stored.shape[0]),
        }
        return filled(template, parts)

    @property
    def is_given(self) -> bool:
        """Whether it is gathered from the list of input spikes."""
        return self.in_lanes and self.kind == "in" and self.layer == 0

    def sum_at(self, at: str) -> str:
        """The sum of a neuron where sums share no words."""
        return f"state->sum_{self.kind}{self.layer}[{at}]"

    def term(self, place: int, at: str) -> str:
        """A neuron's sum, shifted; `place` is that of the neuron within its turn."""
        value = _IN_LANES[place].replace("@KIND@", self.kind) if self.in_lanes else self.sum_at(at)
        shift = f" * ((sum_t)1 << e_{self.kind}{self.layer}[{at}])" if self.is_shifted else ""
        return f"(sum_t){value}{shift}"


def _hidden(
    layer: CubaLIF, stored: Mapping[str, Storage], name: str, i: int, constant: bool
) -> str:
    """A hidden layer's step; four neurons per turn, where four sums share two words."""
    arriving = [
        _Arriving(kind, i, stored[f"w_{kind}{i}"], bool(shifts.any()))
        for kind, shifts in (("in", layer.e_in), ("rec", layer.e_rec))
        if f"w_{kind}{i}" in stored
    ]
    lanes = [sums for sums in arriving if sums.in_lanes]
    listed = not constant and any(sums.is_given for sums in lanes)
    emptied = "state->n_given = 0;\n" if listed else ""
    padded = f"pad(state->fired{i}, state->n_fired{i}, {layer.n_neurons}u);" if constant else ""
    places = range(len(_IN_LANES) if lanes else 1)
    parts = {
        "NAME": name,
        "I": str(i),
        "N": str(layer.n_neurons),
        "INDEX": index_type(layer.n_neurons),
        "TURN": f"i += {len(places)}u" if lanes else "i++",
        "LANES": "".join(sums.lines("lanes.c") for sums in lanes) + emptied,
        "PADDED": padded,
        "NEURONS": "".join(
            _neuron(layer.n_neurons, arriving, i, place, constant) for place in places
        ),
    }
    return filled("step_hidden.c", parts)


def _neuron(n: int, arriving: list[_Arriving], i: int, place: int, constant: bool) -> str:
    """The step of one neuron of a turn; the last turn may end before it."""
    at = f"i + {place}u" if place else "i"
    parts = {
        "I": str(i),
        "N": str(n),
        "AT": at,
        "NUMBER": f"({at})" if place else at,
        "INDEX": index_type(n),
        "ACC": "acc" if place else "sum_t acc",
        "TERMS": "\n    + ".join(sums.term(place, at) for sums in arriving),
        "CLEAR": "\n".join(f"{sums.sum_at(at)} = 0;" for sums in arriving if not sums.in_lanes),
    }
    ends_here = place and n % len(_IN_LANES) == place
    end = filled("step_hidden_end.c", parts) if ends_here else ""
    form = "step_hidden_neuron_constant.c" if constant else "step_hidden_neuron.c"
    return end + filled(form, parts)
