"""The C of a network: hand-tuned templates if every layer's kind has them, else generated."""

from base.checks import check_choice
from base.errors import RangeError, UnsupportedError
from export.firmware import generated, inputs
from export.firmware import source as tuned
from export.firmware.arithmetic import Arithmetic
from export.firmware.options import LAYOUT
from export.firmware.storage import CONSTANT, LAYOUTS, can_be_constant
from export.firmware.templates import counter, filled
from sim.network import IntegerNetwork

_MOST = (1 << 16) - 1


def is_tuned(network: IntegerNetwork) -> bool:
    """Whether hand-written templates compute every layer of a network."""
    return network.is_tuned("c")


def layouts(network: IntegerNetwork) -> tuple[str, ...]:
    """The layouts of the weights that a network's C can have, the default first."""
    if not is_tuned(network):
        return LAYOUTS[:1]
    return (*LAYOUTS, CONSTANT) if can_be_constant(network) else LAYOUTS


def check_layout(network: IntegerNetwork, layout: str) -> None:
    """Refuse a layout that does not exist, or that generated code does not have.

    Raises:
        RangeError: there is no such layout, or the network's C does not have it.
    """
    check_choice("layout", layout, LAYOUT.choices)
    if layout in (own := layouts(network)):
        return
    if is_tuned(network):
        raise RangeError(
            f"`layout` is {layout}, which is for weights of up to 8 bits and layers with up to 255"
            " senders and neurons; use another, or fewer bits or neurons"
        )
    raise RangeError(
        f"`layout` is {layout}; the C of this network is generated, as no hand-written code"
        f" computes all its layers, and has {own[0]} alone; leave the layout out"
    )


def header(network: IntegerNetwork, name: str, layout: str) -> str:
    """`<name>.h`: sizes, the state struct, the functions.

    Raises:
        UnsupportedError: channels or neurons that fired could not be listed in 16 bits.
    """
    _check_counts(network)
    if is_tuned(network):
        return tuned.header(network, name, layout)
    return generated.header(network, name)


def _check_counts(network: IntegerNetwork) -> None:
    """Refuse more channels, or neurons where templates list them, than 16 bits count."""
    counts = [("the network", network.n_inputs, "inputs")]
    if is_tuned(network):
        counts += [
            (name, layer.n_neurons, "neurons")
            for name, layer in network.named_layers()
            if not layer.is_readout()
        ]
    for name, count, what in counts:
        if count > _MOST:
            raise UnsupportedError(
                f"{name} has {count} {what}; C lists them in 16 bits, up to {_MOST}. Export ONNX,"
                f" or use fewer {what}"
            )


def source(
    network: IntegerNetwork, name: str, layout: str, arithmetic: Arithmetic | None = None
) -> str:
    """`<name>.c`: weights and steps; generated code has one layout and one arithmetic."""
    if is_tuned(network):
        return tuned.source(network, name, layout, arithmetic)
    return generated.source(network, name)


def replay_source(network: IntegerNetwork, name: str) -> str:
    """`replay.c`: a program that runs a raster from a file and writes every word to another."""
    give, word = (tuned if is_tuned(network) else generated).replay_give(network)
    main = {"MAIN": inputs.template_of(network, "replay", "c"), **inputs.parts(network)}
    parts = {"COUNTER": counter(), "GIVE_ALL": give, "READOUT_I": word}
    text = filled("replay.c", main | parts)
    return text.replace("@NAME@", name)
