"""180 nm standard cells (OSU's library, packaged by Debian): area, and energy of a step."""

from pathlib import Path

from hw_targets.machines.asic.target import asic_target
from hw_targets.machines.target import Limits

LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
TARGET = asic_target(
    "180 nm standard cells (osu018): area, and energy from toggles of the gates",
    LIBERTY,
    Limits(clock_hz=12e6),
)
