"""Training on another device: refused where there is none, and like the CPU's where there is."""

import dataclasses

import pytest
import torch
from quick_training import QUICK, SPLIT, fresh_model, quick_session
from torch import nn

from base.errors import RangeError, RsnnWarning, ToolError
from export.qat import Latent
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.cuda import bptt as cuda
from rsnn.cuda.card import Card
from rsnn.fast import bptt as fast
from rsnn.model import RSNN, Architecture, Head
from rsnn.neurons import TimeConstants
from rsnn.training.captured import CapturedSteps
from rsnn.training.config import choices, resolve
from rsnn.training.device import find_device
from rsnn.training.initialize import initialize
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
        "kernel is numba, which computes on the CPU only; omit `kernel` or choose cuda with"
        " `device=cuda`"
    )


def test_a_device_chosen_without_a_kernel_has_its_fastest_one():
    config = resolve(settings=choices(("training",), "cuda", None))
    assert (config.training.device, config.training.kernel) == ("cuda", "cuda")
    assert (config.retraining.device, config.retraining.kernel) == ("cpu", "numba")
    config = resolve(settings=choices(("training",), "cpu", None))
    assert (config.training.device, config.training.kernel) == ("cpu", "numba")
    assert choices(("training",), None, "torch") == ("training.kernel=torch",)
    assert choices(("training",), None, None) == ()


def test_a_device_set_by_hand_has_its_fastest_kernel_unless_one_is_set_too(tmp_path):
    kept = tmp_path / "config.toml"
    kept.write_text(resolve().as_toml())
    for files in ([], [kept]):
        config = resolve(files=files, settings=["qat.device=cuda", "training.device=cuda"])
        assert (config.qat.device, config.qat.kernel) == ("cuda", "cuda")
        assert (config.training.device, config.training.kernel) == ("cuda", "cuda")
        assert config.retraining.kernel == "numba"
        config = resolve(files=files, settings=["qat.device=cuda", "qat.kernel=torch"])
        assert config.qat.kernel == "torch"
    kept.write_text("[training]\ndevice = 'cuda'\n")
    assert resolve(files=[kept]).training.kernel == "cuda"
    kept.write_text("[training]\ndevice = 'cuda'\nkernel = 'torch'\n")
    assert resolve(files=[kept]).training.kernel == "torch"


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
@pytest.mark.parametrize("kernel", ["cuda", "torch"])
def test_a_training_on_cuda_takes_the_course_of_one_on_the_cpu(kernel):
    session = quick_session()
    records, models = {}, {}
    for device in ("cpu", "cuda"):
        models[device] = fresh_model(session)
        used = "numba" if device == "cpu" else kernel
        config = dataclasses.replace(ON_CUDA, device=device, kernel=used)
        records[device] = train(models[device], session, SPLIT, config).records
        assert {p.device.type for p in models[device].parameters()} == {"cpu"}
    first, same = records["cpu"][0], records["cuda"][0]
    assert same.loss == pytest.approx(first.loss, rel=0.02)  # rounding differs, spikes follow
    assert records["cuda"][-1].loss < records["cuda"][0].loss


@needs_cuda
@pytest.mark.parametrize("optimizer", ["smorms3", "adam", "adamw"])
def test_trainings_on_cuda_repeat_resume_and_are_captured_bit_for_bit(monkeypatch, optimizer):
    session = quick_session()
    config = dataclasses.replace(ON_CUDA, kernel="cuda", optimizer=optimizer, epochs=4)

    def trained(**options):
        model = fresh_model(session)
        train(model, session, SPLIT, config, **options)
        return list(model.parameters())

    kept = []
    wanted = trained(keep=kept.append)
    for state in kept:
        tensors = (*state.parameters.values(), *state.best.values(), *state.optimizer.values())
        assert {tensor.device.type for tensor in tensors} == {"cpu"}
    assert all(map(torch.equal, trained(), wanted))
    assert all(map(torch.equal, trained(state=kept[1]), wanted))
    captured = []
    capture = CapturedSteps._capture
    monkeypatch.setattr(
        CapturedSteps, "_capture", lambda *each: captured.append(capture(*each)) or captured[-1]
    )
    assert all(map(torch.equal, trained(), wanted))
    assert captured
    monkeypatch.setattr(CapturedSteps, "_capture", lambda *each: None)
    assert all(map(torch.equal, trained(), wanted))


@needs_cuda
@pytest.mark.filterwarnings("default")
def test_a_step_that_cannot_be_captured_is_launched_kernel_by_kernel(monkeypatch):
    session = quick_session()
    config = dataclasses.replace(ON_CUDA, kernel="cuda")
    wanted, other = fresh_model(session), fresh_model(session)
    train(wanted, session, SPLIT, config)

    def refuse(*arguments, **options):
        raise RuntimeError("not today\nnor tomorrow")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    with pytest.warns(RsnnWarning, match="could not be captured, .* by kernel: not today$"):
        train(other, session, SPLIT, config)
    assert all(map(torch.equal, wanted.parameters(), other.parameters()))


@needs_cuda
def test_the_kernels_of_a_card_compute_what_those_of_the_cpu_do(monkeypatch):
    def decays(tau):  # on the CPU, wherever the parameters are
        each = zip((tau.mem_param, tau.syn_param), (tau.tau_mem0, tau.tau_syn0), strict=True)
        found = [torch.exp(-tau.dt / (nn.functional.softplus(p.cpu()) * t)) for p, t in each]
        return tuple(decay.to(tau.mem_param.device) for decay in found)

    monkeypatch.setattr(TimeConstants, "decays", decays)
    kernels = Card(torch.device("cuda"))
    for architecture in (Architecture(96), Architecture(192, (130, 65), bias=True)):
        model = RSNN(architecture)
        generator = torch.Generator().manual_seed(1)
        initialize(model, rates=(20.0,), generator=generator)
        shape = 20, 150, architecture.n_inputs
        raster = (torch.rand(shape, generator=generator) < 0.2).to(torch.uint8)
        results = []
        for forward, device, options in (
            (fast.forward, "cpu", {}),
            (cuda.forward, "cuda", {"kernels": kernels}),
            (cuda.forward, "cuda", {"kernels": kernels}),
        ):
            model.to(device).zero_grad()
            draws = torch.Generator().manual_seed(2)
            decoded = forward(model, raster.to(device), 0.3, draws, **options)
            (decoded.out.square().sum() + decoded.counts[0].square().sum()).backward()
            spikes = [decoded.out.detach().cpu(), *(spk.cpu() for spk in decoded.spk)]
            results.append((spikes, [p.grad.cpu().clone() for p in model.parameters()]))
        (spikes, gradients), *others = results
        for again, found in others:
            assert all(map(torch.equal, again, spikes))
            for a, b in zip(found, gradients, strict=True):
                assert (a - b).abs().max() <= 1e-5 * b.abs().max()
        assert all(map(torch.equal, others[0][1], others[1][1]))


@needs_cuda
def test_integers_train_on_a_card_word_for_word():
    model = RSNN(Architecture(12, (40, 20), (Head(0.05, 0.01),) * 2, bias=True))
    generator = torch.Generator().manual_seed(1)
    initialize(model, rates=(60.0,), generator=generator)
    precision = Precision()
    latent = Latent.of(model, quantize(model, precision), precision)
    raster = (torch.rand(5, 200, 12, generator=generator) < 0.3).to(torch.uint8)
    wanted = latent.forward(latent.model, raster)
    got = latent.forward_on(torch.device("cuda"))(latent.model, raster)
    assert sum(spk.sum() for spk in wanted.spk) > 100
    assert all(map(torch.equal, got.spk, wanted.spk))
    assert (got.out - wanted.out).abs().max() <= 1e-6 * wanted.out.abs().max()
    got.out.square().sum().backward()
    found = [p.grad.clone() for p in latent.model.parameters()]
    latent.model.zero_grad()
    wanted.out.square().sum().backward()
    for a, (name, b) in zip(found, latent.model.named_parameters(), strict=True):
        assert (a - b.grad).abs().max() <= 2e-4 * b.grad.abs().max(), name
