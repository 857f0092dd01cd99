"""The decoder in Verilog, compiled by Verilator to a program, which runs fast."""

from export.verilog.simulators import VERILATOR
from hw_targets.machines.simulated import verilog_target

TARGET = verilog_target("Verilog in Verilator, for whole sessions", "verilator", VERILATOR)
