from dataclasses import fields

import pytest

from base.errors import DataError, RangeError
from sim.contract import PAPER, NumericContract, signed_range


def test_a_contract_survives_the_way_through_a_dictionary():
    contract = NumericContract(current="new", rounding="floor", mem_bits=20)
    assert NumericContract.from_dict(contract.as_dict()) == contract
    assert set(contract.as_dict()) == {field.name for field in fields(NumericContract)}


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("current", "old", "contract field `current` is 'old'; known: previous, new"),
        ("fires_when", ">>", "contract field `fires_when` is '>>'; known: >, >="),
        ("reset_drops_input", 1, "contract field `reset_drops_input` is 1; known: False, True"),
        ("delay_steps", 2, "contract field `delay_steps` is 2; known: 0, 1"),
        ("decay", "shift", "contract field `decay` is 'shift'; known: multiply"),
        ("weight_bits", 1, "contract field `weight_bits` is 1; it is a whole number 2..16"),
        ("mem_bits", 33, "contract field `mem_bits` is 33; it is a whole number 2..32"),
        ("decay_frac", 12.0, "contract field `decay_frac` is 12.0; it is a whole number 1..16"),
        ("frac_bits", True, "contract field `frac_bits` is True; it is a whole number 0..16"),
    ],
)
def test_a_value_without_a_meaning_is_refused(field, value, text):
    with pytest.raises(RangeError) as caught:
        NumericContract(**{field: value})
    assert str(caught.value) == text


def test_a_missing_and_an_unknown_field_are_named():
    values = PAPER.as_dict()
    del values["reset"]
    with pytest.raises(DataError, match="lacks field `reset`"):
        NumericContract.from_dict(values)
    del (values := PAPER.as_dict())["reset_delay"]  # as files do from before there was the field
    assert NumericContract.from_dict(values) == PAPER
    with pytest.raises(DataError, match="knows no field `chip`"):
        NumericContract.from_dict(PAPER.as_dict() | {"chip": "x"})


def test_signed_ranges_are_those_of_twos_complement():
    assert signed_range(8) == (-128, 127)
    assert signed_range(32) == (-(2**31), 2**31 - 1)
