import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import MismatchError
from sim import reference
from sim.trace import Difference, Trace, count_differences, first_difference, variable_names


@pytest.fixture
def trace() -> Trace:
    rng = np.random.default_rng(0)
    network = random_network(rng, hidden=(4, 3))
    return reference.run(network, random_raster(rng, 30, network.n_inputs))


def changed(trace: Trace, *places: tuple[str, int, int]) -> Trace:
    variables = {name: array.copy() for name, array in trace.variables.items()}
    for name, step, neuron in places:
        variables[name][step, neuron] += 1
    return Trace(variables)


def test_variables_are_named_in_the_order_of_computation():
    network = random_network(np.random.default_rng(0), hidden=(4, 3))
    assert variable_names(network) == (
        "hidden0.spk",
        "hidden0.syn",
        "hidden0.mem",
        "hidden1.spk",
        "hidden1.syn",
        "hidden1.mem",
        "readout.syn",
        "readout.out",
    )


def test_a_trace_knows_its_steps_and_words(trace):
    assert trace.n_steps == 30
    assert trace.n_words == 30 * (3 * 4 + 3 * 3 + 2 * 2)


def test_equal_traces_have_no_difference(trace):
    assert first_difference(trace, changed(trace)) is None
    assert count_differences(trace, changed(trace)) == 0


def test_the_earliest_step_wins_then_the_order_of_computation(trace):
    other = changed(trace, ("readout.out", 7, 1), ("hidden1.mem", 8, 0), ("hidden0.syn", 8, 2))
    first = first_difference(trace, other)
    value = int(trace.variables["readout.out"][7, 1])
    assert first == Difference(7, "readout", "out", 1, value, value + 1)
    assert str(first) == f"step 7, readout, neuron 1, out: expected {value}, found {value + 1}"
    assert count_differences(trace, other) == 3
    later = first_difference(trace, changed(trace, ("hidden1.mem", 8, 0), ("hidden0.syn", 8, 2)))
    assert (later.layer, later.variable, later.neuron) == ("hidden0", "syn", 2)


def test_traces_of_other_shapes_cannot_be_compared(trace):
    shorter = Trace({name: array[:-1] for name, array in trace.variables.items()})
    for compare in (first_difference, count_differences):
        with pytest.raises(MismatchError, match="cannot be compared"):
            compare(trace, shorter)
