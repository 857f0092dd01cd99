"""Arduino: a library with a sketch, for cores whose `int` has 32 bits."""

from export.package import Package

PACKAGE = Package(
    description="a library of Arduino",
    files={
        "library.properties": "library.properties",
        "examples/@NAME@_step/@NAME@_step.ino": "sketch.ino",
    },
    note=(
        "Its `url`, `author` and `maintainer` are yours to fill in. AVR is left out: its `int` has"
        " 16 bits."
    ),
)
