"""Inputs of several bits: every reader of rasters and weights computes with their whole range."""

import subprocess
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from networks import adaptive, covering_contracts, double_exp, random_network

from base.errors import DataError, MismatchError, RangeError, UnsupportedError
from export.firmware.decoder import export_c
from export.firmware.project import write_project
from export.formats import backends
from rsnn.data.raster import open_raster, random_raster
from sim import reference
from sim.artifact import load_network, load_vectors, save_network
from sim.bounds.layers import state_bounds
from sim.bounds.words import fits_in_words, largest_sum
from sim.contract import PAPER, NumericContract
from sim.energy import energy
from sim.fast import runs
from sim.fast.packed import pack_raster
from sim.intermediates import asked_in
from sim.kinds.cuba_lif import CubaLIF
from sim.live.decoder import Decoder
from sim.live.ordered import OrderedDecoder
from sim.metrics import evaluate_run
from sim.overflow.witness import drive
from sim.shrink import shrink
from sim.trace import count_differences
from sim.verify import verify

RANGES = {
    (1, False): (0, 1),
    (2, False): (0, 3),
    (8, False): (0, 255),
    (1, True): (-1, 0),
    (2, True): (-2, 1),
    (3, True): (-4, 3),
    (8, True): (-128, 127),
}
SEVERAL = [key for key, values in RANGES.items() if values != (0, 1)]


KINDS = {
    "cuba_lif": lambda rng, network: network,
    "adaptive": adaptive,
    "double_exp": partial(double_exp, refractory_steps=2),
}


def graded(seed: int, bits: int, signed: bool, contract=PAPER, **options):
    """A network of inputs of that many bits, and a raster of their whole range."""
    rng = np.random.default_rng(seed)
    contract = replace(contract, input_bits=bits, input_signed=signed)
    network = random_network(rng, contract, **{"hidden": (7, 5)} | options)
    low, high = RANGES[bits, signed]
    raster = rng.integers(low, high + 1, (60, network.n_inputs))
    raster *= rng.random(raster.shape) < rng.choice([0.05, 0.3, 1.0], (60, 1))
    raster[50:54], raster[54:57] = low, high
    return network, raster.astype(np.int8 if signed else np.uint8)


@pytest.mark.parametrize(("bits", "signed"), RANGES)
def test_the_range_is_that_of_the_bits(bits, signed):
    contract = NumericContract(input_bits=bits, input_signed=signed)
    assert contract.input_values == RANGES[bits, signed]
    network, _ = graded(0, bits, signed)
    assert network.input_dtype == (np.int8 if signed else np.uint8)
    assert network.input_values == network.layers[0].received == RANGES[bits, signed]
    assert [layer.received for layer in network.layers[1:]] == [(0, 1)] * 2
    below, own = network.layers[0].connections()
    assert (below.values, own.values) == (RANGES[bits, signed], (0, 1))


def test_a_layer_takes_what_its_place_in_a_network_gives_it():
    network, _ = graded(0, 8, True, n_inputs=7, hidden=(7, 7))
    first, second, readout = network.layers
    moved = replace(network, layers=(second, first, readout))
    assert [layer.received for layer in moved.layers] == [(-128, 127), (0, 1), (0, 1)]


@pytest.mark.parametrize("bits", [0, 9, 1.0])
def test_other_bits_are_refused(bits):
    with pytest.raises(RangeError, match=rf"`input_bits` is {bits}; it is a whole number 1\.\.8"):
        NumericContract(input_bits=bits)


def test_spikes_leave_contract_digest_and_files_as_they_were():
    network, _ = graded(0, 2, True)
    spikes = replace(network, contract=replace(network.contract, input_bits=1, input_signed=False))
    assert not {"input_bits", "input_signed"} & (
        set(spikes.contract.written()) | set(spikes.contract.identity())
    )
    assert network.contract.written()["input_bits"] == 2
    digests = {network.digest(), spikes.digest()}
    for changes in ({"input_bits": 3}, {"input_signed": False}):
        digests.add(replace(network, contract=replace(network.contract, **changes)).digest())
    assert len(digests) == 4
    assert NumericContract.from_dict(network.contract.written()) == network.contract


def by_hand(network, raster):
    """The first layer's sums, input by input."""
    layer = network.layers[0]
    sums = np.zeros((len(raster), layer.n_neurons), np.int64)
    for t, row in enumerate(raster.astype(int).tolist()):
        for j, value in enumerate(row):
            sums[t] += value * (layer.w_in[:, j].astype(np.int64) << layer.e_in.astype(np.int64))
    return sums


@pytest.mark.parametrize(("bits", "signed"), SEVERAL)
def test_a_sum_is_that_of_weights_times_values(bits, signed):
    contract = replace(PAPER, delay_steps=0)
    network, raster = graded(1, bits, signed, contract, hidden=(7,), recurrent=False)
    layer = network.layers[0].replaced({"decay_syn": np.zeros(7, int)})
    trace = reference.run(replace(network, layers=(layer, network.readout)), raster)
    expected = by_hand(network, raster) << contract.frac_bits
    assert (trace.variables["hidden0.syn"] == expected).all()
    assert expected.any()


@pytest.mark.slow  # compiles kernels
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_kernels_and_operators_agree(number):
    bits, signed = SEVERAL[number % len(SEVERAL)]
    network, raster = graded(number, bits, signed, covering_contracts()[number])
    known = {"numba": runs.run_backend, "onnx-reference": backends()["onnx-reference"]}
    assert verify(network, [raster, raster[::-1]], known).differences == 0
    several = runs.run(network, raster).out
    blocks = [Decoder(network)]
    outs = [blocks[0].step(row) for row in raster]
    assert np.array_equal(np.array(outs), network.readout.decode(several))


@pytest.mark.slow  # compiles kernels and C
@pytest.mark.parametrize("kind", KINDS)
def test_every_backend_agrees_on_every_kind(kind):
    for seed, contract in enumerate(covering_contracts()):
        bits, signed = SEVERAL[seed % len(SEVERAL)]
        plain, raster = graded(seed, bits, signed, contract)
        made = KINDS[kind](np.random.default_rng(seed), plain)
        found = verify(made, [raster], {"numba": runs.run_backend, **backends()})
        assert found.differences == 0, seed
        assert set(found.not_run) - {"verilog"} == ({"nir"} if kind == "double_exp" else set())
        assert "; Verilog computes" in found.not_run["verilog"]


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "signed"), SEVERAL)
def test_no_input_leaves_the_bounds(bits, signed):
    for seed, contract in enumerate(covering_contracts()[bits % 3 :: 3]):
        network, raster = graded(seed, bits, signed, contract)
        bounds, trace = state_bounds(network), reference.run(network, raster)
        for index, name in enumerate(network.layer_names):
            for state, asked in asked_in(network, raster, trace, index).items():
                low, high = bounds[name].range_of(state)
                assert (asked.low >= low).all(), (name, state)
                assert (asked.high <= high).all(), (name, state)


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_inputs_are_found_that_reach_the_bound_of_a_current(signed):
    network, _ = graded(0, 8, signed, hidden=(7,), recurrent=False)
    ends = state_bounds(network)["hidden0"]
    neuron = int(np.argmin(network.layers[0].decay_syn))
    for side, end in (("low", ends.syn_low), ("high", ends.syn_high)):
        found = drive(network, "hidden0", "syn", neuron, side)
        assert found.value == end[neuron]
        assert found.raster.dtype == network.input_dtype


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("kind", ["adaptive", "double_exp"])
def test_bounds_of_any_kind_count_on_every_value(kind, signed):
    for seed, contract in enumerate(covering_contracts()[::3]):
        plain, raster = graded(seed, 8, signed, contract)
        network = KINDS[kind](np.random.default_rng(seed), plain)
        trace, bounds = reference.run(network, raster), state_bounds(network)
        for index, name in enumerate(network.layer_names):
            for state, asked in asked_in(network, raster, trace, index).items():
                low, high = bounds[name].range_of(state)
                assert (asked.low >= low).all(), (name, state)
                assert (asked.high <= high).all(), (name, state)


def test_negative_inputs_make_currents_negative_in_the_bounds_of_any_kind():
    network = adaptive(np.random.default_rng(3), graded(3, 8, True)[0])
    layer = network.layers[0].replaced({"w_rec": None, "w_in": np.abs(network.layers[0].w_in)})
    positive = replace(network, layers=(layer, *network.layers[1:]))
    assert (state_bounds(positive)["hidden0"].syn_low < 0).any()


def test_words_count_on_the_largest_magnitude():
    weights = np.array([[3, -4, 2], [-7, 1, 0]], np.int16)
    assert largest_sum(weights, (-128, 127)).tolist() == [4 * 127 + 5 * 128, 7 * 128 + 127]
    assert largest_sum(weights, (0, 3)).tolist() == [15, 21]
    contract = replace(PAPER, frac_bits=16, syn_bits=24, mem_bits=24)
    fits = [fits_in_words(graded(0, *key, contract, hidden=(3,), n_inputs=8)[0]) for key in RANGES]
    assert fits == [True, True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("bits", "signed", "outside"), [(2, False, 4), (8, True, 128), (2, True, -3)]
)
def test_a_raster_beyond_the_range_is_refused(bits, signed, outside, tmp_path):
    network, raster = graded(0, bits, signed)
    low, high = RANGES[bits, signed]
    for example in (outside, 0.5):
        text = rf"the raster holds {example}.*; the network takes whole numbers {low}\.\.{high}"
        with pytest.raises(DataError, match=text):
            runs.run(network, np.full((3, 12), example))
    np.save(tmp_path / "a.npy", raster.astype(float))
    with open_raster(tmp_path / "a.npy", network.input_values) as file:
        assert np.array_equal(file.read(0, 60), raster)
        assert file.read(0, 60).dtype == raster.dtype
    with pytest.raises(DataError, match=r"a packed raster holds spikes alone; the network takes"):
        runs.run(network, pack_raster(raster))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, float])
def test_rasters_of_every_dtype_are_the_same(dtype):
    network, raster = graded(2, 8, True)
    expected = runs.run(network, raster).out
    assert np.array_equal(runs.run(network, raster.astype(dtype)).out, expected)
    small = np.maximum(raster, 0)
    assert np.array_equal(
        runs.run(network, small.astype(np.uint8)).out, runs.run(network, small).out
    )


def test_weights_times_the_largest_value_sent_fit_the_accumulator():
    """The limit counts on inputs of 0..3 here: a third of what spikes may add up to."""
    contract = replace(PAPER, weight_bits=16)
    network, _ = graded(0, 2, False, contract)
    first = network.layers[0]
    wide = np.full((first.n_neurons, 30_000), 32_767)  # 983,010,000 in sum, times 3
    layer = replace(first, w_in=wide)
    with pytest.raises(RangeError, match="w_in: the weights of a neuron add up to 2949030000"):
        layer.checked("hidden0", 30_000, network.contract, (0, 3))
    assert layer.checked("hidden0", 30_000, network.contract).received == (0, 1)
    with pytest.raises(RangeError, match="add up to 3932040000"):
        layer.checked("hidden0", 30_000, network.contract, (-4, 3))


@pytest.mark.parametrize(("bits", "signed"), SEVERAL)
def test_a_file_holds_the_range_and_a_golden_run_of_all_of_it(bits, signed, tmp_path):
    network, _ = graded(0, bits, signed)
    save_network(network, tmp_path / "a.int.h5")
    assert load_network(tmp_path / "a.int.h5").contract == network.contract
    raster, trace = load_vectors(tmp_path / "a.int.h5")
    assert (raster.min(), raster.max()) == RANGES[bits, signed]
    assert raster.dtype == network.input_dtype
    assert count_differences(trace, reference.run(network, raster)) == 0


@pytest.mark.parametrize("delay_steps", [0, 1])
def test_steps_with_a_value_beyond_one_are_multiplications(delay_steps):
    """As NeuroBench counts: a step of values in -1..1 is one of accumulates."""
    network, raster = graded(4, 2, True, replace(PAPER, delay_steps=delay_steps), hidden=(7,))
    run = runs.run(network, raster, record=True)
    spikes = run.trace.variables["hidden0.spk"]
    layer, operations = network.layers[0], {"macs": 0, "acs": 0}
    for t in range(delay_steps, 60):
        row = raster[t - delay_steps]
        kind = "macs" if (np.abs(row.astype(int)) > 1).any() else "acs"
        operations[kind] += np.count_nonzero(layer.w_in[:, row != 0])
        operations["acs"] += np.count_nonzero(
            network.readout.w_out[:, spikes[t - delay_steps] == 1]
        )
    for t in range(1, 60):
        operations["acs"] += np.count_nonzero(layer.w_rec[:, spikes[t - 1] == 1])
    found = evaluate_run(network, run, None)
    assert (found.effective_macs, found.effective_acs) == (
        operations["macs"] / 60,
        operations["acs"] / 60,
    )
    assert found.effective_macs > 0
    halves = [runs.run(network, raster[:30]), runs.run(network, raster[30:])]
    assert all((half.multiplied_counts <= half.input_counts).all() for half in halves)


def test_a_multiplication_costs_more_energy_than_an_accumulate():
    network, _ = graded(0, 8, True)
    more = energy(network, 10.0, 10.0).total - energy(network, 20.0).total
    assert more == pytest.approx(10 * 3.1)


def test_a_decoder_takes_the_values_of_a_step():
    network, raster = graded(5, 2, True, hidden=(7,))
    decoder = Decoder(network)
    decoder.step(raster[50])
    decoder.silence(2)
    rows = np.zeros((4, 12), np.int8)
    rows[[0, 3]] = raster[50], raster[55]
    expected = network.readout.decode(runs.run(network, rows).out)
    assert np.array_equal(decoder.step(raster[55].astype(int).tolist()), expected[3])
    for values, text in (
        ([2] * 12, r"values hold 2; the network takes whole numbers -2\.\.1"),
        ([0.5] * 12, r"values are float64; the network takes whole numbers -2\.\.1"),
        (["x"] * 12, "values are <U1"),
    ):
        with pytest.raises(DataError, match=text):
            decoder.step(values)
    for values in ([], [0] * 11, np.zeros((2, 6), int)):
        with pytest.raises(MismatchError, match=r"values have shape .*has 12 inputs"):
            decoder.step(values)
    with pytest.raises(UnsupportedError, match=r"a stream carries spikes; the network takes whole"):
        OrderedDecoder(network)


@pytest.mark.parametrize("values", RANGES.values())
def test_random_rasters_have_values_of_the_range(values):
    raster = random_raster(4000, 3, dt=0.004, rate=50.0, values=values)
    assert (raster.min(), raster.max()) == (min(values[0], 0), values[1])
    assert raster.dtype == (np.int8 if values[0] < 0 else np.uint8)
    zeros = 0.8 + 0.2 / (values[1] - values[0] + 1) if values != (0, 1) else 0.8
    assert np.mean(raster == 0) == pytest.approx(zeros, abs=0.02)


@pytest.mark.slow
def test_a_reproducer_keeps_signed_inputs():
    network, raster = graded(6, 8, True, hidden=(4,))

    def faulty(given, inputs):
        return runs.run_backend(given, np.maximum(inputs, -3))

    small, kept = shrink(network, raster, faulty)
    assert kept.dtype == np.int8
    assert kept.min() < -3
    assert count_differences(reference.run(small, kept), faulty(small, kept)) > 0


@pytest.mark.slow  # compiles C
@pytest.mark.parametrize(("bits", "signed"), [(2, True), (8, False)])
def test_a_firmware_project_passes_its_own_test(bits, signed, tmp_path):
    network, raster = graded(7, bits, signed)
    export_c(network, tmp_path, "rsnn")
    write_project(network, raster, tmp_path, parts={}, files={}, costs="")
    sources = [str(tmp_path / name) for name in ("rsnn.c", "example_main.c")]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fsanitize=undefined"]
    subprocess.run(["cc", *flags, *sources, "-o", str(tmp_path / "a")], check=True)
    assert subprocess.run([str(tmp_path / "a")], check=False).returncode == 0
    text = (tmp_path / "selftest.h").read_text()
    kind = "int8_t" if signed else "uint8_t"
    assert f"static const {kind} selftest_input[60][12]" in text
    code = (tmp_path / "rsnn.c").read_text()
    assert code.count(" * (int32_t)source[j]") == 1
    (tmp_path / "rsnn.c").write_text(code.replace(" * (int32_t)source[j]", ""))
    subprocess.run(["cc", *flags, *sources, "-o", str(tmp_path / "a")], check=True)
    assert subprocess.run([str(tmp_path / "a")], check=False).returncode == 1


def test_c_says_what_it_takes(tmp_path):
    header, source = (path.read_text() for path in export_c(graded(0, 3, True)[0], tmp_path))
    assert "rsnn_step(rsnn_state *state, const int8_t values[rsnn_N_INPUTS]" in header
    assert "whole numbers -4..3" in header
    assert "bitmap" not in header + source
    assert "spike" not in header
    assert isinstance(graded(0, 3, True)[0].layers[0], CubaLIF)
