"""Options of exported Verilog."""

from base.option import Option

NAME = Option("name", default="rsnn", help="Name of the top module, beginning of its files.")
LAYOUT = Option(
    "layout",
    default="fast",
    help="Size of the decoder: fast has 8 lanes and a multiplier, compact one lane and adders.",
    choices=("fast", "compact"),
)
