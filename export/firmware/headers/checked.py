"""Functions of a header that refuse what is out of range, under `RSNN_CHECKED`."""

from collections.abc import Iterator, Mapping

from export.firmware import inputs
from export.firmware.direct import is_direct
from export.firmware.events.code import has_events
from export.firmware.storage import Storage
from export.firmware.templates import filled, template
from sim.network import IntegerNetwork

_FLAGS = (0, 1)
_LARGEST = 255  # that a byte holds; a number of it is below every larger count


def of_tuned(
    network: IntegerNetwork, stored: Mapping[str, Storage], are_padded: bool = False
) -> str:
    """Those of hand-written C, whose states list the neurons that fired."""
    return _checked(network, _lists(network, stored, are_padded))


def of_generated(network: IntegerNetwork) -> str:
    """Those of generated C, whose states have an array per layer and of inputs."""
    return _checked(network, _arrays(network))


def _checked(network: IntegerNetwork, is_state: Iterator[str]) -> str:
    steps = inputs.template_of(network, "checked", "h")
    if has_events(network):
        steps += "\n" + template("checked_first_spikes.h").rstrip()
    parts = {"IS_STATE": "".join(is_state), "STEPS": steps, **inputs.parts(network)}
    return filled("checked.h", parts).rstrip()


def _lists(
    network: IntegerNetwork, stored: Mapping[str, Storage], are_padded: bool
) -> Iterator[str]:
    for i, layer in enumerate(network.hidden):
        yield filled("checked_list.h", {"I": str(i), "N": str(layer.n_neurons)})
    if stored["w_in0"].in_lanes:
        kept = network.n_inputs if network.contract.delay_steps or are_padded else 0
        yield f"if (state->n_given > {kept}u)\n    return 0;\n"
        if network.n_inputs <= _LARGEST:
            yield filled("checked_given.h", {"N": str(network.n_inputs)})
    if are_padded:
        lists = [(f"fired{i}", layer.n_neurons) for i, layer in enumerate(network.hidden)]
        for name, n in [("given", network.n_inputs), *lists]:
            yield filled("checked_padding.h", {"LIST": name, "N": str(n)})


def _arrays(network: IntegerNetwork) -> Iterator[str]:
    for name, layer in network.named_layers():
        for state, word in layer.STATES.items():
            if not word:
                yield _in_range(f"{name}_{state}", layer.n_neurons, layer.sent)
    if not is_direct(network):
        for array in ("given", "arriving"):
            yield _in_range(array, network.n_inputs, network.input_values)
    if network.contract.inputs_once:
        yield _in_range("seen", network.n_inputs, _FLAGS)


def _in_range(array: str, n: int, ends: tuple[int, int]) -> str:
    low, high = ends
    parts = {"ARRAY": array, "N": str(n), "LOW": str(low), "HIGH": str(high)}
    return filled("checked_array.h", parts)
