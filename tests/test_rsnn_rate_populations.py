"""Populations: what a rate network has, and what a file says of them."""

import numpy as np
import pytest
from rate_networks import random_rate_network

from rsnn.rate.populations import populations_of, read_populations

NAMED = {"E": [1, 2, 4, 5, 7, 8, 10, 11], "PV": [6, 9], "SST": [0, 3]}


def test_pv_are_the_inhibitory_units_that_are_not_sst():
    assert populations_of(random_rate_network()) == NAMED


def test_a_population_without_units_is_left_out():
    network = random_rate_network(is_sst=np.zeros(12, bool))
    assert populations_of(network) == {"E": NAMED["E"], "PV": [0, 3, 6, 9]}


def test_units_that_excite_and_inhibit_have_no_populations():
    network = random_rate_network(dale=False, sign=np.ones(12), is_sst=np.zeros(12))
    assert populations_of(network) == {}


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_names_them_itself_or_in_the_history_of_its_source(inside):
    named = {"populations": NAMED}
    found = read_populations({"history": named} if inside else named, 12)
    assert {name: units.tolist() for name, units in found.items()} == NAMED
    assert list(found) == ["E", "PV", "SST"]


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"populations": {}},
        {"populations": NAMED | {"PV": [6]}},
        {"populations": NAMED | {"PV": [6, 9, 9]}},
        {"populations": NAMED | {"PV": [6, 8]}},
        {"populations": NAMED | {"PV": [6, 12]}},
        {"populations": NAMED | {"PV": [6, 9.0]}},
        {"populations": NAMED | {"PV": [6, 9, True], "E": NAMED["E"][1:]}},
        {"populations": NAMED | {"PV": "6"}},
        {"populations": {"X": list(range(12))}},
        {"populations": "E"},
        {"history": "E"},
    ],
)
def test_all_units_are_one_population_where_a_file_does_not_place_each_once(origin):
    found = read_populations(origin, 12)
    assert list(found) == ["all"]
    assert found["all"].tolist() == list(range(12))
