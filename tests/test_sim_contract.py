from dataclasses import fields, replace

import pytest

from base.errors import DataError, RangeError
from sim.conformance.cases import cases
from sim.contract import PAPER, NumericContract, choices, numbers, signed_range


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
        ("decay", "divide", "contract field `decay` is 'divide'; known: multiply, shift"),
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


def test_every_field_is_a_choice_or_a_number():
    opt_in = {"delivery", "by_increment"}  # choices that not every kind offers
    names = {field.name for field in fields(NumericContract)}
    assert names == {*choices(), *numbers(), *opt_in}
    assert not opt_in & set(choices())
    assert all(len(values) > 1 for values in choices().values())
    for name, (default, *_) in choices().items():
        assert getattr(PAPER, name) == default
    assert choices()["delay_steps"] == (1, 0)
    assert choices()["reset_drops_input"] == (True, False)


@pytest.mark.parametrize("name", numbers())
def test_the_conformance_kit_covers_the_ends_and_the_default_of_every_number(name):
    values = numbers()[name]
    assert {min(values), getattr(PAPER, name), max(values)} <= set(values)
    assert set(values) <= {getattr(case.network.contract, name) for case in cases()}


def test_a_digest_covers_a_later_field_only_where_it_departs_from_its_default():
    later = {f.name for f in fields(NumericContract) if f.metadata.get("since", 1) > 1}
    assert "reset_delay" in later
    assert set(PAPER.as_dict()) - set(PAPER.identity()) == later
    for name in later:
        values = choices() | numbers() | {"by_increment": (False, True)}
        other = replace(PAPER, **{name: values[name][1]})
        assert set(other.identity()) == set(PAPER.identity()) | {name}
        assert set(other.written()) == set(PAPER.written()) | {name}


def test_files_hold_a_field_introduced_after_version_3_only_where_it_departs_from_its_default():
    assert set(PAPER.as_dict()) - set(PAPER.written()) == {
        *("refractory_steps", "input_bits", "input_signed", "inputs_once"),
        *("bias_on", "saturation", "adds_first", "inputs_at_once", "readout_delayed"),
        *("max_spikes", "by_increment"),
    }


def test_a_missing_and_an_unknown_field_are_named():
    values = PAPER.as_dict()
    del values["reset"]
    with pytest.raises(DataError, match="lacks the field `reset`"):
        NumericContract.from_dict(values)
    del (values := PAPER.as_dict())["reset_delay"]  # as in files older than the field
    assert NumericContract.from_dict(values) == PAPER
    with pytest.raises(DataError, match="has an unknown field `chip`"):
        NumericContract.from_dict(PAPER.as_dict() | {"chip": "x"})


def test_signed_ranges_are_those_of_twos_complement():
    assert signed_range(8) == (-128, 127)
    assert signed_range(32) == (-(2**31), 2**31 - 1)
