"""Options of exported Verilog."""

from base.option import Option

NAME = Option("name", default="rsnn", help="Name of the top module, beginning of its files.")
LAYOUT = Option(
    "layout",
    default="fast",
    help="Size of the decoder: fast has 8 lanes and two multipliers, compact one lane and adders.",
    choices=("fast", "compact"),
)
AUTO = "auto"
LANES = Option(
    "lanes",
    default=AUTO,
    help="Neurons whose sums are gathered at the same time; auto is what the layout has.",
    choices=(AUTO, "1", "2", "4", "8", "16"),
)
UPDATE = Option(
    "update",
    default=AUTO,
    help="How neurons are updated: without a multiplier, with one, or with two and one neuron per"
    " clock; auto is what the layout has.",
    choices=(AUTO, "serial", "single", "pipelined"),
)
UNIQUE_INPUTS = Option(
    "unique_inputs",
    default=False,
    help="Channels of a step come in ascending order; others raise the error flag. Takes less.",
)
LINK = Option(
    "link",
    default="stream",
    help="What events come through: the stream of the decoder, bytes, or a serial port (uart).",
    choices=("stream", "bytes", "uart"),
)
STORAGE = Option(
    "storage",
    default="dense",
    help="Weights: dense, one word per block and sender; bitmap, without zeros, for one lane; or"
    " spram, dense, in memories that are loaded after power-up.",
    choices=("dense", "bitmap", "spram"),
)
PACK = Option(
    "pack",
    default=False,
    help="Constants and states in one memory: fewer block RAMs, a clock more per neuron.",
)
DECODER = (LANES, UPDATE, UNIQUE_INPUTS, PACK, STORAGE, LINK)
"""What a decoder has beside, or in place of, what its layout says."""
SHAPE = (LAYOUT, *DECODER)
