"""This machine: the same C, compiled by its own compiler."""

from hw_targets.machines.c_machine import Machine
from hw_targets.machines.c_target import c_target

MACHINE = Machine("cc", packages={"cc": "gcc"})
TARGET = c_target("this machine, by its C compiler", MACHINE)
