"""The compiled sweeps at the values where a comparison decides, worked by hand."""

import numpy as np
import pytest
import torch

from rsnn.evaluate import evaluate
from rsnn.fast.backward import _pull_states
from rsnn.fast.dropout import ALL_KEPT
from rsnn.fast.forward import Dropout, Events, repeat_membranes, run_hidden
from rsnn.harness import run_neurobench
from rsnn.model import RSNN, Architecture
from rsnn.surrogate import V_THRESHOLD

NOT_FIRED, FIRED = np.float32(V_THRESHOLD), np.nextafter(np.float32(V_THRESHOLD), np.float32(2))
N_STEPS = 5


@pytest.fixture
def swept():
    """Two neurons that forget at once get one input: of the threshold, and the next float."""
    none = np.zeros(2, np.float32)
    decays = (none, none + 1, none)
    arriving = Events(np.minimum(np.arange(N_STEPS + 1), 1), np.zeros(N_STEPS, np.int32))
    sent = Events(np.zeros(N_STEPS + 1, np.int64), np.zeros(2 * N_STEPS, np.int32))
    w_in = np.array([[NOT_FIRED, FIRED]])
    kept_mem = np.full((1, 1, 2), np.nan, np.float32)
    syn = np.full((N_STEPS, 1, 2), np.nan, np.float32)
    counts = np.full((1, 2), np.nan, np.float32)
    spk = np.full((N_STEPS, 1, 2), np.nan, np.float32)
    run_hidden(
        arriving,
        w_in,
        np.zeros((0, 2), np.float32),
        np.zeros(0, np.float32),
        decays,
        np.float32(1.0),
        Dropout(np.uint64(0), ALL_KEPT),
        0,
        sent,
        kept_mem,
        syn,
        counts,
        spk,
    )
    return syn, counts, spk, sent


def test_a_membrane_exactly_at_the_threshold_stays_silent(swept):
    """The spike of step 0 is a current in step 1, a membrane in step 2, a spike in step 3."""
    syn, counts, spk, sent = swept
    assert syn[:, 0].tolist() == [[0, 0], [NOT_FIRED, FIRED], [0, 0], [0, 0], [0, 0]]
    assert spk[:, 0].tolist() == [[0, 0], [0, 0], [0, 0], [0, 1], [0, 0]]
    assert counts.tolist() == [[0, 1]]
    assert sent.start.tolist() == [0, 0, 0, 0, 1, 1]
    assert sent.unit[0] == 1


def test_a_membrane_exactly_at_the_threshold_is_not_reset():
    """With nothing but leak, the first neuron keeps half of it and the second is cleared."""
    half = np.full(2, 0.5, np.float32)
    mem = np.empty((2, 2), np.float32)
    start = np.array([NOT_FIRED, FIRED])
    repeat_membranes(start, np.zeros((2, 1, 2), np.float32), half, half, mem)
    assert mem.tolist() == [[NOT_FIRED, FIRED], [0.5 * NOT_FIRED, 0]]


def test_a_gradient_passes_a_membrane_exactly_at_the_threshold_and_no_reset():
    zero, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    lambda_mem, before = one.copy(), zero.copy()
    last_mem = np.array([NOT_FIRED, FIRED])
    _pull_states(
        (last_mem, zero),
        (one / 2, one / 4, zero),
        zero,
        zero,
        lambda_mem,
        zero,
        before,
        (zero.copy(), zero.copy()),
    )
    assert lambda_mem.tolist() == [0.5, 0]
    assert before.tolist() == [0.25, 0]


def at_threshold() -> RSNN:
    """Two neurons that forget at once: an input brings one to its threshold, the other above it."""
    model = RSNN(Architecture(1, (2,), recurrent=False))
    (layer,) = model.layers
    with torch.no_grad():
        for parameter in (*layer.tau.parameters(), *model.readouts[0].tau.parameters()):
            parameter.fill_(-200.0)  # a time constant of 0
        layer.w_in.copy_(torch.tensor([[NOT_FIRED], [FIRED]]))
    return model


def test_a_membrane_exactly_at_the_threshold_stays_silent_wherever_models_are_measured():
    model = at_threshold()
    raster, velocity = np.zeros((5, 1), np.uint8), np.arange(10.0, dtype=np.float32).reshape(5, 2)
    raster[0] = 1
    assert evaluate(model, raster, velocity).activation_sparsity == 0.9
    found = run_neurobench(model, raster, velocity)
    assert found["ActivationSparsity"] == 0.9
    spk = model(torch.from_numpy(raster[None]).float()).spk[0]
    assert spk[0].sum(0).tolist() == [0, 1]
