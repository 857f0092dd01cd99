"""CMSIS-Pack: a description with one component, of a folder that becomes a pack when zipped."""

from export.package import Package

PACKAGE = Package(
    description="a CMSIS-Pack",
    files={
        "RSNN.@NAME@.pdsc": "cmsis.pdsc",
    },
    note=(
        "Its `vendor` and `url` are yours to fill in. Zipped, this folder is"
        " `RSNN.@NAME@.1.0.0.pack`."
    ),
)
