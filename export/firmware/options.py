"""Options of exported C."""

from base.option import Option

NAME = Option("name", default="rsnn", help="Name of the files, prefix of the functions.")
LAYOUT = Option(
    "layout",
    default="fast",
    help="Layout of the weights in flash; with constant, every step costs the worst case.",
    choices=("fast", "compact", "constant"),
)
FLOAT_ABI = Option(
    "float_abi",
    default="soft",
    help="Float ABI that objects for a Cortex-M keep to (-mfloat-abi); all but soft need an FPU.",
    choices=("soft", "softfp", "hard"),
)
