"""The decoder in Verilog, simulated by Icarus Verilog, which compiles at once."""

from export.verilog.simulators import ICARUS
from hw_targets.machines.simulated import verilog_target

TARGET = verilog_target("Verilog in Icarus, for short runs", "icarus", ICARUS)
