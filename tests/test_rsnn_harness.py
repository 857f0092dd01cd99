import numpy as np
import pytest
import torch
from random_models import ARCHITECTURES, random_model, random_raster, random_target

from base.errors import DataError, MismatchError, RsnnError
from base.order import Order
from rsnn.evaluate import evaluate
from rsnn.harness import HarnessNetwork, run_neurobench
from rsnn.model import RSNN, Architecture
from rsnn.published import import_published

TWO_OUTPUTS = [name for name, a in ARCHITECTURES.items() if a.n_outputs == 2]


def assert_neurobench_agrees(model: RSNN, raster: np.ndarray) -> None:
    target = random_target(len(raster))
    ours, theirs = evaluate(model, raster, target), run_neurobench(model, raster, target)
    operations = theirs["SynapticOperations"]
    assert ours.footprint == theirs["Footprint"]
    assert ours.connection_sparsity == theirs["ConnectionSparsity"]
    assert ours.activation_sparsity == theirs["ActivationSparsity"]
    assert ours.dense == operations["Dense"]
    assert ours.effective_acs == operations["Effective_ACs"]
    assert ours.effective_macs == operations["Effective_MACs"] == 0.0
    # NeuroBench sums squared errors in float32
    assert ours.r2 == pytest.approx(theirs["R2"], rel=1e-5, abs=1e-5)
    assert ours.activation_sparsity < 1.0


@pytest.mark.parametrize("name", TWO_OUTPUTS)
@pytest.mark.parametrize("half", [False, True])
def test_neurobench_counts_what_evaluate_counts(name, half):
    model = random_model(ARCHITECTURES[name])
    raster = random_raster(300, model.architecture.n_inputs)
    assert_neurobench_agrees(model.half() if half else model, raster)


def test_neurobench_agrees_without_recurrence():
    model = random_model(Architecture(12, (20, 15), recurrent=False))
    assert_neurobench_agrees(model, random_raster(300, 12))


def test_neurobench_agrees_where_its_float32_decides_the_last_decimal_of_sparsity():
    model = random_model(Architecture(198, (100,), recurrent=False))
    with torch.no_grad():
        for weight in model.connections().values():
            weight[weight == 0] = 0.5
        model.hidden[0].w_in[0, 0] = 0.0  # 1 of 20000, which is half of the fourth decimal
    assert_neurobench_agrees(model, random_raster(20, 198))


@pytest.mark.slow
@pytest.mark.parametrize("initial_out", [0.0, 3.0])
def test_neurobench_agrees_where_only_the_start_of_out_differs(initial_out):
    model = random_model(Architecture(12, (20, 15), initial_out=initial_out))
    assert not model.architecture.is_published
    assert_neurobench_agrees(model, random_raster(300, 12))


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 11])
def test_neurobench_agrees_on_published_networks(published, index):
    model = import_published(published[index])
    raster = random_raster(2000, model.architecture.n_inputs, rate=20.0)
    assert_neurobench_agrees(model, raster)


def test_the_wrapped_network_has_no_parameter_or_buffer_beyond_the_models():
    model = random_model(ARCHITECTURES["three layers, five heads"])
    wrapped = HarnessNetwork(model, torch.float32)
    assert {id(p) for p in wrapped.parameters()} == {id(p) for p in model.parameters()}
    assert not list(wrapped.buffers())


def test_the_model_is_left_as_it_was():
    model = random_model(ARCHITECTURES["recurrent"]).half()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    run_neurobench(model, random_raster(20, 17), random_target(20))
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float16
        assert torch.equal(parameter, before[name])


# Errors


def test_a_model_with_other_than_two_outputs_is_refused():
    model = random_model(ARCHITECTURES["no recurrence, three outputs"])
    message = r"^the model has 3 outputs; NeuroBench scores exactly 2, x and y, use rsnn\.evaluate"
    with pytest.raises(MismatchError, match=message):
        run_neurobench(model, random_raster(9, 12), random_target(9, 3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"order": Order(current="new")},
            "^the model computes in another order than the published one, which is all that the"
            " harness runs; leave out `harness`$",
        ),
        (
            {"neuron": "adaptive_cuba_lif"},
            "^the model has neurons of the kind adaptive_cuba_lif; the harness runs cuba_lif only,"
            " leave out `harness`$",
        ),
    ],
)
def test_other_orders_and_kinds_are_refused(changed, message):
    model = random_model(Architecture(12, (20,), **changed))
    with pytest.raises(MismatchError, match=message):
        run_neurobench(model, random_raster(9, 12), random_target(9))


def test_what_evaluate_refuses_is_refused():
    model = random_model(ARCHITECTURES["recurrent"])
    with pytest.raises(DataError, match=r"^coordinate 0 of the target is constant"):
        run_neurobench(model, random_raster(9, 17), np.zeros((9, 2), np.float32))
    with pytest.raises(MismatchError, match=r"^the raster has 5 channels, the model 17"):
        run_neurobench(model, random_raster(9, 5), random_target(9))


def test_a_metric_that_fails_inside_neurobench_is_an_error_and_not_a_zero(monkeypatch):
    def fail(*_):
        raise ValueError("out of order")

    monkeypatch.setattr("neurobench.metrics.workload.SynapticOperations.__call__", fail)
    message = r"^NeuroBench could not compute its metrics for this model: .*; compare the installed"
    with pytest.raises(RsnnError, match=message):
        run_neurobench(
            random_model(ARCHITECTURES["recurrent"]), random_raster(9, 17), random_target(9)
        )
