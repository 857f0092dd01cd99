"""What a layer of snnTorch computes in a step, in each version.

Versions with one number compute alike, but for 0.9.4, whose Synaptic is that of 1.0. Earlier ones
differ from 1.0 as follows, with I for what arrives and R for mem[t-1] > threshold:

    0.6, 0.7    Leaky, RLeaky; subtract; states passed    mem = beta (mem - R threshold) + I
                Leaky; zero; states passed                mem = (1 - R) (beta mem + I)
                Synaptic; init_hidden                     mem = beta mem + I, and after a reset to
                                                          zero -alpha syn
                RSynaptic; zero; init_hidden              a reset clears syn too
    0.8, 0.9    Synaptic; states passed                   mem stands in for the syn that is passed
                Synaptic; reset_delay false               it resets late all the same

In all of them RSynaptic without `reset_delay` resets late too: it computes its reset into names
that it then drops, and stops with an error where there are none, under `init_hidden`.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from base.errors import DataError
from rsnn.snntorch.description import VERSIONS, Description, Layer

Synapse = Literal["own", "unused", "membrane"]

_BEFORE_DELAY = ("0.6", "0.7")
_SYN_IS_MEM = ("0.8", "0.9")


@dataclass(frozen=True)
class Step:
    """What a layer computes in a step.

    Attributes:
        order: fields of `base.order.Order` and their values; none for neurons that never reset.
        synapse: `own`: syn decays by alpha; `unused`: the membrane takes what arrives in its
            stead; `membrane`: the last membrane stands in for the last syn.
        why_not: the reason why no contract has it, or nothing.
    """

    order: tuple[tuple[str, Any], ...]
    synapse: Synapse = "own"
    why_not: str = ""


def step_of(layer: Layer, mechanism: str, version: str) -> Step:
    """The step of a layer of neurons whose `reset_mechanism` is `mechanism`.

    Raises:
        DataError: the version has no such layer, no contract has its step, or the step depends on
            `init_hidden`, which the layer lacks.
    """
    called = f"`{layer.name}`, a {layer.neuron} of snnTorch {version},"
    if version in _BEFORE_DELAY and not layer.reset_delay:
        raise DataError(
            f"{called} has reset_delay false, which came with 0.8; leave it out, or name the"
            " version that trained the network"
        )
    choices = (False, True) if layer.init_hidden is None else (layer.init_hidden,)
    found = {step for hidden in choices if (step := _step(layer, mechanism, version, hidden))}
    if not found:
        raise DataError(
            f"{called} stops with an error if reset_delay is false and init_hidden true; describe"
            " the layer as it was run"
        )
    if len(found) > 1:
        raise DataError(
            f"{called} computes one thing with init_hidden and another with states passed; add"
            " init_hidden = true or init_hidden = false to its [[layers]]"
        )
    (step,) = found
    if step.why_not:
        raise DataError(
            f"{called} with init_hidden and reset_mechanism {mechanism} cannot be represented:"
            f" {step.why_not}; train it again with 1.0, or with states passed"
        )
    return step


def _step(layer: Layer, mechanism: str, version: str, hidden: bool) -> Step | None:
    """The step of a layer with or without `init_hidden`; None if it stops with an error."""
    neuron, first, swapped = layer.neuron, version in _BEFORE_DELAY, version in _SYN_IS_MEM
    drops_reset = neuron == "RSynaptic" or (neuron == "Synaptic" and swapped)
    if drops_reset and hidden and not layer.reset_delay and mechanism != "none":
        return None
    late = layer.reset_delay or drops_reset
    keeps = mechanism == "subtract" or (neuron == "Leaky" and late)
    synapse: Synapse = "own"
    fires_on, why_not = "reset_membrane", ""
    if first and not hidden and neuron in ("Leaky", "RLeaky"):
        keeps = mechanism == "subtract"
        if keeps:  # to reset before the decay of a step is to reset at the end of the one before
            fires_on, late = "new_membrane", False
    if first and hidden and neuron == "Synaptic":
        synapse = "unused"
        if mechanism == "zero":
            why_not = "a reset leaves -alpha syn in the membrane"
    if first and hidden and neuron == "RSynaptic" and mechanism == "zero":
        why_not = "a reset clears the synaptic current too"
    if swapped and not hidden and neuron == "Synaptic":
        synapse = "membrane"
    if mechanism == "none":
        return Step((), synapse, why_not)
    order = {
        "fires_on": fires_on,
        "reset": mechanism,
        "reset_drops_input": not keeps,
        "reset_delay": late,
    }
    return Step(tuple(order.items()), synapse, why_not)


def version_of(installed: str) -> str:
    """The known version that computes as an installed one does, as 0.9 for 0.9.1.

    Raises:
        DataError: its modules do not say all that is needed, or nothing is known of it.
    """
    numbers = _numbers(installed)
    known = [version for version in VERSIONS if _numbers(version) <= numbers]
    if not known or known[-1] in _BEFORE_DELAY:
        raise DataError(
            f"snnTorch {installed} is installed; modules are read from 0.8 on, describe a state"
            " dict instead (docs/snntorch.md)"
        )
    return known[-1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def remarks(description: Description) -> list[str]:
    """Sentences on a version that is not given, or that stands for two that differ."""
    if description.snntorch is None:
        known = ", ".join(VERSIONS)
        return [f"no `snntorch` in the description: read as of version {VERSIONS[-1]}, of {known}"]
    if description.snntorch == "0.9" and any(
        layer.neuron == "Synaptic" and not layer.init_hidden for layer in description.layers
    ):
        return ['snntorch = "0.9" is 0.9.0 and 0.9.1; 0.9.4 has another Synaptic, write "0.9.4"']
    return []
