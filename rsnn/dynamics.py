"""In which order a model's step is computed: the published one, or that of an imported network."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from base.errors import RangeError


@dataclass(frozen=True)
class Dynamics:
    """The choices that `sim.contract.NumericContract` makes for integers, for a float model.

    The defaults are the published dynamics, in which each variable waits a step for the other.

    Attributes:
        current: the membrane integrates the current from before or after this step's input.
        fires_on: the spike is decided on the membrane from before this step, from after it, or from
            after it and after the reset of a membrane that was over threshold before.
        reset: a spike clears the membrane, or takes the threshold off it.
        reset_drops_input: the current of the firing step is lost.
        initial_out: a readout's `out` before the first step.
        delay_steps: steps from a spike, or an input, to its arrival in the layer above.
        reset_delay: a spike resets its membrane in the step after its own.
    """

    current: Literal["previous", "new"] = "previous"
    fires_on: Literal["previous_membrane", "new_membrane", "reset_membrane"] = "previous_membrane"
    reset: Literal["zero", "subtract"] = "zero"
    reset_drops_input: bool = True
    initial_out: float = -0.01
    delay_steps: Literal[0, 1] = 1
    reset_delay: bool = False

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            allowed = get_args(hints[field.name])
            if allowed and getattr(self, field.name) not in allowed:
                known = ", ".join(map(str, allowed))
                raise RangeError(f"`{field.name}` is {getattr(self, field.name)}; known: {known}")

    def contract_fields(self) -> dict[str, Any]:
        """The fields of a numeric contract in which integers compute in this order."""
        chosen = asdict(self)
        del chosen["initial_out"]
        return chosen


PUBLISHED = Dynamics()
