"""Options of exported C."""

from base.option import Option

NAME = Option("name", default="rsnn", help="Name of the files, prefix of the functions.")
LAYOUT = Option(
    "layout",
    default="fast",
    help="Layout of the weights in flash.",
    choices=("fast", "compact"),
)
