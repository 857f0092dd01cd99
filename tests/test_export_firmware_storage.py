"""Forms of a matrix in flash: the smallest is chosen, and each gives the words of the reference."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need

from base.errors import RangeError
from export.firmware.decoder import FLAGS, compile_replay, export_c, run_backend
from export.firmware.replay import replay
from export.firmware.storage import LAYOUTS, store, sum_bits, weight_bits
from sim import reference
from sim.contract import PAPER
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.trace import first_difference

SANITIZED = (*FLAGS, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def network_of(bits: int, zeros: float, hidden: tuple[int, ...] = (70, 33), n_inputs: int = 20):
    rng = np.random.default_rng(bits)
    contract = replace(PAPER, weight_bits=bits)
    reach = 1 << (bits + 8)
    network = random_network(
        rng, contract, n_inputs=n_inputs, hidden=hidden, sparsity=zeros, threshold=reach
    )
    first, *others = network.layers
    empty = first.w_in.copy()
    empty[:, 3] = 0  # an input that reaches no neuron
    empty[-1] = 1 << (bits - 2)  # and a neuron that every input reaches
    return replace(network, layers=(replace(first, w_in=empty), *others))


def check_words(network, layout, folder, n_steps=40):
    need("cc", "gcc")
    raster = random_raster(np.random.default_rng(0), n_steps, network.n_inputs)
    expected = reference.run(network, raster)
    assert expected.variables["hidden0.spk"].any()
    program = compile_replay(network, folder, layout, flags=SANITIZED)
    found, _ = replay(network, raster, [str(program)], folder)
    assert first_difference(expected, found) is None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [3, 8, 12])
@pytest.mark.parametrize(("zeros", "form"), [(0.0, "plain"), (0.5, "nonzero"), (0.97, "gaps")])
def test_the_smallest_form_is_chosen_and_gives_the_right_words(bits, zeros, form, tmp_path):
    network = network_of(bits, zeros)
    stored = store(network, "compact")
    assert stored["w_rec0"].form == form
    assert weight_bits(network, "compact") == {3: 4, 8: 8, 12: 16}[bits]
    check_words(network, "compact", tmp_path)


def test_a_matrix_is_never_larger_than_in_the_fast_layout():
    for zeros in (0.0, 0.3, 0.45, 0.9, 1.0):
        compact, fast = (store(network_of(8, zeros), layout) for layout in LAYOUTS[::-1])
        for name, storage in compact.items():
            assert storage.size <= fast[name].size, (name, zeros)
    half = store(network_of(4, 0.0), "compact")["w_rec0"]
    assert half.size == 70 * 70 / 2


@pytest.mark.parametrize(("zeros", "table"), [(0.0, ""), (0.5, "_nonzero"), (0.97, "_gap")])
def test_a_fault_in_a_table_shows_where_the_reference_would_differ(zeros, table, monkeypatch):
    """One bit of the recurrent weights, of the bits that say which are there, or of the gaps."""
    network = network_of(8, zeros, hidden=(70,))
    raster = random_raster(np.random.default_rng(0), 60, network.n_inputs)
    expected = reference.run(network, raster)
    sender = int(np.flatnonzero(expected.variables["hidden0.spk"].any(0))[0])
    stored = store(network, "compact")
    wrong = stored["w_rec0"].tables[table].copy()
    ends = stored["w_rec0"].tables.get("_start", np.arange(71) * 70)
    wrong[(sender, 0) if table == "_nonzero" else int(ends[sender])] ^= 1
    tables = {**stored["w_rec0"].tables, table: wrong}
    stored["w_rec0"] = replace(stored["w_rec0"], tables=tables)
    monkeypatch.setattr("export.firmware.source.store", lambda network, layout: stored)
    need("cc", "gcc")
    found = first_difference(expected, run_backend(network, raster, "compact"))
    assert found is not None
    assert (found.layer, found.variable) == ("hidden0", "syn")
    assert expected.variables["hidden0.spk"][found.step - 1, sender]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "dtype"), [(2**16 - 1, np.uint16), (2**16, np.uint32)])
def test_starts_of_rows_take_as_many_bits_as_the_last_needs(n, dtype):
    """Of two inputs, the first reaches n of the neurons and the second none."""
    weights = np.zeros((2 * n, 2), int)
    weights[::2, 0] = 1
    constants = np.ones(2 * n, int)
    hidden = CubaLIF(weights, None, *[constants] * 5)
    readout = replace(network_of(8, 0.5).readout, w_out=np.ones((2, 2 * n), int), n_heads=1)
    stored = store(IntegerNetwork((hidden, readout), PAPER, 0.004), "compact")["w_in0"]
    assert stored.form == "nonzero"
    assert stored.tables["_start"].tolist() == [0, n]
    assert stored.tables["_start"].dtype == dtype


@pytest.mark.slow
def test_gaps_longer_than_a_byte_are_halved_by_a_zero(tmp_path):
    network = network_of(8, 0.995, hidden=(700,), n_inputs=8)
    storage = store(network, "compact")["w_rec0"]
    assert storage.form == "gaps"
    assert storage.tables["_gap"].max() == 255
    assert (storage.tables[""][storage.tables["_gap"] == 255] == 0).any()
    check_words(network, "compact", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_matrices_without_any_weight_can_be_stored(layout, tmp_path):
    network = network_of(8, 0.5)
    first, second, readout = network.layers
    silent = replace(second, w_rec=second.w_rec * 0)
    network = replace(network, layers=(replace(first, w_rec=first.w_rec * 0), silent, readout))
    check_words(network, layout, tmp_path)


@pytest.mark.slow
def test_sums_are_as_narrow_as_the_largest_row_allows(tmp_path):
    """2^15 - 1 fits in 16 bits and 2^15 does not, whichever sign."""
    rng = np.random.default_rng(3)
    for top, bits in ((127, 16), (128, 32)):
        network = random_network(rng, n_inputs=258, hidden=(6,), recurrent=False)
        first, readout = network.layers
        w_in = np.zeros((6, 258), np.int64)
        w_in[0, :256] = -128
        w_in[0, 0] = -top
        w_in[1, :258] = 127
        w_in[1, 256:] = (1, 0)
        network = replace(network, layers=(replace(first, w_in=w_in), readout))
        assert sum_bits(network, "compact") == bits
        assert sum_bits(network, "fast") == 32
        header = export_c(network, tmp_path, layout="compact")[0].read_text()
        assert f"typedef int{bits}_t rsnn_sum;" in header
        check_words(network, "compact", tmp_path)


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(RangeError, match="`layout` is tiny; known: fast, compact"):
        export_c(network_of(8, 0.5), tmp_path, layout="tiny")
    assert list(tmp_path.iterdir()) == []
