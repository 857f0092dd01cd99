"""Neurons that spike several times in a step, with one or two synapses, and readouts that spike."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from networks import random_network, random_raster

from base.errors import MismatchError, RangeError, UnsupportedError
from export.firmware.decoder import run_backend as run_c
from export.onnx.models import to_scan_model, to_step_model
from rsnn.arithmetic import Floats
from rsnn.surrogate import Surrogate
from sim import reference
from sim.arithmetic.exact import count, decayed
from sim.arithmetic.intervals import Interval, Intervals
from sim.bounds.layers import state_bounds
from sim.conformance.kind_cases import later_kind_cases
from sim.contract import PAPER, XYLO, NumericContract
from sim.fast import runs
from sim.intermediates import asked_in
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.kinds.firing_cuba_li import FiringCubaLI
from sim.kinds.multi_spike_cuba_lif import MultiSpikeCubaLIF
from sim.layer import BELOW
from sim.metrics import evaluate_run
from sim.network import IntegerNetwork
from sim.trace import count_differences

CASES = {case.name: case for case in later_kind_cases()}
COUNTING = replace(
    PAPER,
    frac_bits=0,
    current="new",
    fires_on="new_membrane",
    reset="subtract",
    reset_drops_input=False,
    bias_on="membrane",
    max_spikes=5,
)


def one(contract, w_in=10, threshold=3, **readout):
    """One input, one neuron that forgets all, a readout that keeps all."""
    unity = contract.largest_decay
    hidden = MultiSpikeCubaLIF(
        w_in=np.array([[w_in]]),
        w_rec=None,
        e_in=np.array([0]),
        e_rec=np.array([0]),
        decay_syn=np.array([0]),
        decay_mem=np.array([unity]),
        threshold=np.array([threshold]),
    )
    kind = FiringCubaLI if readout else CubaLI
    last = kind(
        w_out=np.array([[2]]),
        decay_syn=np.array([0]),
        decay_mem=np.array([unity]),
        initial_out=np.array([0]),
        out_scale=np.ones(1),
        **{name: np.array([value]) for name, value in readout.items()},
    )
    return IntegerNetwork((hidden, last), contract, 0.004)


def words(network, inputs):
    found = reference.run(network, np.array(inputs, np.uint8)[:, None]).variables
    return {name: values[:, 0].tolist() for name, values in found.items()}


def test_a_neuron_spikes_as_often_as_the_threshold_is_in_its_membrane():
    found = words(one(COUNTING), [1, 0, 1, 0, 0])
    assert found["hidden0.spk"] == [0, 3, 0, 3, 0]
    assert found["hidden0.mem"] == [0, 1, 1, 2, 2]  # 10 - 9; 11 - 9
    assert found["readout.syn"] == [0, 0, 6, 0, 6]


def test_a_membrane_at_a_multiple_of_its_threshold_depends_on_the_comparison():
    strict = words(one(COUNTING, w_in=9), [1, 0])
    assert (strict["hidden0.spk"][1], strict["hidden0.mem"][1]) == (2, 3)
    equal = words(one(replace(COUNTING, fires_when=">="), w_in=9), [1, 0])
    assert (equal["hidden0.spk"][1], equal["hidden0.mem"][1]) == (3, 0)


def test_at_most_so_many_spikes_leave_the_rest_in_the_membrane():
    found = words(one(COUNTING, w_in=40), [1, 0, 0, 0])
    assert found["hidden0.spk"] == [0, 5, 5, 3]
    assert found["hidden0.mem"] == [0, 25, 10, 1]
    below = words(one(COUNTING, w_in=-40), [1, 0])
    assert (below["hidden0.spk"], below["hidden0.mem"][1]) == ([0, 0], -40)


def test_the_threshold_is_taken_off_what_the_word_holds():
    narrow = replace(COUNTING, mem_bits=6)
    assert words(one(narrow, w_in=40), [1, 0])["hidden0.mem"][1] == 31 - 15


def test_a_readout_spikes_once_in_a_step_and_keeps_the_rest():
    found = words(one(COUNTING, threshold=9), [1, 0, 0, 0])
    assert found["readout.out"] == [0, 0, 2, 2]
    firing = words(one(replace(COUNTING, fires_when=">="), threshold=9, **{}), [1, 0, 0])
    assert "readout.fired" not in firing
    contract = replace(COUNTING, fires_when=">=")
    network = replace(
        one(contract, w_in=40), layers=(one(contract, w_in=40).hidden[0], firing_readout())
    )
    found = words(network, [1, 0, 0, 0, 0])
    assert found["hidden0.spk"] == [0, 5, 5, 3, 0]
    assert found["readout.fired"] == [0, 0, 1, 1, 1]
    assert found["readout.out"] == [0, 0, 6, 12, 14]


def firing_readout():
    return FiringCubaLI(
        w_out=np.array([[2]]),
        decay_syn=np.array([0]),
        decay_mem=np.array([1 << 12]),
        initial_out=np.array([0]),
        out_scale=np.ones(1),
        threshold=np.array([4]),
    )


def test_a_firing_readout_without_a_threshold_is_refused():
    values = {name: value for name, value in vars(firing_readout()).items() if name != "threshold"}
    with pytest.raises(MismatchError, match="a readout of kind firing_cuba_li has no `threshold`"):
        FiringCubaLI(**values)


@pytest.mark.parametrize("value", [0, -3])
def test_thresholds_are_above_0(value):
    with pytest.raises(RangeError, match=rf"threshold holds {value}; 1\.\."):
        one(COUNTING, threshold=value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_spikes", 2), ("delivery", "each"), ("by_increment", True)],
)
def test_other_kinds_refuse_what_they_do_not_compute(field, value):
    network = random_network(np.random.default_rng(0))
    with pytest.raises(RangeError, match=f"cuba_lif, which does not compute `{field}` {value}"):
        replace(network, contract=replace(PAPER, **{field: value}))
    item = NumericContract.__dataclass_fields__[field]
    assert CubaLI.computes(item, value) == (field == "max_spikes")
    assert not CubaLIF.computes(item, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fires_on", "previous_membrane"),
        ("reset", "zero"),
        ("reset_drops_input", True),
        ("reset_delay", True),
        ("bias_on", "current"),
    ],
)
def test_the_kind_refuses_other_resets_and_biases(field, value):
    with pytest.raises(RangeError, match=f"multi_spike_cuba_lif, which does not compute `{field}`"):
        one(replace(COUNTING, **{field: value}))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES][::2])
def test_bounds_hold_what_words_are_asked_to_hold(name):
    case = CASES[name]
    bounds = state_bounds(case.network)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        low, high = case.network.input_values
        raster = rng.integers(low, high + 1, (80, case.network.n_inputs))
        raster = (raster * (rng.random(raster.shape) < 0.6)).astype(case.raster.dtype)
        trace = reference.run(case.network, raster)
        for i, layer in enumerate(case.network.layer_names):
            for state, asked in asked_in(case.network, raster, trace, i).items():
                held = bounds[layer].range_of(state)
                assert (asked.low >= held.low).all(), (layer, state)
                assert (asked.high <= held.high).all(), (layer, state)


@pytest.mark.parametrize("delay_steps", [0, 1])
def test_steps_with_several_spikes_are_multiplications(delay_steps):
    """As NeuroBench counts: a layer that receives a value beyond -1..1 multiplies."""
    case = CASES["multi-spike-cuba-lif-0"]
    contract = replace(case.network.contract, delay_steps=delay_steps, inputs_at_once=False)
    contract = replace(contract, readout_delayed=False)
    network = replace(case.network, contract=contract)
    run = runs.run(network, case.raster, record=True)
    spikes = [run.trace.variables[f"{name}.spk"] for name in network.layer_names[:-1]]
    n_steps, macs, acs = len(case.raster), 0, 0
    for i, layer in enumerate(network.layers):
        for k in layer.connections():
            values = [case.raster, *spikes] if k.source == BELOW else [None, *spikes]
            sent = values[i] if k.source == BELOW else spikes[i]
            late = delay_steps if k.source == BELOW else 1
            for row in sent[: n_steps - late].astype(int):
                n = np.count_nonzero(k.weights[:, row != 0])
                macs, acs = (macs + n, acs) if (np.abs(row) > 1).any() else (macs, acs + n)
    found = evaluate_run(network, run, None)
    assert (found.effective_macs, found.effective_acs) == (macs / n_steps, acs / n_steps)
    assert min(macs, acs) > 0
    assert run.hidden_spikes == sum(np.count_nonzero(spk) for spk in spikes)


def test_onnx_refuses_spikes_one_by_one_by_name():
    network = next(c.network for c in CASES.values() if c.network.contract.delivery == "each")
    for make in (to_step_model, to_scan_model):
        with pytest.raises(UnsupportedError, match="adds spikes one by one, as the contract's"):
            make(network)


def test_counts_and_shifts_of_floats_are_those_of_integers_with_a_gradient():
    contract = replace(XYLO, fires_when=">")
    x = torch.arange(-40.0, 400.0, dtype=torch.float64, requires_grad=True)
    threshold = torch.full_like(x, 11.0)
    kept = torch.full_like(x, 0.75)
    o = Floats(contract, {"decay": kept}, torch.full_like(x, 1 / 11), Surrogate(), contract)
    n = o.count(x, threshold)
    whole = x.detach().numpy().astype(np.int64)
    assert np.array_equal(n.detach().numpy(), count(contract, whole, np.full_like(whole, 11)))
    assert n.max() == 31
    assert o.less(x, n, threshold).min() == -40
    n.sum().backward()
    assert x.grad.min() >= 0
    assert x.grad[51] > x.grad[45] > 0  # 11 is nearer to a multiple of it than 5 is
    found = o.decayed(x, "decay").detach().numpy()
    assert np.array_equal(found, decayed(contract, whole, np.full_like(whole, 2)))


@pytest.mark.parametrize("fires_when", [">", ">="])
def test_intervals_hold_what_is_left_of_every_value(fires_when):
    contract = replace(COUNTING, fires_when=fires_when)
    o = Intervals(contract, one(contract).hidden[0])
    for low in (-9, 0, 2, 3, 4, 20):
        for high in (low, low + 1, low + 4, low + 30):
            x, threshold = Interval(np.array([low]), np.array([high])), o.constant("threshold")
            n = o.count(x, threshold)
            left = o.less(x, n, threshold)
            values = np.arange(low, high + 1)
            counts = count(contract, values, np.full_like(values, 3))
            rest = values - 3 * counts
            assert (n.low[0], n.high[0]) == (counts.min(), counts.max())
            assert left.low[0] <= rest.min()
            assert left.high[0] >= rest.max()
            assert left.high[0] <= max(3, high)


def test_counts_are_bytes_that_c_refuses_to_leave():
    case = CASES["multi-spike-cuba-lif-4"]
    assert case.network.contract.max_spikes == 255
    right = reference.run(case.network, case.raster)
    assert right.variables["hidden0.spk"].max() == 255
    assert count_differences(right, run_c(case.network, case.raster)) == 0
    assert {item.name for item in fields(MultiSpikeCubaLIF)} >= {"received", "sent"}
    assert case.network.hidden[0].sent == (0, 255)
    assert case.network.readout.received == (0, 255)
    assert random_raster(np.random.default_rng(0), 3, 2).max() <= 1


def test_what_falls_off_the_lowest_word_wraps_around():
    """As on Xylo: the whole of -32 in 6 bits is 32, which is -32 again, so it does not leave."""
    narrow = replace(XYLO, mem_bits=6, input_bits=1, delivery="sum")
    arrays = {"decay_mem": [0], "decay_syn": [15], "w_in": [[-32]], "bias": [-1]}
    changed = {name: np.array(value) for name, value in arrays.items()}
    hidden = one(COUNTING, threshold=30).hidden[0].replaced(changed)
    readout = firing_readout().replaced({"decay_mem": np.array([15])})
    found = words(IntegerNetwork((hidden, readout), narrow, 0.004), [1, 0, 0, 0, 0])
    assert found["hidden0.syn"] == [-31, -30, -29, -28, -27]
    assert found["hidden0.mem"] == [-32] * 5


def test_spikes_one_by_one_ask_a_current_for_more_than_it_holds():
    """Weights of 5 and -6 into words of -8..7: what is asked before each is brought into them."""
    contract = replace(COUNTING, syn_bits=4, delivery="each", input_bits=3, delay_steps=0)
    hidden = one(COUNTING, threshold=900).hidden[0].replaced({"w_in": np.array([[5, -6]])})
    network = IntegerNetwork((hidden, firing_readout()), contract, 0.004)
    raster = np.array([[2, 0], [1, 1], [0, 3], [3, 2], [0, 0]], np.uint8)
    trace = reference.run(network, raster)
    assert trace.variables["hidden0.syn"][:, 0].tolist() == [7, -1, -8, -5, 0]
    asked = asked_in(network, raster, trace, 0)["syn"]
    assert asked.low[:, 0].tolist() == [0, -1, -14, -5, 0]
    assert asked.high[:, 0].tolist() == [10, 5, 0, 12, 0]
    assert count_differences(trace, runs.run_backend(network, raster)) == 0
