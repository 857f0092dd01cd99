"""Energy of a step from the toggles of a simulation of the gates.

Included: each edge of a net charges the pins that it drives, C V^2 / 2; each edge of a pin takes
the energy that the library gives inside its cell, at the load that it drives; flip-flops take that
of both edges of the clock in every clock in which the decoder is busy: otherwise it stands still.
Apart are leakage, and the clock while events enter. Not included: memories, wires, the clock's
tree, glitches.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from base.errors import DataError
from hw_targets.machines.asic.liberty import Library

SLEW = 0.1e-9
"""s; of inputs, where the library asks for it: no wires are known that would give another."""


@dataclass(frozen=True)
class Activity:
    """What a simulation saw.

    Attributes:
        toggles: edges of each net, by name.
        busy: clocks in which the decoder was busy.
        entering: other clocks in which an event entered.
    """

    toggles: Mapping[str, int]
    busy: int
    entering: int


@dataclass(frozen=True)
class Energy:
    """Energy of all steps of a simulation (J).

    Attributes:
        clock: of flip-flops' clock pins while the decoder was busy.
        inside: of edges inside cells.
        nets: of the pins that nets drive.
        entering: of clock pins while events entered.
    """

    clock: float
    inside: float
    nets: float
    entering: float

    @property
    def total(self) -> float:
        """All but that of the clock while events entered."""
        return self.clock + self.inside + self.nets


def read_activity(lines: Iterable[str]) -> Activity:
    """Count the edges of a dump (VCD) of a decoder's nets, once it is ready after its last reset.

    Raises:
        DataError: it is never ready.
    """
    names: dict[str, list[str]] = {}
    last: dict[str, str] = {}
    toggles: Counter[str] = Counter()
    levels = {"aclk": "", "busy": "", "s_axis_tvalid": "", "aresetn": ""}
    entering = busy = 0
    is_ready = False
    for line in lines:
        head = line[:1]
        if head in "01xzXZ":
            value, code = head, line[1:].strip()
        elif head == "b":
            value, _, code = line[1:].strip().partition(" ")
        elif line.startswith("$var"):
            words = line.split()
            width, code, name = int(words[2]), words[3], words[4].lstrip("\\")
            names[code] = [f"{name}[{i}]" for i in range(width)] if width > 1 else [name]
            continue
        else:
            continue
        bits = names.get(code, [])
        before, last[code] = last.get(code, ""), value
        if len(bits) == 1:
            name = bits[0]
            if name in levels:
                levels[name] = value
                if levels["aresetn"] != "1":
                    is_ready = False
                elif name == "busy" and value == "0" and not is_ready:
                    is_ready = True
                    toggles.clear()
                    entering = busy = 0
                if name == "aclk" and value == "1":
                    busy += levels["busy"] == "1"
                    entering += levels["busy"] != "1" and levels["s_axis_tvalid"] == "1"
            if before in ("0", "1") and value in ("0", "1"):
                toggles[name] += 1
            continue
        wide = value.rjust(len(bits), "0" if value[0] in "01" else value[0])
        old = before.rjust(len(bits), "0" if before[:1] in ("0", "1") else "x")
        for i, (one, other) in enumerate(zip(reversed(old), reversed(wide), strict=True)):
            if one != other and one in "01" and other in "01":
                toggles[bits[i]] += 1
    if not is_ready:
        raise DataError("the dump of the gates' nets ends before the decoder is ready")
    return Activity(toggles, busy, entering)


def energy_of(
    cells: Iterable[tuple[str, Mapping[str, str]]], library: Library, activity: Activity
) -> Energy:
    """Energy of what a simulation saw.

    Args:
        cells: type, and the net at each pin, of every cell.
        library: their library; types that it does not have are left out.
        activity: of the same netlist.
    """
    known = [(library.cells[kind], pins) for kind, pins in cells if kind in library.cells]
    loads: dict[str, float] = defaultdict(float)
    for cell, pins in known:
        for name, net in pins.items():
            loads[net] += cell.pins[name].capacitance
    half = library.voltage**2 / 2
    clock = inside = nets = 0.0  # that of the clock, per clock
    for cell, pins in known:
        for name, net in pins.items():
            pin = cell.pins[name]
            if pin.is_clock:
                each = pin.energy(0.0, SLEW) + pin.capacitance * half
                clock += 2 * each
                continue
            count = activity.toggles.get(net, 0)
            inside += count * pin.energy(loads[net], SLEW)
            nets += count * pin.capacitance * half
    return Energy(clock * activity.busy, inside, nets, clock * activity.entering)
