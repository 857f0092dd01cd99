"""The order of a step: the choices that float models and integer networks share."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from base.errors import RangeError


@dataclass(frozen=True)
class Order:
    """The order in which the updates of a step are made; the equations are the numeric contract's.

    The defaults are the published order, in which each variable waits a step for the other.
    A field's metadata may have

    since: the version of the numeric contract that introduced it, if not the first.
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

    def __post_init__(self) -> None:
        check_choices(self)


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
