"""What the headers of hand-written and of generated C say alike."""

from export.firmware import inputs
from export.firmware.events import code as events
from export.firmware.headers import scales
from export.firmware.templates import template
from sim.network import IntegerNetwork


def shared(network: IntegerNetwork, name: str) -> dict[str, str]:
    """Parts of a header's template: names, sizes, notes, scales, the functions of a step."""
    readout = network.readout
    return {
        "NOTES": template("notes.h").rstrip(),
        "SCALES": scales.macros(network),
        "STEPS": inputs.template_of(network, "steps", "h") + events.header(network),
        "DECODED": "\n * ".join(scales.decoding(network)),
        **inputs.parts(network),
        "GUARD": f"{name.upper()}_H",
        "DIGEST": network.digest(),
        "N_INPUTS": str(network.n_inputs),
        "N_ROWS": str(readout.n_neurons),
        "N_HEADS": str(readout.n_heads),
        "N_OUTPUTS": str(readout.n_outputs),
        "DT": repr(network.dt),
        "NAME": name,
    }
