"""The CUDA kernels without a card: compiled by g++, against those of the CPU."""

import numpy as np
import pytest
import torch
from cuda_host import Host
from cuda_models import HEADS, drawn, loss, made, step

from base.errors import MismatchError
from rsnn.cuda import bptt as cuda
from rsnn.cuda import card as cards
from rsnn.cuda.run import HISTORY, Run
from rsnn.cuda.stream import decode_by
from rsnn.fast import bptt as fast
from rsnn.fast.dropout import _fill, keep_limit
from rsnn.fast.parameters import layers_of
from rsnn.layer_floats import by_layer, flattened
from rsnn.model import Architecture

N_PROCESSORS = 8

# What a case is about: architecture, batch, n_steps, dropout.
CASES = {
    "tiny": (Architecture(96, (64,)), 2, 34, 0.0),
    "a single neuron": (Architecture(1, (1,)), 3, 40, 0.3),
    "words that are not full": (Architecture(35, (37,), HEADS, bias=True), 2, 18, 0.5),
    "layers in a row": (Architecture(11, (33, 20), HEADS, bias=True), 3, 25, 0.3),
    "without recurrence": (Architecture(11, (37, 5), HEADS, recurrent=False), 3, 25, 0.3),
    "without recurrence, wide": (Architecture(7, (150,), recurrent=False, bias=True), 2, 18, 0.3),
    "wide": (Architecture(11, (132,), HEADS), 2, 9, 0.3),
    "wide, an odd number": (Architecture(11, (130,), bias=True), 9, 6, 0.3),
    "wide, rounds": (Architecture(5, (160,)), 17, 5, 0.3),
    "wide below wide": (Architecture(5, (129, 131), bias=True), 2, 5, 0.3),
    "many readouts": (Architecture(11, (20,), HEADS * 9), 2, 12, 0.3),
    "groups of words": (Architecture(800, (9,)), 2, 6, 0.3),
    "one block of history": (Architecture(11, (20,)), 2, HISTORY + 1, 0.3),
    "one step": (Architecture(11, (20,)), 2, 1, 0.3),
    "two steps": (Architecture(11, (20,)), 2, 2, 0.0),
}
QUICK = ("tiny", "layers in a row", "wide, an odd number", "one step")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return Host(tmp_path_factory.mktemp("kernels"), N_PROCESSORS)


def assert_like_the_cpu(host, case, surrogate="superspike", with_spikes=True):
    architecture, batch, n_steps, dropout = case
    model = made(architecture, surrogate)
    raster, target, weights = drawn(architecture, batch, n_steps)
    data = raster, target, weights if with_spikes else None, dropout
    wanted, gradients = step(model, fast.forward, *data, with_spikes=with_spikes)
    got, found = step(model, cuda.forward, *data, kernels=host, with_spikes=with_spikes)
    if n_steps > 10 and architecture.n_inputs > 1:
        assert all(counts.sum() > 20 for counts in wanted.counts)
    assert torch.equal(got.out, wanted.out)
    assert len(got.spk) == (len(architecture.hidden) if with_spikes else 0)
    for a, b in zip((*got.counts, *got.spk), (*wanted.counts, *wanted.spk), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(found, gradients, strict=True):
        assert (a - b).abs().max() <= 1e-5 * b.abs().max()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES],
)
def test_a_step_is_that_of_the_cpu(host, name):
    assert_like_the_cpu(host, CASES[name])


@pytest.mark.parametrize("surrogate", ["fast_sigmoid", "sigmoid"])
def test_a_step_with_another_surrogate_is_that_of_the_cpu(host, surrogate):
    assert_like_the_cpu(host, (Architecture(11, (20,)), 2, 25, 0.3), surrogate)


@pytest.mark.slow
def test_counts_without_spikes_are_those_of_the_cpu(host):
    assert_like_the_cpu(host, CASES["layers in a row"], with_spikes=False)


@pytest.mark.slow
def test_layers_choose_their_kernel_by_their_width(host):
    def kernels_of(name):
        del host.launched[:]
        assert_like_the_cpu(host, CASES[name])
        return {each for each in host.launched if each.startswith("pull_")}

    assert kernels_of("layers in a row") == {"pull_readout", "pull_narrow"}
    assert kernels_of("wide, an odd number") == {"pull_readout", "pull_wide"}
    assert kernels_of("without recurrence, wide") == {"pull_readout", "pull_narrow"}


def test_keys_take_the_place_of_a_generator(host):
    architecture, batch, n_steps, dropout = CASES["layers in a row"]
    model, (raster, *_) = made(architecture), drawn(architecture, batch, n_steps)
    keys = cuda.draw_keys(model, dropout, torch.Generator().manual_seed(7))
    assert keys.shape == (3,)
    with torch.no_grad():
        wanted = fast.forward(model, raster, dropout, torch.Generator().manual_seed(7))
        got = cuda.forward(model, raster, dropout, kernels=host, keys=keys)
        other = cuda.forward(model, raster, dropout, kernels=host, keys=keys + 1)
    assert torch.equal(got.out, wanted.out)
    assert not torch.equal(other.out, wanted.out)


def test_a_second_backward_is_refused(host):
    architecture, batch, n_steps, dropout = CASES["one step"]
    model, (raster, target, _) = made(architecture), drawn(architecture, batch, n_steps)
    total = loss(cuda.forward(model, raster, dropout, kernels=host), target)
    total.backward(retain_graph=True)
    with pytest.raises(MismatchError) as refusal:
        total.backward()
    assert str(refusal.value) == "the cuda kernel is differentiable once; run it forward again"


def test_a_raster_of_other_channels_is_refused(host):
    with pytest.raises(MismatchError, match="the raster has 3 channels, the model 11"):
        cuda.forward(made(Architecture(11, (20,))), torch.zeros(1, 4, 3), kernels=host)


@pytest.mark.parametrize("n", [37, 64])
def test_dropout_removes_the_same_spikes(host, n):
    """Of a million, so that all 16 bits of some decide."""
    rows, dropout = 16_000, 0.25
    keys = torch.tensor([-(2**62) + 12345], dtype=torch.int64)
    masks = torch.empty(rows, -(-n // 32), dtype=torch.int32)
    sizes = np.int32(keep_limit(dropout)), np.int32(n), np.int32(rows), np.int32(1)
    blocks = -(-masks.numel() // 256), 1
    host.launch(cards.Launch("keep_masks", {}, blocks, 256, 0, [keys, *sizes, masks]))
    wanted = np.empty((rows, n), np.bool_)
    _fill(keys.numpy().view(np.uint64)[0], keep_limit(dropout), wanted)
    bits = masks.unsqueeze(-1) >> torch.arange(32) & 1
    assert np.array_equal(bits.flatten(1)[:, :n].numpy(), wanted)
    assert not bits.flatten(1)[:, n:].any()


def test_currents_and_membranes_are_those_of_the_cpu(host):
    """They decide nothing where no spike flips, so spikes would not tell of another rounding."""
    architecture, batch, n_steps, dropout = CASES["layers in a row"]
    model, (raster, *_) = made(architecture), drawn(architecture, batch, n_steps)
    parameters = [None if p is None else p.detach() for p in flattened(layers_of(model))]
    keys = cuda.draw_keys(model, dropout, torch.Generator().manual_seed(7))
    codes = [layer.surrogate.code for layer in model.layers]
    got = Run(codes, raster, keys, dropout, host, with_spikes=False)
    got.forward(by_layer(parameters), keeps=True)
    words = [*keys.numpy().view(np.uint64)]
    wanted = fast._Run(raster, words, dropout, codes, fast.Workspace(1), with_spikes=False)
    wanted.forward(by_layer([None if p is None else p.numpy() for p in parameters]))
    (chunk,) = wanted.chunks
    for kept, (state, syn) in zip(got.kept, chunk.states, strict=True):
        assert np.array_equal(kept.syn.numpy(), syn)
        assert np.array_equal(kept.state[0].numpy(), state[0])
    assert len(got.kept) == 3


@pytest.mark.slow
def test_a_stream_is_decoded_as_on_the_cpu(host):
    architecture = Architecture(35, (37,), HEADS, bias=True)
    model, (raster, *_) = made(architecture), drawn(architecture, 1, 60)
    out, (spikes,) = decode_by(host, model, raster[0].numpy(), torch.device("cpu"))
    wanted = fast.forward(model, raster)
    assert (out.dtype, spikes.dtype) == (np.float32, np.uint8)
    assert np.array_equal(out, wanted.out[0].detach().numpy())
    assert np.array_equal(spikes, wanted.spk[0][0].detach().numpy())
    assert spikes.sum() > 20
