"""Any two choices of a contract meet in few contracts; fields that come later bring their cases."""

from dataclasses import field, make_dataclass, replace
from itertools import combinations, product
from typing import Literal

import numpy as np
import pytest
from networks import random_network

from export.firmware.code import source as firmware_source
from sim.conformance import cases, covering
from sim.contract import PAPER, NumericContract, choices
from sim.verify import code_of


def pairs(contracts, known):
    return {
        (a, getattr(c, a), b, getattr(c, b)) for c in contracts for a, b in combinations(known, 2)
    }


def every_pair(known):
    return {(a, x, b, y) for a, b in combinations(known, 2) for x, y in product(known[a], known[b])}


def test_any_two_choices_meet_in_few_contracts():
    found = covering.covering(choices())
    assert pairs(found, choices()) == every_pair(choices())
    assert found[0] == PAPER
    assert len(found) <= 17


def test_what_has_met_does_not_meet_again():
    every = covering.covering(choices())
    assert covering.covering(choices(), every) == []
    rest = covering.covering(choices(), every[:4])
    assert pairs([*every[:4], *rest], choices()) == every_pair(choices())
    assert len(rest) < len(every)
    missing = every_pair(choices()) - pairs(every[:4], choices())
    assert (
        min(len(pairs([contract], choices()) & missing) for contract in rest) > 0
    )  # none is there for nothing


def test_the_choices_of_a_version_are_those_it_knows():
    assert covering.later_versions(0) == [1, 3, 5, 6, 7, 8]
    assert covering.later_versions(3) == [5, 6, 7, 8]
    assert set(choices()) - set(covering.known_in(2)) == {
        *("reset_delay", "input_signed", "inputs_once", "bias_on", "saturation"),
        *("adds_first", "inputs_at_once", "readout_delayed", "decay"),
    }
    assert covering.known_in(8) == choices()
    assert covering.numbers_since(4) == {}  # that of its kind alone
    assert covering.numbers_since(5) == {"input_bits": (1, 3, 8)}
    assert covering.known_in(1)["reset"] == ("zero", "subtract")


Later = make_dataclass(
    "Later",
    [
        (
            "bias_on",
            Literal["current", "membrane"],
            field(default="current", metadata={"since": 7}),
        ),
        ("odd", bool, field(default=False, metadata={"since": 9, "tuned": frozenset({"numba"})})),
    ],
    bases=(NumericContract,),
    frozen=True,
)


def test_fields_introduced_later_meet_every_choice_in_cases_of_their_own(monkeypatch):
    """As if the contract had two more fields; what they mean is not asked here."""
    for module in ("sim.contract", "sim.conformance.covering"):
        monkeypatch.setattr(f"{module}.NumericContract", Later)
        monkeypatch.setattr(f"{module}.PAPER", Later())
    assert covering.later_versions(3) == [5, 6, 7, 8, 9]
    known = covering.known_in(8)
    assert known["bias_on"] == ("current", "membrane")
    assert "odd" not in known
    for module in ("case", "cases", "kind_cases"):
        monkeypatch.setattr(f"sim.conformance.{module}.PAPER", Later())
    for module in ("cases", "kind_cases"):
        monkeypatch.setattr(f"sim.conformance.{module}.SNNTORCH", Later())
    found = [case for case in cases.cases() if case.name.startswith("contract-since-")]
    assert len(found) > 3
    assert found[0].name == "contract-since-5-0"
    contracts = [
        case.network.contract
        for case in cases.cases()
        if case.name.startswith(("contract-", "order-"))
    ]
    assert pairs(contracts, choices()) == every_pair(choices())
    assert not any(case.network.contract.odd for case in found if "since-9" not in case.name)
    assert all(layer.bias.any() for case in found for layer in case.network.layers)


@pytest.mark.parametrize(
    ("contract", "writer", "known"),
    [
        (Later(), "c", True),
        (Later(bias_on="membrane"), "c", True),
        (Later(odd=True), "c", False),
        (Later(odd=True), "numba", True),
    ],
)
def test_hand_written_code_is_known_not_to_compute_a_field(contract, writer, known):
    assert contract.is_computed_by(writer) is known


def test_generated_code_takes_the_place_of_hand_written_code_that_does_not_know_a_field():
    network = random_network(np.random.default_rng(1))
    other = replace(network, contract=Later(odd=True))
    assert [code_of(network, writer) for writer in ("numba", "c", "bounds")] == ["hand-written"] * 3
    assert code_of(other, "numba") == "hand-written"
    assert not other.is_tuned("c")
    assert not other.is_tuned("bounds")
    assert code_of(other, "c") == "generated"
    tuned, written = (firmware_source(n, "rsnn", "fast") for n in (network, other))
    assert "RESET_DELAY" in tuned
    assert "RESET_DELAY" not in written
