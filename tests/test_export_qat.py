"""Training in integers: forward is the simulation, backward goes through its floats."""

import numpy as np
import pytest
import torch
from driven_sessions import quarters, tuned_session
from networks import FLOOR_SUBTRACT, covering_contracts
from random_models import ARCHITECTURES, random_model

from base.errors import RangeError
from export.qat import Latent, fine_tune
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.layer_floats import LayerFloats
from rsnn.surrogate import Surrogate
from rsnn.training.recipe import TrainConfig
from sim import reference
from sim.contract import PAPER

CONTRACTS = [PAPER, FLOOR_SUBTRACT, *covering_contracts()[1:]]
NAMES = ["paper", "floor, subtract", *(f"cover {i}" for i in range(1, len(CONTRACTS) - 1))]
SHAPES = (
    "recurrent",
    "three layers, five heads",
    "no recurrence, three outputs",
    "biased, two heads",
)


def latent_of(contract, shape="recurrent", precision=None, seed=0):
    precision = precision or Precision(bits=5, frac_bits=4)
    model = random_model(ARCHITECTURES[shape], seed)
    network = quantize(model, precision, contract=contract)
    return Latent.of(model, network, precision), network


def raster_for(model, n_streams=3, n_steps=60, seed=3):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_streams, n_steps, model.architecture.n_inputs)
    return (torch.rand(shape, generator=generator) < 0.25).to(torch.uint8)


def words_of(network, raster):
    return [reference.run(network, stream).variables for stream in raster.numpy()]


@pytest.mark.parametrize("contract", CONTRACTS, ids=NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_training_starts_from_the_very_integers_it_is_given(contract, shape):
    latent, network = latent_of(contract, shape)
    found = latent.network()
    assert found.contract == network.contract
    for (name, array), (_, given) in zip(found.arrays(), network.arrays(), strict=True):
        if name == "readout.out_scale":  # a float, on its way through a unit and back
            assert np.allclose(array, given, rtol=1e-14, atol=0.0)
        else:
            assert np.array_equal(array, given), name


@pytest.mark.slow
@pytest.mark.parametrize("contract", CONTRACTS, ids=NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_spike_and_output_of_the_forward_pass_is_that_of_the_exported_network(
    contract, shape
):
    """Also once the parameters have moved, off the grid and with other thresholds."""
    latent, _ = latent_of(contract, shape)
    raster = raster_for(latent.model)
    optimizer = torch.optim.SGD(latent.model.parameters(), lr=0.03)
    fired = 0
    for _ in range(3):
        network = latent.network()
        decoded = latent.forward(latent.model, raster)
        for stream, words in enumerate(words_of(network, raster)):
            out = network.readout.decode(words["readout.out"]).astype(np.float32)
            assert np.array_equal(decoded.out[stream].detach().numpy(), out)
            for level, spk in enumerate(decoded.spk):
                assert np.array_equal(spk[stream].detach().numpy(), words[f"hidden{level}.spk"])
                fired += int(words[f"hidden{level}.spk"].sum())
        optimizer.zero_grad()
        decoded.out.square().mean().backward()
        norm = torch.nn.utils.clip_grad_norm_(latent.model.parameters(), 10.0)
        assert float(norm) > 0.0
        optimizer.step()
    assert fired > 100
    assert latent.network().digest() != network.digest()


BY_HAND = [PAPER, FLOOR_SUBTRACT, *covering_contracts("gradient")[1:]]
# Half a minute in all: the quick part has every contract for one shape, every shape under one.
FIRST_OF_EACH = [
    pytest.param(
        shape,
        contract,
        id=f"{shape}-{name}",
        marks=[pytest.mark.slow] if shape != SHAPES[0] and contract != PAPER else [],
    )
    for shape in SHAPES
    for contract, name in zip(BY_HAND, NAMES, strict=False)
]


@pytest.mark.parametrize(("shape", "contract"), FIRST_OF_EACH)
def test_the_gradient_is_that_of_a_float_network_that_takes_the_integers_states(contract, shape):
    surrogate = ("superspike", "sigmoid")[BY_HAND.index(contract) % 2]
    latent, network = latent_of(contract, shape)
    for layer in latent.model.hidden:
        layer.surrogate = Surrogate(surrogate, 5.0)
    raster = raster_for(latent.model)
    target = torch.randn(
        3, 60, network.readout.n_outputs, generator=torch.Generator().manual_seed(4)
    )

    def loss(out, spk):
        counts = sum(s.sum(1).square().mean() for s in spk)
        return ((out - target) ** 2).mean() + 1e-3 * counts

    parameters = list(latent.model.parameters())
    decoded = latent.forward(latent.model, raster)
    found = torch.autograd.grad(loss(decoded.out, decoded.spk), parameters, allow_unused=True)
    wanted = torch.autograd.grad(
        loss(*plain_forward(latent, network, raster, surrogate)), parameters, allow_unused=True
    )
    for (name, _), a, b in zip(latent.model.named_parameters(), found, wanted, strict=True):
        a, b = a.double(), b.double()
        assert torch.linalg.vector_norm(a - b) <= 2e-4 * torch.linalg.vector_norm(b) + 1e-9, name
        assert b.any(), name


def plain_forward(latent, network, raster, surrogate):
    """The contract's equations in torch, each word replaced by the integer's value."""
    c = network.contract
    *hidden, last = (
        LayerFloats(*(None if f is None else f.double() for f in layer))
        for layer in latent.floats()
    )
    words = words_of(network, raster)

    def known(name, unit):
        stacked = np.stack([w[name] for w in words]).astype(np.float64)
        return torch.from_numpy(stacked * unit)

    def meet(value, integer):
        return integer + value - value.detach()

    n_steps = raster.shape[1]
    below, spikes = raster.double(), []
    for level, (layer, own) in enumerate(zip(network.hidden, hidden, strict=True)):
        w_in, w_rec, bias, decay_mem, decay_syn = own
        assert (w_rec is None) == (layer.w_rec is None)
        bias = 0.0 if bias is None else bias
        gain = 1.0 - layer.decay_mem / 2.0**c.decay_frac
        level_threshold = layer.threshold - (c.fires_when == ">=")
        unit = 1.0 / ((level_threshold + 0.5) * gain)
        name = f"hidden{level}"
        syn_known, mem_known = known(f"{name}.syn", unit), known(f"{name}.mem", unit * gain)
        spk_known = known(f"{name}.spk", 1.0)
        v = torch.from_numpy(layer.threshold * unit * gain)
        zero = torch.zeros_like(spk_known[:, 0])
        syn, mem, spk, rows = zero, zero, zero, []
        for t in range(n_steps):
            sent = t - c.delay_steps
            arrived = zero if sent < 0 else below[:, sent] @ w_in.T
            if w_rec is not None:
                arrived = arrived + spk @ w_rec.T
            arrived = arrived + bias
            new_syn = meet(decay_syn * syn + arrived, syn_known[:, t])
            drive = syn if c.current == "previous" else new_syn
            integrated = decay_mem * mem + (1 - decay_mem) * drive
            after = 0.0 * mem if c.reset == "zero" else decay_mem * mem - v
            if not c.reset_drops_input:
                after = after + (1 - decay_mem) * drive
            old = np.stack([w[f"{name}.mem"][t - 1] if t else 0 * layer.threshold for w in words])
            was_over = torch.from_numpy(old > level_threshold)
            tested = mem if c.fires_on == "previous_membrane" else integrated
            if c.fires_on == "reset_membrane":
                tested = torch.where(was_over, after, integrated)
            fired = Stand.apply(tested - v, spk_known[:, t], surrogate)
            resets = was_over if c.reset_delay else spk_known[:, t] == 1
            mem = meet(torch.where(resets, after, integrated), mem_known[:, t])
            syn, spk = new_syn, fired
            rows.append(fired)
        below = torch.stack(rows, 1)
        spikes.append(below)
    readout = network.readout
    w_out, _, bias, decay_mem, decay_syn = last
    bias = 0.0 if bias is None else bias
    unit = readout.out_scale / (1.0 - readout.decay_mem / 2.0**c.decay_frac)
    syn_known = known("readout.syn", unit)
    out_known = known("readout.out", readout.out_scale)
    out = torch.from_numpy(readout.initial_out * readout.out_scale)
    syn, rows = torch.zeros_like(syn_known[:, 0]), []
    for t in range(n_steps):
        sent = t - c.delay_steps
        arrived = bias + (0.0 * syn if sent < 0 else below[:, sent] @ w_out.T)
        new_syn = meet(decay_syn * syn + arrived, syn_known[:, t])
        drive = syn if c.current == "previous" else new_syn
        out = meet(decay_mem * out + (1 - decay_mem) * drive, out_known[:, t])
        syn = new_syn
        rows.append(out)
    decoded = torch.stack(rows, 1).unflatten(2, (readout.n_heads, -1)).mean(2)
    return decoded, spikes


class Stand(torch.autograd.Function):
    """A spike that is known, with a surrogate gradient by the distance to threshold."""

    @staticmethod
    def forward(ctx, distance, spikes, surrogate):
        ctx.save_for_backward(distance)
        ctx.surrogate = surrogate
        return spikes.clone()

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad * Surrogate(ctx.surrogate, 5.0).slope(distance + 1.0), None, None


def test_no_gradient_passes_the_ends_of_the_range():
    latent, _ = latent_of(PAPER)
    layer = latent.model.hidden[0]
    with torch.no_grad():
        layer.w_in[0, 0] = 1000.0
    decoded = latent.forward(latent.model, raster_for(latent.model))
    decoded.out.square().mean().backward()
    assert layer.w_in.grad[0, 0] == 0.0
    assert layer.w_in.grad.count_nonzero() > 50


def test_results_do_not_depend_on_the_number_of_threads():
    found = []
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            latent, _ = latent_of(PAPER)
            decoded = latent.forward(latent.model, raster_for(latent.model, n_streams=19))
            decoded.out.square().mean().backward()
            found.append([p.grad.clone() for p in latent.model.parameters()])
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


SHORT = TrainConfig(
    epochs=3, batch=8, window_steps=100, stride=50, dropout=0.0, learning_rate=0.02, seed=2
)


@pytest.mark.slow
@pytest.mark.parametrize("bits", [2, 4])
def test_fine_tuning_lowers_the_loss_and_keeps_zeros_and_ends_alike_after_an_interruption(bits):
    session = tuned_session(2000, n_channels=17)
    split = quarters(2000)
    model = random_model(ARCHITECTURES["recurrent"])
    precision = Precision(bits=bits)
    start = quantize(model, precision)
    kept = []

    def tuned(state=None):
        return fine_tune(
            model,
            start,
            precision,
            session,
            split,
            SHORT,
            generator=torch.Generator().manual_seed(5),
            state=state,
            keep=kept.append,
        )

    network, result = tuned()
    assert result.records[-1].loss < result.records[0].loss
    assert network.contract.weight_bits == bits
    for name, weights in network.connections().items():
        zeros = {**model.connections(), "readout.w_out": model.heads[0].w_out}[name] == 0
        assert not weights[zeros.numpy()].any(), name
    again, _ = tuned(kept[0])
    assert again.digest() == network.digest()


def test_dropout_is_refused():
    with pytest.raises(RangeError, match=r"dropout is 0.3; integers train without"):
        fine_tune(None, None, None, None, None, TrainConfig())
