import pytest

from base.errors import RangeError
from base.order import PUBLISHED, Order
from rsnn.model import Architecture
from sim.contract import PAPER


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("fires_on", "never", "previous_membrane, new_membrane, reset_membrane"),
        ("reset_drops_input", 1, "False, True"),
        ("delay_steps", True, "0, 1"),
        ("reset_delay", 0, "False, True"),
    ],
)
def test_an_order_that_does_not_exist_is_refused_with_its_field(field, value, known):
    with pytest.raises(RangeError) as caught:
        Order(**{field: value})
    assert str(caught.value) == f"`{field}` is {value!r}; known: {known}"


def test_floats_and_integers_compute_in_the_published_order_by_default():
    for name, value in vars(PUBLISHED).items():
        assert getattr(PAPER, name) == value
    assert Architecture(1).order == PUBLISHED
    assert Architecture(1).is_published
    assert not Architecture(1, initial_out=0.0).is_published
    assert not Architecture(1, order=Order(reset="subtract")).is_published
