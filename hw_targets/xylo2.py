"""SynSense's XyloAudio 2, which shares its core with XyloAudio 3 and XyloIMU."""

from hw_targets.machines.xylo.chip import Room
from hw_targets.machines.xylo.target import xylo_target
from sim.contract import XYLO

ROOM = Room(inputs=16, hidden=1000, outputs=8, fan_in=63, fan_out=64)
TARGET = xylo_target("XyloAudio 2, a core of 1000 neurons", ROOM, XYLO)
