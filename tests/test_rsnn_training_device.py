"""Training on another device: refused where there is none, and like the CPU's where there is."""

import dataclasses

import pytest
import torch
from quick_training import QUICK, SPLIT, fresh_model, quick_session

from base.errors import RangeError, ToolError
from rsnn.model import RSNN, Architecture, Head
from rsnn.training.config import choices, resolve
from rsnn.training.device import find_device
from rsnn.training.optimizers import SMORMS3
from rsnn.training.recipe import TrainConfig
from rsnn.training.steps import activity_penalty, rmse
from rsnn.training.train import choose_forward, train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
ON_CUDA = dataclasses.replace(QUICK, epochs=3, kernel="torch", device="cuda", dropout=0.3)


def test_the_numba_kernel_is_refused_on_cuda():
    with pytest.raises(RangeError) as refusal:
        TrainConfig(device="cuda")
    assert str(refusal.value) == (
        "kernel is numba, which computes on the CPU only; omit `kernel` or choose torch with"
        " `device=cuda`"
    )


def test_a_device_chosen_without_a_kernel_has_its_fastest_one():
    config = resolve(settings=choices(("training",), "cuda", None))
    assert (config.training.device, config.training.kernel) == ("cuda", "torch")
    assert (config.retraining.device, config.retraining.kernel) == ("cpu", "numba")
    config = resolve(settings=choices(("training",), "cpu", None))
    assert (config.training.device, config.training.kernel) == ("cpu", "numba")
    assert choices(("training",), None, "torch") == ("training.kernel=torch",)
    assert choices(("training",), None, None) == ()


def test_cuda_without_a_cuda_device_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ToolError) as refusal:
        find_device("cuda")
    assert str(refusal.value) == (
        "device is cuda, but torch finds no CUDA device on this machine; compute on the CPU with"
        " `device=cpu`"
    )
    session = quick_session()
    with pytest.raises(ToolError, match="device is cuda, but torch finds no CUDA device"):
        train(fresh_model(session), session, SPLIT, ON_CUDA)


def test_what_computes_on_the_cpu_only_is_refused_elsewhere(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    session = quick_session()
    with pytest.raises(RangeError, match="device is cuda, this training computes on the CPU only"):
        train(fresh_model(session), session, SPLIT, ON_CUDA, forward=choose_forward("torch"))


def test_every_tensor_of_a_step_is_on_the_device():
    """Torch compares devices at every operation on tensors of `meta`, which have no content."""
    model = RSNN(Architecture(12, (16, 8), (Head(0.05, 0.01), Head(0.02, 0.02)))).to("meta")
    raster = torch.zeros(4, 20, 12, dtype=torch.uint8, device="meta")
    target = torch.zeros(4, 20, 2, device="meta")
    optimizer = SMORMS3(model.parameters())
    decoded = choose_forward("torch")(model, raster, 0.3, torch.Generator())
    penalty = [activity_penalty(c, ON_CUDA) for c in decoded.spike_counts()]
    (rmse(decoded.out, target) + torch.stack(penalty).sum()).backward()
    optimizer.step()
    assert decoded.out.device.type == "meta"
    for parameter in model.parameters():
        assert parameter.grad.device == optimizer.state[parameter]["mean"].device
        assert parameter.grad.device.type == "meta"


@needs_cuda
def test_a_training_on_cuda_takes_the_course_of_one_on_the_cpu():
    session = quick_session()
    records, models = {}, {}
    for device in ("cpu", "cuda"):
        models[device] = fresh_model(session)
        config = dataclasses.replace(ON_CUDA, device=device)
        records[device] = train(models[device], session, SPLIT, config).records
        assert {p.device.type for p in models[device].parameters()} == {"cpu"}
    first, same = records["cpu"][0], records["cuda"][0]
    assert same.loss == pytest.approx(first.loss, rel=0.02)  # rounding differs, spikes follow
    assert records["cuda"][-1].loss < records["cuda"][0].loss


@needs_cuda
def test_a_training_on_cuda_continues_from_a_state_kept_on_the_cpu():
    session = quick_session()
    kept, whole = [], fresh_model(session)
    train(whole, session, SPLIT, ON_CUDA, keep=kept.append)
    for state in kept:
        tensors = (*state.parameters.values(), *state.best.values(), *state.optimizer.values())
        assert {tensor.device.type for tensor in tensors} == {"cpu"}
    resumed = fresh_model(session)
    result = train(resumed, session, SPLIT, ON_CUDA, state=kept[0])
    assert len(result.records) == 3
    # atomics of CUDA may add in another order
    assert result.records[-1].loss == pytest.approx(kept[-1].records[-1].loss, rel=0.02)
