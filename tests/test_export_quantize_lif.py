"""Spiking networks of tasks as integers: equations, traps, and accuracy on the stored network."""

from dataclasses import replace

import numpy as np
import pytest
from overflow_cases import asked_words, violations
from rate_networks import random_rate_network, stored_network

from base.errors import DataError, MismatchError, RangeError, UnsupportedError
from export.quantization.precision import Precision
from export.quantize_lif import frac_bits_for, quantize_lif, steps_per_column
from rsnn.rate.spiking import RESET, TAU_MEM, TAU_RISE, THRESHOLD, mapped
from rsnn.rate.spiking import run as run_floats
from rsnn.rate.tasks import find_task
from rsnn.rate.trials import accuracy_of, float_trials, integer_trials, raster_of, started
from sim import reference
from sim.bounds.layers import bits_for, state_bounds
from sim.contract import signed_range
from sim.inspect import describe

PRECISION = Precision(bits=8, frac_bits=0)


def small(factor=2.0, downsample=1, **changes):
    return mapped(random_rate_network(n=16, **changes), factor, downsample=downsample)


@pytest.mark.slow
def test_a_network_at_rest_stays_silent_for_ever():
    """The trap of the mapping: the resting value is the threshold."""
    for precision in (PRECISION, Precision(bits=4, frac_bits=4, decay_bits=6)):
        network = quantize_lif(small(), precision)
        rest = started(network, np.full(16, THRESHOLD))
        trace = reference.run(rest, np.zeros((3000, 1), np.uint8)).variables
        assert not trace["hidden0.spk"].any()
        layer = network.hidden[0]
        assert (trace["hidden0.mem"] <= layer.threshold).all()
        # one step of decay below rest: the smallest that the bias allows
        lost = (1 << network.contract.decay_frac) / (
            (1 << network.contract.decay_frac) - layer.decay_mem
        )
        assert (trace["hidden0.mem"][-1] >= layer.threshold - 2 * lost).all()


def test_a_row_of_zeros_gets_the_smallest_scale_of_the_others():
    """The second trap: rows of the trained weights are all zero."""
    floats = small()
    w = floats.w.copy()
    w[3] = 0
    network = quantize_lif(replace(floats, w=w), PRECISION)
    layer = network.hidden[0]
    assert not layer.w_rec[3].any()
    scale = np.abs(w).max(1) / 127
    unit = 0.05 * 5e-4 / (TAU_RISE * floats.tau[3]) * scale[scale > 0].min()
    exact = quantize_lif(replace(floats, w=w), replace(PRECISION, scale="max"))
    assert exact.hidden[0].threshold[3] == np.floor((THRESHOLD - RESET) / unit)
    with pytest.raises(DataError, match="all recurrent weights are zero"):
        quantize_lif(replace(floats, w=w * 0), PRECISION)
    with pytest.raises(DataError, match="all readout weights are zero"):
        quantize_lif(replace(floats, w_out=floats.w_out * 0), PRECISION)


@pytest.mark.slow
def test_integers_follow_the_floats_step_by_step():
    """At steps of 0.05 ms and fine integers, spikes are the floats' and membranes nearly so."""
    floats = replace(small(), tau=np.full(16, 0.03))
    precision = Precision(bits=10, decay_bits=16, scale="max", syn_bits=32, mem_bits=32)
    network = quantize_lif(floats, replace(precision, frac_bits=0), dt=5e-5)
    start = np.random.default_rng(1).uniform(-65, -30, 16)
    u = np.zeros((6, 1))
    u[2:4] = 1
    resumes = np.arange(501) + 41
    resumes[0] = 1  # integers do not rest at the start of a trial
    spikes, states, outs = run_floats(floats, u, start, resumes=resumes)
    raster = raster_of(u, 100, network)
    assert np.flatnonzero(raster[:, 0]).tolist() == list(range(149, 349))
    trace = reference.run(started(network, start), raster).variables
    early = slice(100)  # then a spike that moves by a step moves all that follow it
    assert spikes[early].sum() == 5
    assert np.array_equal(trace["hidden0.spk"][early], spikes[early])
    mem = trace["hidden0.mem"] / network.hidden[0].threshold * (THRESHOLD - RESET) + RESET
    assert np.abs(mem - states[:, 0])[early].max() < 0.6
    out = network.readout.decode(trace["readout.out"])[:, 0]
    assert np.abs(out[:-1] - outs[1:])[early].max() < 0.08 * np.abs(outs[early]).max()  # truncated


@pytest.mark.slow
def test_the_contract_has_the_refractory_period_and_the_step():
    for dt, steps, period in ((5e-4, 10, 4), (1e-3, 5, 2), (5e-5, 100, 40)):
        assert steps_per_column(dt) == steps
        network = quantize_lif(small(), replace(PRECISION, syn_bits=32, mem_bits=32), dt=dt)
        assert (network.dt, network.contract.refractory_steps) == (dt, period)
    still = mapped(random_rate_network(n=16), 2.0, refractory=False)
    assert quantize_lif(still, PRECISION).contract.refractory_steps == 0
    assert [frac_bits_for(bits) for bits in (2, 4, 8, 12)] == [6, 4, 0, 0]


@pytest.mark.parametrize("dt", [0.0, -1e-3, 3e-4, 0.006, 1e-5, float("nan"), float("inf")])
def test_a_step_that_does_not_fit_is_refused(dt):
    with pytest.raises(
        RangeError, match=r"`dt` is .*; a step of the task lasts 0\.005 s, of which"
    ):
        quantize_lif(small(), PRECISION, dt=dt)


def test_what_integers_do_not_have_is_refused():
    single = mapped(random_rate_network(n=16), 2.0, filter="single")
    with pytest.raises(UnsupportedError, match="have the filter single; integers have `double`"):
        quantize_lif(single, PRECISION)
    with pytest.raises(RangeError, match=r"needs a threshold of .*Quantize with a longer `dt`"):
        quantize_lif(small(1e6), Precision(bits=16, frac_bits=16), dt=5e-5)


def test_inputs_that_the_network_does_not_take_are_refused():
    network = quantize_lif(small(), PRECISION)
    with pytest.raises(DataError, match=r"an input of -1; the network takes whole numbers 0\.\.1"):
        raster_of(np.array([[0.0], [-1.0]]), 10, network)
    with pytest.raises(MismatchError, match="has 1 inputs, layers double_exp_lif and 1 outputs"):
        integer_trials(network, find_task("xor", 2), 1, seed=[1])


@pytest.mark.slow
def test_inputs_of_a_task_are_rounded_to_its_unit_and_saturate_or_are_refused():
    xor, mante = find_task("xor", 2), find_task("mante", 4)
    assert (xor.input_step, mante.input_step) == (None, 1 / 32)
    for task, values in ((xor, (-2, 1)), (mante, (-128, 127))):
        floats = mapped(random_rate_network(n=16, n_inputs=task.n_inputs, task=task), 2.0)
        network = quantize_lif(floats, PRECISION, task=task)
        assert network.input_values == values
        spikes = quantize_lif(floats, PRECISION)
        text = rf"the task has inputs {values[0]}\.\.{values[1]}; only 0 and 1 are spikes.*quantize"
        with pytest.raises(MismatchError, match=text):
            integer_trials(spikes, task, 1, seed=[1])
        (done,) = integer_trials(network, task, 1, seed=[1])
        assert done.spikes.any()
    u = np.array([[0.0, 0.49 / 32, 0.51 / 32, 1.0], [-9.0, 9.0, -4.0, -0.51 / 32]])
    raster = raster_of(u, 1, network, mante.input_step)
    assert raster.dtype == np.int8
    assert raster.tolist() == [[-128, 127, -128, -1]]
    with pytest.raises(
        DataError, match=r"an input of -0\.0159375; the network takes whole numbers -128"
    ):
        raster_of(u[::-1], 1, network)


@pytest.mark.parametrize("name", ["xor", "mante"])
def test_input_weights_take_in_the_unit_of_the_inputs(name):
    """The current of an input is that of the float network, to half a weight's unit."""
    task = find_task(name)
    floats = mapped(random_rate_network(n=16, n_inputs=task.n_inputs, task=task), 2.0)
    network = quantize_lif(floats, Precision(bits=16, frac_bits=0), task=task)
    layer = network.hidden[0]
    unit = (THRESHOLD - RESET) / layer.threshold  # mV, but for what the threshold loses
    given = layer.w_direct.astype(float) * 2.0 ** layer.e_direct[:, None] * unit[:, None]
    expected = network.dt / TAU_MEM * floats.w_in * (task.input_step or 1.0)
    tolerance = 0.5 * 2.0 ** layer.e_direct[:, None] * unit[:, None] + 1e-4 * np.abs(expected)
    assert (np.abs(given - expected) <= tolerance).all()
    assert np.abs(layer.w_direct).max() > 100


@pytest.mark.slow
def test_trials_have_the_same_inputs_and_starts_in_floats_and_integers():
    floats, task = small(), find_task("go-nogo", 1)
    network = quantize_lif(floats, PRECISION)
    quiet = float_trials(floats, task, 6, seed=[3], noise=0.0)
    whole = integer_trials(network, task, 6, seed=[3], n_threads=2)
    assert [t.condition for t in quiet] == [t.condition for t in whole]
    assert {t.condition for t in whole} == {"go", "nogo"}
    for a, b in zip(whole, integer_trials(network, task, 6, seed=[3]), strict=True):
        assert np.array_equal(a.out, b.out)
        assert np.array_equal(a.spikes, b.spikes)
    assert all(t.out.shape == (200,) for t in (*quiet, *whole))
    # three quarters of the units start above threshold, and fire in the first step
    assert all((t.spikes > 0).sum() >= 4 for t in (*quiet, *whole))
    generator = np.random.default_rng([3, 0])
    shown = task.draw(generator)
    begun = started(network, generator.uniform(-65, 30, 16))
    trace = reference.run(begun, raster_of(task.lif_input(shown.u), 10, network)).variables
    every = network.readout.decode(trace["readout.out"])[:, 0]
    assert np.array_equal(whole[0].out, every[9::10])
    assert np.array_equal(whole[0].spikes, trace["hidden0.spk"].sum(0))
    found = accuracy_of(whole, task)
    assert found.n_trials == 6
    rate = sum(t.spikes.sum() for t in whole) / (6 * 16 * 1.0)
    assert found.mean_rate == pytest.approx(rate)


def test_membranes_start_where_they_are_told_within_their_word():
    network = quantize_lif(small(), PRECISION)
    v = np.linspace(RESET, 1e9, 16)
    words = started(network, v).hidden[0].initial_mem
    assert words[0] == 0
    assert words.max() == signed_range(network.contract.mem_bits)[1]
    at = started(network, np.full(16, THRESHOLD)).hidden[0].initial_mem
    assert np.array_equal(at, network.hidden[0].threshold)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bits", "dt", "rise", "syn", "mem", "period"),
    [(8, 5e-4, 12, 19, 25, 7), (4, 5e-4, 12, 19, 24, 7), (8, 5e-5, 12, 22, 31, 67)],
)
def test_words_of_the_stored_network_are_narrow_as_neurons_wait(
    shared, bits, dt, rise, syn, mem, period
):
    """Were they allowed to spike in every step, `rise` would take 14 (14, 18) bits, `syn` 21 (30).

    At 0.05 ms that would leave no proof that 32 bits are enough.
    """
    floats = mapped(stored_network(shared), 30)
    network = quantize_lif(floats, Precision(bits=bits, frac_bits=frac_bits_for(bits)), dt=dt)
    bounds = state_bounds(network, unlimited=True)["hidden0"]
    assert set(bounds.periods.tolist()) == {0, period}
    assert period > network.contract.refractory_steps
    found = {state: int(bits_for(*bounds.range_of(state)).max()) for state in bounds.states}
    assert found == {"rise": rise, "syn": syn, "mem": mem, "wait": found["wait"]}
    assert (network.contract.syn_bits, network.contract.mem_bits) == (syn, mem)
    raster = (np.random.default_rng(bits).random((400, 1)) < 0.5).astype(np.uint8)
    assert not violations(asked_words(network, raster), state_bounds(network))


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 4])
def test_the_stored_network_makes_no_error_in_integers(shared, bits):
    floats = mapped(stored_network(shared), 30)
    network = quantize_lif(floats, Precision(bits=bits, frac_bits=frac_bits_for(bits)))
    task = find_task("go-nogo", 1)
    assert accuracy_of(integer_trials(network, task, 100, seed=[1], n_threads=2), task).share == 1.0
    assert describe(network)["worst_case"]["cannot_overflow"]
    coarse = quantize_lif(floats, Precision(bits=4, frac_bits=0))
    assert accuracy_of(integer_trials(coarse, task, 40, seed=[1]), task).share < 0.8


def test_biases_decays_and_input_weights_are_those_of_the_equations():
    floats = small()
    network = quantize_lif(floats, replace(PRECISION, bits_in=4, scale="max"))
    layer, readout = network.layers
    unity = 1 << network.contract.decay_frac
    assert (layer.decay_mem == round(0.95 * unity)).all()
    assert np.array_equal(layer.bias, layer.threshold * (unity - layer.decay_mem[0]) // unity)
    assert np.array_equal(layer.decay_syn, np.rint(np.exp(-5e-4 / floats.tau) * unity))
    assert (layer.decay_rise == round(np.exp(-5e-4 / TAU_RISE) * unity)).all()
    sizes = np.abs(floats.w_out)
    tau = (sizes * floats.tau).sum() / sizes.sum()
    assert readout.decay_mem[0] == round(np.exp(-5e-4 / tau) * unity)
    assert readout.decay_syn[0] == layer.decay_rise[0]
    # an input adds a w_in to the membrane, with weights of 4 bits in the top half of their range
    unit = (THRESHOLD - RESET) / (layer.threshold + 0.5)
    added = (layer.w_direct[:, 0] << layer.e_direct.astype(int)) * unit
    assert np.abs(layer.w_direct).max() == 7
    assert (np.abs(layer.w_direct)[layer.e_direct > 0] >= 4).all()
    assert added == pytest.approx(0.05 * floats.w_in[:, 0], rel=0.15)


def test_small_input_weights_are_not_shifted():
    floats = small()
    network = quantize_lif(replace(floats, w_in=floats.w_in * 1e-3), PRECISION)
    assert network.hidden[0].e_direct.min() == 0


@pytest.mark.parametrize(("downsample", "count"), [(1, 200), (7, 196), (10, 200), (40, 200)])
def test_outputs_are_told_at_the_steps_of_the_task_whatever_the_networks_step(downsample, count):
    floats, task = small(downsample=downsample), find_task("go-nogo", 1)
    (found,) = float_trials(floats, task, 1, seed=[3], noise=0.0)
    assert found.out.shape == (count,)
    generator = np.random.default_rng([3, 0])
    u = task.lif_input(task.draw(generator).u)
    _, _, out = run_floats(floats, u, generator.uniform(-65, 30, 16))
    seconds = 0.005 * np.arange(1, count + 1)
    nearest = np.floor(seconds / floats.dt + 1e-6).astype(int)
    assert found.out == pytest.approx(out[nearest - 1], abs=1e-9)
