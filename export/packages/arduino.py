"""Arduino: a library with a sketch."""

from export.package import Package

PACKAGE = Package(
    description="a library of Arduino",
    files={
        "library.properties": "library.properties",
        "examples/@NAME@_step/@NAME@_step.ino": "sketch.ino",
    },
    note=(
        "Its `url`, `author` and `maintainer` are yours to fill in. On AVR the weights take RAM, so"
        " only small networks fit."
    ),
)
