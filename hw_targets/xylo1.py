"""SynSense's first Xylo: as XyloAudio 2, without biases, and membranes that change at once."""

from dataclasses import replace

from hw_targets.machines.xylo.chip import Room
from hw_targets.machines.xylo.target import xylo_target
from sim.contract import XYLO

ROOM = Room(inputs=16, hidden=1000, outputs=8, fan_in=63, fan_out=64)
TARGET = xylo_target(
    "Xylo of the first core, 1000 neurons", ROOM, replace(XYLO, by_increment=False)
)
