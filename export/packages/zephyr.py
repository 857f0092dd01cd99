"""Zephyr: a module, for `ZEPHYR_EXTRA_MODULES` or a west manifest."""

from export.package import Package

PACKAGE = Package(
    description="a module of Zephyr",
    files={
        "zephyr/module.yml": "module.yml",
        "zephyr/CMakeLists.txt": "zephyr.cmake",
        "zephyr/Kconfig": "Kconfig",
    },
    note="Name this folder in `ZEPHYR_EXTRA_MODULES`, and set `CONFIG_@UPPER@=y`.",
)
