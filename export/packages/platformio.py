"""PlatformIO: a library, for a project's `lib` folder or `pio pkg pack`."""

from export.package import Package

PACKAGE = Package(
    description="a library of PlatformIO",
    files={
        "library.json": "library.json",
    },
)
