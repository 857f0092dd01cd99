"""One trial of each kind of network: outputs, activity and operations, against the definitions."""

from dataclasses import replace

import numpy as np
import pytest
from rate_networks import random_rate_network

from base.errors import MismatchError
from export.quantization.precision import Precision
from export.quantize_lif import quantize_lif
from rsnn.rate import network as rates
from rsnn.rate import spiking
from rsnn.rate.activation import activate
from rsnn.rate.responses import integer_subject, lif_subject, rate_subject
from rsnn.rate.spiking import mapped
from rsnn.rate.tasks import find_task
from rsnn.rate.trials import raster_of, started
from sim import reference
from sim.fast import runs
from sim.metrics import evaluate_run

GO_NOGO, XOR, MANTE = map(find_task, ("go-nogo", "xor", "mante"))


def shown(task, condition=None, seed=5):
    trial = task.draw(np.random.default_rng(seed))
    while condition not in (None, trial.condition):
        seed += 1
        trial = task.draw(np.random.default_rng(seed))
    return trial


def random(seed=9) -> np.random.Generator:
    return np.random.default_rng(seed)


def products(w, values, *, multiplied: bool) -> int:
    """Products of weights and values that are both not 0, over all steps: as NeuroBench tells them,
    multiplications in steps with a value beyond -1, 0 and 1, else additions."""
    kept = [r for r in values if multiplied is not (set(r.tolist()) <= {-1.0, 0.0, 1.0})]
    return sum(int(((w != 0) & (row != 0)[None, :]).sum()) for row in kept)


def cost(pairs, steps: int) -> tuple[float, float]:
    """MACs and ACs per step of pairs of weights and what they receive."""
    pairs = list(pairs)
    both = [sum(products(*pair, multiplied=m) for pair in pairs) for m in (True, False)]
    return both[0] / steps, both[1] / steps


def lif_rows(network, u, spikes, states):
    """What each matrix of a spiking network receives in each step."""
    columns = [(i + 50) // 100 for i in range(1, len(spikes) + 1)]
    traces = states[:, spiking.STATES.index("r")]
    return (
        (network.w_in, u[:: network.downsample][columns]),
        (network.w, spikes * 1.0),
        (network.w_out[None], traces),
    )


def test_a_rate_network_does_what_its_definition_does():
    network = random_rate_network()
    trial, subject = shown(GO_NOGO, "go"), rate_subject(network, GO_NOGO)
    found = subject.respond(trial, random())
    x, out = rates.run(network, trial.u, rates.draw_noise(200, 12, random()))
    r = activate(x, "sigmoid")
    assert np.array_equal(found.out, out)
    assert np.array_equal(found.activity, r[1:])
    judged = out[75:]
    assert found.right_for == {
        name for name in GO_NOGO.conditions if GO_NOGO.is_right(judged, name)
    }
    rows = (network.w_in, trial.u[:-1]), (network.recurrent, r[:-1]), (network.w_out[None], r[1:])
    assert (found.macs, found.acs) == cost(rows, 199)
    assert found.acs == 25 * 12 / 199
    assert (subject.dt, subject.is_spiking, subject.judged_from) == (0.005, False, 0.38)
    assert subject.n_units == 12


def test_inputs_that_are_no_events_are_multiplied():
    network = random_rate_network(n_inputs=4, task="mante", activation="relu")
    trial = shown(MANTE)
    found = rate_subject(network, MANTE).respond(trial, random())
    x, _ = rates.run(network, trial.u, rates.draw_noise(500, 12, random()))
    r = activate(x, "relu")
    assert (r == 0).any()
    rows = (network.w_in, trial.u[:-1]), (network.recurrent, r[:-1]), (network.w_out[None], r[1:])
    assert (found.macs, found.acs) == cost(rows, 499)
    assert 499 * found.acs >= 299 * 12  # the context alone, in steps without noise
    floats = mapped(network, 4.0, downsample=20)
    u = MANTE.lif_input(trial.u)
    spikes, states, _ = spiking.run(floats, u, random().uniform(-65, 30, 12))
    rows = lif_rows(floats, u, spikes, states)
    found = lif_subject(floats, MANTE, 0.0).respond(trial, random())
    assert (found.macs, found.acs) == pytest.approx(cost(rows, len(spikes)))
    assert products(*rows[0], multiplied=True) > 100


@pytest.mark.slow
def test_an_input_lasts_from_half_a_column_before_its_step_to_half_a_column_after():
    network = mapped(random_rate_network(), 2.0)
    u = np.zeros((200, 1))
    u[0] = 1
    trial = replace(shown(GO_NOGO), u=u)
    found = lif_subject(network, GO_NOGO, 0.0).respond(trial, random())
    spikes, *_ = spiking.run(network, GO_NOGO.lif_input(u), random().uniform(-65, 30, 12))
    inputs = round(found.acs * 20_000) - products(network.w, spikes * 1.0, multiplied=False)
    assert inputs == 49 * 12  # steps 1 to 49


def test_signed_events_are_added():
    network = random_rate_network(n_inputs=2, task="xor")
    trial = shown(XOR, "+-")
    found = rate_subject(network, XOR).respond(trial, random())
    assert found.acs == products(network.w_in, trial.u[:-1], multiplied=False) / 299 > 0


@pytest.mark.parametrize("filter", ["double", "single"])
@pytest.mark.parametrize("downsample", [pytest.param(1, marks=pytest.mark.slow), 3, 10])
def test_a_spiking_network_does_what_its_definition_does(filter, downsample):
    network = mapped(random_rate_network(), 2.0, filter=filter, downsample=downsample)
    trial, subject = shown(GO_NOGO, "go"), lif_subject(network, GO_NOGO, 0.1)
    found = subject.respond(trial, random())
    generator, u = random(), GO_NOGO.lif_input(trial.u)
    start = generator.uniform(-65, 30, 12)
    count = spiking.n_steps(len(network.driven(u)))
    noise = generator.standard_normal((count, 12)) * 0.1
    spikes, states, out = spiking.run(network, u, start, noise)
    ends = [100 * (k + 1) // downsample for k in range(count * downsample // 100)]
    assert ends[-1] == count
    assert found.out == pytest.approx(out[np.array(ends) - 1], abs=1e-9)
    bins = np.add.reduceat(spikes.astype(int), [0, *ends[:-1]])
    assert np.array_equal(found.activity, bins)
    assert bins.sum() > 100
    assert (found.macs, found.acs) == cost(lif_rows(network, u, spikes, states), count)
    assert (subject.dt, subject.is_spiking, subject.judged_from) == (network.dt, True, 0.5)
    judged = GO_NOGO.judged(out)
    assert found.right_for == {
        name for name in GO_NOGO.conditions if GO_NOGO.spikes_are_right(judged, name)
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "dt", "begins"),
    [(GO_NOGO, 5e-4, 0.5), (GO_NOGO, 1e-3, 0.5), (XOR, 1e-3, 1.0), (MANTE, 1e-3, 1.3)],
)
def test_integers_do_what_the_reference_does(task, dt, begins):
    rates = random_rate_network(n_inputs=task.n_inputs)
    network = quantize_lif(mapped(rates, 2.0), Precision(frac_bits=0), task=task, dt=dt)
    steps = round(0.005 / dt)
    trial, subject = shown(task), integer_subject(network, task)
    found = subject.respond(trial, random())
    begun = started(network, random().uniform(-65, 30, 12))
    raster = raster_of(task.lif_input(trial.u), steps, network, task.input_step)
    trace = reference.run(begun, raster).variables
    out = network.readout.decode(trace["readout.out"])[:, 0]
    assert np.array_equal(found.out, out[steps - 1 :: steps])
    spikes = trace["hidden0.spk"].reshape(task.n_steps, steps, 12).sum(1)
    assert np.array_equal(found.activity, spikes)
    own = evaluate_run(begun, runs.run(begun, raster), None)
    assert (found.acs, found.macs) == (own.effective_acs, own.effective_macs)
    assert (found.macs > 0) is (task is MANTE)
    assert found.acs > 1
    assert (subject.dt, subject.is_spiking, subject.judged_from) == (dt, True, begins)
    judged = task.judged(out)
    assert found.right_for == {
        name for name in task.conditions if task.spikes_are_right(judged, name)
    }


def test_integers_of_another_task_are_refused():
    network = quantize_lif(mapped(random_rate_network(), 2.0), Precision())
    with pytest.raises(MismatchError, match="the task takes 2 inputs, one layer double_exp_lif"):
        integer_subject(network, XOR)
