"""The order of a step: the choices that float models and integer networks share."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from base.errors import RangeError

_BETWEEN = frozenset({"nir", "bounds"})  # hand-written code with other delays between layers
BETWEEN_LAYERS = ("delay_steps", "inputs_at_once", "readout_delayed")  # fields no step depends on


@dataclass(frozen=True)
class Order:
    """The order in which the updates of a step are made; the equations are the numeric contract's.

    The defaults are the published order, in which each variable waits a step for the other.
    A field's metadata may have

    since: the version of the numeric contract that introduced it, if not the first.
    choice_since: the version in which a field got its second value.
    opt_in: for a field that only those kinds of neurons compute that name it in
        `sim.layer.Layer.CHOICES`: `all` kinds or, of a field about spikes, all but readouts.
    tuned: the names of the hand-written code (`sim.layer.Layer.TUNED`) that computes its values
        other than the default; without it, all does. For networks in which a field has a value
        that some hand-written code does not compute, generated code takes its place.

    Attributes:
        current: the membrane integrates the synaptic current from before or after this step.
        fires_on: the spike is decided on the membrane from before this step's update
            (`previous_membrane`), from after it (`new_membrane`), or from after it and after the
            reset of a membrane that was over threshold before (`reset_membrane`).
        reset: a spike clears the membrane, or takes the threshold off it.
        reset_drops_input: the drive of the firing step is lost.
        delay_steps: steps from a spike to its arrival in the layer above, and of an input spike
            to the first layer: 1, or 0, when layers are computed one after the other. Through
            `w_rec` a spike always takes 1.
        reset_delay: a spike resets its membrane in the step after, not in its own.
        fires_when: a membrane exactly at threshold stays silent (`>`) or fires (`>=`).
        bias_on: a bias is added to the synaptic current, or to what the membrane integrates of it.
        adds_first: what arrives is added to a synaptic current before it decays, not after.
        delivery: spikes of a step are summed exactly before a current can overflow (`sum`), or it
            overflows after every single one (`each`): matrix by matrix, in the order of senders, n
            spikes of a sender as n single ones. Floats have no overflow.
        by_increment: the change of a membrane is summed first, in words that overflow, and then
            added to it. Floats have no overflow, so for them nothing changes.
        inputs_at_once: inputs reach the first layer in their own step whatever `delay_steps` says.
        readout_delayed: spikes reach the readout in the step after, whatever `delay_steps` says.

    Raises:
        RangeError: a field has a value that is not allowed.
    """

    current: Literal["previous", "new"] = "previous"
    fires_on: Literal["previous_membrane", "new_membrane", "reset_membrane"] = "previous_membrane"
    reset: Literal["zero", "subtract"] = "zero"
    reset_drops_input: bool = True
    delay_steps: Literal[0, 1] = 1
    reset_delay: bool = field(default=False, metadata={"since": 3})
    fires_when: Literal[">", ">="] = ">"
    bias_on: Literal["current", "membrane"] = field(
        default="current", metadata={"since": 7, "tuned": frozenset({"nir"})}
    )
    adds_first: bool = field(default=False, metadata={"since": 8, "tuned": frozenset({"nir"})})
    delivery: Literal["sum", "each"] = field(
        default="sum", metadata={"choice_since": 8, "opt_in": "all"}
    )
    by_increment: bool = field(default=False, metadata={"since": 8, "opt_in": "all"})
    inputs_at_once: bool = field(default=False, metadata={"since": 8, "tuned": _BETWEEN})
    readout_delayed: bool = field(default=False, metadata={"since": 8, "tuned": _BETWEEN})

    def __post_init__(self) -> None:
        check_choices(self)

    def delays(self, n_layers: int) -> tuple[int, ...]:
        """Steps that a spike takes to each of a network's layers from below, the readout's last."""
        found = [int(self.delay_steps)] * n_layers
        if n_layers > 1 and self.readout_delayed:
            found[-1] = 1
        if self.inputs_at_once:
            found[0] = 0
        return tuple(found)


def possible_values(kind: type[Order]) -> dict[str, tuple[Any, ...]]:
    """The values of each field with a fixed set of them, by name, as its type lists them."""
    hints = get_type_hints(kind)
    found = {
        item.name: (False, True) if hints[item.name] is bool else get_args(hints[item.name])
        for item in fields(kind)
    }
    return {name: values for name, values in found.items() if values}


def check_choices(order: Order, called: str = "") -> None:
    """Refuse an order with a value that is not allowed; errors put `called` before the field.

    Raises:
        RangeError: there is one.
    """
    for name, values in possible_values(type(order)).items():
        value = getattr(order, name)
        if value not in values or type(value) is not type(values[0]):
            known = ", ".join(map(str, values))
            raise RangeError(f"{called}`{name}` is {value!r}; known: {known}")


PUBLISHED = Order()
