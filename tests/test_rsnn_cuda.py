"""The CUDA kernels without a card: compiled by g++, against those of the CPU."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from cuda_host import Host
from tools import need_module

from base.errors import MismatchError, RangeError, RsnnWarning, ToolError
from base.order import Order
from export.qat import Latent
from export.quantization.on_card import run_on_card
from export.quantization.on_card import unsupported as unsupported_integers
from export.quantization.precision import Precision
from export.quantization.straight import run_straight
from export.quantize import quantize
from rsnn.cuda import bptt as cuda
from rsnn.cuda import card as cards
from rsnn.cuda.run import HISTORY, Run
from rsnn.cuda.stream import decode_by, decode_on_card
from rsnn.evaluate import decode
from rsnn.fast import bptt as fast
from rsnn.fast.dropout import _fill, keep_limit
from rsnn.fast.parameters import layers_of
from rsnn.layer_floats import by_layer, flattened
from rsnn.model import RSNN, Architecture, Head
from rsnn.neurons import NO_LEAK
from rsnn.surrogate import Surrogate
from rsnn.training.captured import bytes_per_sample, check_memory
from rsnn.training.initialize import initialize
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import find_forward, kernel_used
from sim.fast import runs

HEADS = (Head(0.05, 0.01), Head(0.02, 0.005))
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


def made(architecture, surrogate="superspike"):
    model = RSNN(architecture)
    generator = torch.Generator().manual_seed(3)
    initialize(model, rates=(20.0,), generator=generator)
    with torch.no_grad():
        for layer in model.layers:
            layer.w_in *= 3.0
            layer.surrogate = Surrogate(surrogate, 12.0)
            if layer.bias is not None:
                layer.bias.normal_(0.0, 0.05, generator=generator)
    return model


def drawn(architecture, batch, n_steps):
    generator = torch.Generator().manual_seed(5)
    shape = batch, n_steps, architecture.n_inputs
    raster = (torch.rand(shape, generator=generator) < 0.3).to(torch.uint8)
    target = torch.randn(batch, n_steps, 2, generator=generator)
    weights = [torch.randn(batch, n_steps, n, generator=generator) for n in architecture.hidden]
    return raster, target, weights


def loss(decoded, target, weights=None):
    total = (decoded.out - target).square().sum()
    total = total + sum((counts - 3.0).square().mean() for counts in decoded.spike_counts())
    if weights is not None:
        total = total + sum((s * w).sum() for s, w in zip(decoded.spk, weights, strict=True))
    return total


def step(model, forward, raster, target, weights, dropout, **options):
    """What a step decodes, and its gradients."""
    model.zero_grad()
    decoded = forward(model, raster, dropout, torch.Generator().manual_seed(7), **options)
    loss(decoded, target, weights).backward()
    return decoded, [parameter.grad.clone() for parameter in model.parameters()]


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


def test_counts_without_spikes_are_those_of_the_cpu(host):
    assert_like_the_cpu(host, CASES["layers in a row"], with_spikes=False)


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


class FakeCard:
    n_processors = 9
    most_shared = 73_000

    def __init__(self, device=None):
        pass


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (Architecture(1025), "the input has 1025 units, the kernels at most 1024"),
        (Architecture(4, n_outputs=1025), "the readout has 1025 units, the kernels at most 1024"),
        (
            Architecture(4, (250,)),
            "hidden0 has 250 neurons, which takes 73728 bytes of shared memory, and the card has"
            " 73000",
        ),
        (Architecture(4, (8, 1025)), "hidden1 has 1025 units, the kernels at most 1024"),
        (Architecture(4, (289,)), "hidden0 has 289 neurons, the card 9 multiprocessors"),
        (
            Architecture(4, (8,), order=Order(reset="subtract")),
            "its neurons or the order of its step are not the published ones",
        ),
        (Architecture(4, (288, 1024), recurrent=False), None),
        (Architecture(1024, (224,)), None),
    ],
)
def test_what_the_kernels_cannot_compute_is_told(architecture, reason):
    assert cuda.unsupported(RSNN(architecture), FakeCard()) == reason


def test_integrators_and_double_precision_are_not_for_the_kernels():
    model = RSNN(Architecture(4, (8,)))
    assert cuda.unsupported(model.double(), FakeCard()) == "its parameters are not torch.float32"
    with torch.no_grad():
        model.float().layers[0].tau.mem_param[2] = NO_LEAK
    assert "published" in cuda.unsupported(model, FakeCard())


def test_a_model_for_the_torch_loop_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("rsnn.training.captured.Card", FakeCard)
    config = TrainConfig(kernel="cuda", device="cuda")
    with pytest.warns(RsnnWarning) as warned:
        find_forward(RSNN(Architecture(1025)), config, torch.device("cuda"))
    assert [str(each.message) for each in warned] == [
        "the cuda kernel cannot compute this model: the input has 1025 units, the kernels at most"
        " 1024; the torch kernel does"
    ]
    find_forward(RSNN(Architecture(12)), config, torch.device("cuda"))


def test_cuda_core_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cuda.core", None)
    with pytest.raises(ToolError) as refusal:
        cards.Card(torch.device("cuda"))
    assert str(refusal.value) == (
        "kernel is cuda, which needs cuda-core: pip install 'rsnnctl[cuda]', or choose the slower"
        " `kernel=torch`"
    )


def test_the_kernel_needs_the_device():
    with pytest.raises(RangeError) as refusal:
        TrainConfig(kernel="cuda")
    assert str(refusal.value) == (
        "kernel is cuda, which computes on a card; choose `device=cuda` too"
    )


def test_a_batch_without_room_names_the_one_that_fits():
    model = RSNN(Architecture(96))
    each = bytes_per_sample(model, 500)
    assert 180_000 < each < 260_000  # 64 currents of 4 bytes in 500 steps are 128,000
    check_memory(model, 9, 500, 10 * each)
    with pytest.raises(RangeError) as refusal:
        check_memory(model, 4000, 500, 1000 * each)
    assert re.fullmatch(
        r"batch is 4000, which needs 0\.\d GiB of the card's 0\.\d; choose at most 900",
        str(refusal.value),
    )
    with pytest.raises(RangeError, match=r"; choose shorter windows$"):
        check_memory(model, 1, 500, each)


NARROW_WORDS = {"syn_bits": 18, "mem_bits": 19}
WRAPPED = NARROW_WORDS | {"overflow_syn": "wrap", "overflow_mem": "wrap"}
INTEGERS = {  # architecture, weight and fractional bits, fields of the contract
    "tiny": (Architecture(12, (40,)), (8, 6), {}),
    "saturated": (Architecture(12, (40,)), (8, 6), NARROW_WORDS),
    "wrapped": (Architecture(12, (40,)), (8, 6), WRAPPED),
    "in a row": (
        Architecture(11, (33, 20), HEADS, bias=True), (8, 6), WRAPPED | {"rounding": "floor"},
    ),
    "wide": (Architecture(20, (132,)), (8, 6), NARROW_WORDS | {"mem_bits": 20}),
    "four bits": (Architecture(11, (37,), recurrent=False), (4, 0), {}),
}  # fmt: skip


def words_of(network, raster):
    """Every current and membrane of a run, (batch, n_steps, n) each."""
    done = runs.run_many(network, raster.numpy(), record=True, threads=1)
    names = [f"{name}.{word}" for name in network.layer_names[:-1] for word in ("syn", "mem")]
    return {name: np.stack([each.trace.variables[name] for each in done]) for name in names}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "tiny" else pytest.mark.slow) for name in INTEGERS],
)
def test_integers_run_word_for_word_and_train_as_on_the_cpu(host, name):
    architecture, (bits, frac_bits), fields = INTEGERS[name]
    model, (raster, target, weights) = made(architecture), drawn(architecture, 2, 20)
    precision = Precision(bits=bits, frac_bits=frac_bits)
    unlimited = quantize(model, precision)
    latent = Latent.of(model, unlimited, precision)
    network = replace(unlimited, contract=replace(unlimited.contract, **fields))
    assert unsupported_integers(network, host) is None
    words = words_of(network, raster)
    if fields:
        assert not np.array_equal(words["hidden0.syn"], words_of(unlimited, raster)["hidden0.syn"])
    if frac_bits == 0:
        assert (words["hidden0.mem"] == network.hidden[0].threshold).sum() > 10
    codes = [layer.surrogate.code for layer in latent.model.layers]
    cpu = torch.device("cpu")

    def on_cpu(model, raster, *rest):
        return run_straight(network, raster, codes, latent.floats())

    def on_card(model, raster, *rest):
        return run_on_card(network, raster, codes, latent.floats(), host, cpu)

    data = raster, target, weights, 0.0
    wanted, gradients = step(latent.model, on_cpu, *data)
    got, found = step(latent.model, on_card, *data)
    assert sum(spk.sum() for spk in wanted.spk) > 50
    assert all(torch.equal(a, b) for a, b in zip(got.spk, wanted.spk, strict=True))
    assert (got.out - wanted.out).abs().max() <= 1e-6 * wanted.out.abs().max()
    names = dict(latent.model.named_parameters())
    for key, a, b in zip(names, found, gradients, strict=True):
        # that of a unit is a difference of large sums
        assert (a - b).abs().max() <= (2e-4 if "unit" in key else 1e-5) * b.abs().max(), key


def test_a_training_in_integers_goes_forward_on_the_card(host):
    architecture = Architecture(12, (40,))
    model, (raster, *_) = made(architecture), drawn(architecture, 2, 20)
    latent = Latent.of(model, quantize(model, Precision()), Precision())
    wanted = latent.forward(latent.model, raster)
    got = latent.forward_by(host, torch.device("cpu"))(latent.model, raster)
    assert torch.equal(got.spk[0], wanted.spk[0])
    assert torch.equal(got.counts[0], wanted.spk[0].sum(1))


@pytest.mark.parametrize(
    ("fields", "changed", "reason"),
    [
        ({"reset": "subtract"}, {}, "the order of its step is not the published one"),
        ({"input_bits": 3}, {}, "its neurons have no gradient but that of their step"),
        ({}, {"threshold": -1}, "hidden0 has a threshold below 0"),
        ({}, {"e_in": 15}, "sums of the weights of hidden0 do not fit in 32 bits"),
    ],
)
def test_integers_that_the_kernels_cannot_compute_are_told(fields, changed, reason):
    network = quantize(made(Architecture(4, (8,))), Precision(bits=16, frac_bits=0))
    layer = network.hidden[0]
    arrays = {name: np.full_like(getattr(layer, name), value) for name, value in changed.items()}
    if "e_in" in changed:
        arrays["w_in"] = np.full_like(layer.w_in, 32767)
    network = replace(
        network,
        layers=(replace(layer, **arrays), network.readout),
        contract=replace(network.contract, **fields),
    )
    assert unsupported_integers(network, FakeCard()) == reason


def report(name, sizes, arch):
    """Registers, and bytes that are spilt, of a kernel, as ptxas tells."""
    log = io.StringIO()
    cards.compiled(name, tuple(sizes.items()), arch, log)
    found = re.search(
        rf"'{name}'.*?(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+)",
        log.getvalue(),
        re.DOTALL,
    )
    assert found, log.getvalue()
    return int(found[3]), int(found[1]) + int(found[2])


SIXTY_FOUR = {"N": 64, "RECURRENT": 1}
WIDE = {"N": 1024}
# Bytes spilt and loaded again, at most, by NVRTC 13 on sm_80, sm_90 and sm_100: none at 64 neurons.
SPILT = {
    "input_spikes": ({}, (0, 0, 0)),
    "keep_masks": ({}, (0, 0, 0)),
    "project": ({}, (0, 0, 0)),
    "run_readout": ({}, (0, 0, 0)),
    "pull_readout": ({}, (0, 0, 0)),
    "weight_gradient": ({}, (0, 0, 0)),
    "run_hidden": (SIXTY_FOUR | {"IN_SHARED": 1}, (0, 0, 0)),
    "pull_narrow": (SIXTY_FOUR | {"N_ABOVE": 2, "COLUMNS": 64}, (0, 0, 0)),
    "run_hidden 1024": (WIDE | {"RECURRENT": 1, "IN_SHARED": 0}, (16, 16, 0)),
    "pull_narrow 128": ({"N": 128, "RECURRENT": 1, "N_ABOVE": 16, "COLUMNS": 128}, (0, 0, 0)),
    "pull_wide 1024": (WIDE | {"N_ABOVE": 10}, (0, 0, 0)),
}


@pytest.mark.parametrize("name", SPILT)
def test_nvrtc_compiles_every_kernel_and_spills_nothing_at_64_neurons(name):
    need_module("cuda.core")
    sizes, spilt = SPILT[name]
    found = []
    for arch in ("sm_80", "sm_90", "sm_100"):
        registers, bytes_ = report(name.split()[0], sizes, arch)
        assert registers <= 255
        found.append(bytes_)
    assert all(have <= most for have, most in zip(found, spilt, strict=True)), found
    assert {each.split()[0] for each in SPILT} | {"pull_wide"} == set(cards.FILES)


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


def test_every_kernel_has_its_file():
    for name, file in cards.FILES.items():
        text = (cards.SOURCES / file).read_text()
        assert len(re.findall(rf"KERNEL(?: __launch_bounds__\([^)]*\)+)?\s+{name}\(", text)) == 1
        lines = text.splitlines()
        assert len(lines) <= 400
        assert max(map(len, lines)) <= 100
    assert f"#define HISTORY {HISTORY} " in (cards.SOURCES / "common.h").read_text()
    assert np.float32(Surrogate().beta) == Surrogate().code[1]


def test_a_stream_is_decoded_as_on_the_cpu(host):
    architecture = Architecture(35, (37,), HEADS, bias=True)
    model, (raster, *_) = made(architecture), drawn(architecture, 1, 60)
    out, (spikes,) = decode_by(host, model, raster[0].numpy(), torch.device("cpu"))
    wanted = fast.forward(model, raster)
    assert (out.dtype, spikes.dtype) == (np.float32, np.uint8)
    assert np.array_equal(out, wanted.out[0].detach().numpy())
    assert np.array_equal(spikes, wanted.spk[0][0].detach().numpy())
    assert spikes.sum() > 20


def test_a_stream_is_refused_where_a_card_cannot_decode_it(monkeypatch):
    raster = np.zeros((4, 1025), np.uint8)
    with pytest.raises(RangeError) as refusal:
        decode(RSNN(Architecture(1025)), raster, dtype=torch.float64, device="cuda")
    assert str(refusal.value) == (
        "precision is float64, and a card computes in float32; use `device=cpu`"
    )
    monkeypatch.setattr("rsnn.cuda.stream.Card", FakeCard)
    monkeypatch.setattr(RSNN, "to", lambda model, *rest: model)
    with pytest.raises(RangeError) as refusal:
        decode_on_card(RSNN(Architecture(1025)), raster, torch.device("cuda"))
    assert str(refusal.value) == (
        "the cuda kernel cannot compute this model: the input has 1025 units, the kernels at most"
        " 1024; use `device=cpu`"
    )

    def full(*arguments):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr("rsnn.cuda.stream.decode_by", full)
    with pytest.raises(RangeError) as refusal:
        decode_on_card(RSNN(Architecture(4)), raster[:, :4], torch.device("cuda"))
    assert str(refusal.value) == (
        "the card has no room for the states of 4 steps; use `device=cpu`"
    )


def test_the_kernel_that_is_used_is_told(monkeypatch):
    monkeypatch.setattr("rsnn.training.train.Card", FakeCard)
    monkeypatch.setattr("rsnn.training.train.find_device", torch.device)
    card = TrainConfig(kernel="cuda", device="cuda")
    assert kernel_used(RSNN(Architecture(12)), card) == "cuda"
    assert kernel_used(RSNN(Architecture(1025)), card) == "torch"
    assert kernel_used(RSNN(Architecture(1025)), TrainConfig()) == "numba"
    assert kernel_used(RSNN(Architecture(12)), TrainConfig(kernel="torch")) == "torch"
    other = RSNN(Architecture(12, order=Order(reset="subtract")))
    assert kernel_used(other, TrainConfig()) == "torch"
