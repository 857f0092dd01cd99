"""Faults of one token in the Verilog, as people make them: each is caught by a stimulus named here.

Random runs miss many of them: a membrane that meets its threshold, a word that needs its last bit,
a spike of the last neuron. So there are stimuli made for these.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from networks import random_network, random_raster, with_arrays
from tools import need
from verilog_runs import LARGE, SHAPES, SMALL, difference

from export.firmware.templates import template
from export.verilog.design import Shape, design_of
from sim.conformance.cases import cases
from sim.conformance.networks import hand_made
from sim.contract import PAPER, SNNTORCH
from sim.network import IntegerNetwork

CASES = {case.name: case for case in cases()}


@pytest.fixture(autouse=True)
def icarus():
    need("iverilog", "iverilog")


@cache
def stimulus(name: str) -> tuple[IntegerNetwork, np.ndarray]:
    """A network and a raster, made for some faults, or a case of the conformance kit."""
    rng = np.random.default_rng(3)
    raster = random_raster(rng, 45, 12)
    if name == "loud":
        return random_network(rng, hidden=(11, 5), n_heads=3, biased=True), raster
    if name == "subtracting":
        order = replace(PAPER, reset="subtract", reset_drops_input=False, current="new")
        return random_network(rng, order, hidden=(6,)), raster
    if name == "without delay":
        return random_network(rng, SNNTORCH, hidden=(9, 6)), raster
    if name == "narrow":
        narrow = replace(PAPER, syn_bits=11, mem_bits=12, frac_bits=2)
        return random_network(rng, narrow, hidden=(6,)), raster
    if name == "all fire":  # each neuron in every step, also in silence
        network = random_network(rng, hidden=(6, 5))
        for layer, n in enumerate((6, 5)):
            network = with_arrays(network, layer, threshold=np.full(n, -(1 << 30)))
        return network, raster
    if name == "few rows":  # the readout is apart, and all of its words are used
        network = random_network(rng, hidden=(30, 5), n_heads=1, threshold=-1, min_threshold=-1)
        return with_arrays(network, -1, w_out=[[127] * 5, [-128] * 5]), raster
    if name == "waits":  # each layer has one neuron, which fires
        return random_network(
            rng, SNNTORCH, hidden=(1, 1, 1), threshold=-1, min_threshold=-1
        ), raster
    if name == "one layer recurs":
        first = random_network(rng, hidden=(20,))
        second = random_network(rng, n_inputs=20, hidden=(6,), recurrent=False)
        return replace(first, layers=(first.layers[0], *second.layers)), raster
    if name == "unity":
        network = random_network(rng, hidden=(6,))
        return with_arrays(network, 0, decay_mem=[4096, 0, 4096, 1, 4095, 2048]), raster
    if name == "extremes":  # sums, currents and membranes reach both ends of their words
        weights = np.repeat([[127], [-128]], 9, axis=1)
        return hand_made(PAPER, weights, e_in=2, syn=0.0, mem=0.0), np.ones((6, 9), np.uint8)
    return CASES[name].network, CASES[name].raster


NEGATIVE = "{1'b0}"
FAULTS = {
    "rsnn_membrane.v": (
        ("{down[X_BITS-1]}", NEGATIVE, "narrow"),
        ("{drive[SYN_BITS-1]}", NEGATIVE, "loud"),
        ("{not_level, 1'b1};", "{not_level, 1'b0};", "subtracting"),
        ("left : left + driven", "left : left", "subtracting"),
        ("FIRES_ON == 0 ? was_over", "FIRES_ON == 9 ? was_over", "loud"),
        ("FIRES_ON == 2 && was_over", "FIRES_ON == 2", "without delay"),
        ("RESET_DELAY != 0 ? was_over : fires", "fires", "without delay"),
    ),
    "rsnn_over.v": (
        ("{not_level, EQUAL}", "{not_level, 1'b1}", "tie-silent-previous_membrane"),
        ("{not_level, EQUAL}", "{not_level, 1'b0}", "tie-fires-previous_membrane"),
        ("{not_level, EQUAL}", "{not_level, 1'b1}", "tie-silent-reset_membrane"),
        ("{not_threshold[LEVEL_BITS-1]}", NEGATIVE, "loud"),
        ("{mem[MEM_BITS-1]}", NEGATIVE, "loud"),
    ),
    "rsnn_decay_single.v": (("{x[X_BITS-1]}", NEGATIVE, "loud"),),
    "rsnn_round.v": (
        (" && product[DECAY_FRAC-1:0] != 0", "", "unity"),
        ("ROUND_TO_ZERO != 0", "1'b0", "loud"),
    ),
    "rsnn_decay_serial.v": (
        ("ROUND_TO_ZERO != 0", "1'b0", "loud"),
        ("is_unity ? x", "1'b0 ? x", "unity"),
        ("sum[X_BITS+1:2]", "{1'b0, sum[X_BITS:2]}", "loud"),
        ("{term[X_BITS-1], term, up}", "{1'b0, term, up}", "loud"),
    ),
    "rsnn_current.v": (
        ("<<< FRAC_BITS", "<<< 5", "loud"),
        ("{acc[ACC_BITS-1]}", NEGATIVE, "narrow"),
        ("{bias[BIAS_BITS-1]}", NEGATIVE, "loud"),
        (" + added", "", "loud"),
    ),
    "rsnn_acc.v": (
        ("<<< e_below", "<<< e_own", "loud"),
        ("{sum_own[SUM_BITS-1]}", NEGATIVE, "loud"),
    ),
    "rsnn_fit.v": (
        ("SATURATE != 0", "SATURATE == 2", "narrow"),
        ("{!negative}", "{negative}", "narrow"),
    ),
    "rsnn_gather.v": (
        ("{weight[WEIGHT_BITS-1]}", NEGATIVE, "loud"),
        ("op_add == ASIDE || op_add == HAND", "op_add == HAND", "loud"),
        ("op_add == ASIDE || op_add == HAND", "op_add == ASIDE", "loud"),
        ("left <= LANES", "left < LANES", "loud"),
        ("DELAY_STEPS == 0", "1'b0", "without delay"),
        ("n_own != 0", "n_own == 0", "loud"),
        ("if (start) rows", "if (rst) rows", "loud"),
        ("op_add != HAND || block_free", "1'b1", "loud"),
    ),
    "rsnn_events.v": (
        ("former <= i != 0 && adds ? end_after : kept", "former <= kept", "all fire"),
        ("state == JUDGE && !known", "state == JUDGE", "loud"),
        ("looked_at < inputs_end && ", "", "loud"),
        (" && list_id == whole_channel", "", "loud"),
        ("half <= !half", "half <= half", "loud"),
        ("< N_INPUTS;", "< N_INPUTS - 1;", "loud"),
        ("kept <= START;\n                    former <= i", "former <= i", "loud"),
        ("} == i;", "} != 0;", "loud"),
        ("list_is_below && DELAY_STEPS == 0", "1'b0", "without delay"),
    ),
    "rsnn_update.v": (
        (".write(advance)", ".write(done)", "loud"),
        ("is_row ? first_out", "1'b0 ? first_out", "loud"),
        ("CURRENT_IS_NEW != 0 ? new_syn : syn", "new_syn", "loud"),
        ("CURRENT_IS_NEW != 0 ? new_syn : syn", "syn", "subtracting"),
        ("MULTIPLIER != 0 ? MEM : KEEP)", "MEM)", "loud"),
        ("out_last <= is_last_of_layer", "out_last <= 1'b1", "loud"),
        ("(!is_row || !out_valid || out_ready)", "1'b1", "loud"),
        ("rst || phase == KEEP || done", "rst || done", "loud"),
        ("rst || phase == KEEP || done", "rst || phase == KEEP", "loud"),
        ("if (rst) new_syn <= 0;", "if (1'b0) new_syn <= 0;", "loud"),
        ("available && is_last_turn", "is_last_turn", "loud"),
    ),
    "rsnn_update_pipelined.v": (
        ("scale_fill ? {{", "1'b0 ? {{", "loud"),
        ("writes || scale_fill", "writes", "loud"),
        ("scale_fill ? scale_neuron", "1'b0 ? scale_neuron", "loud"),
        ("scale_is_row ? first_out", "1'b0 ? first_out", "loud"),
        ("CURRENT_IS_NEW != 0 ? new_syn : write_syn", "new_syn", "loud"),
        ("CURRENT_IS_NEW != 0 ? new_syn : write_syn", "write_syn", "subtracting"),
        ("out_last <= write_ends", "out_last <= 1'b1", "loud"),
        ("out_valid && !out_ready", "1'b0", "loud"),
        ("computing && !drains", "computing", "few rows"),
        ("(write_valid && write_is_last)", "1'b0", "few rows"),
        ("(scale_valid && scale_is_last)", "1'b0", "few rows"),
        ("!block_valid && !scale_valid", "!block_valid", "waits"),
        ("write_valid && go", "write_valid", "loud"),
        ("write_was_over <= was_over", "write_was_over <= 1'b0", "loud"),
        ("write_syn <= syn", "write_syn <= new_syn", "loud"),
    ),
    "rsnn_block.v": (
        ("below[lane*SUM_BITS", "below[0*SUM_BITS", "loud"),
        ("take && (is_last_of_layer || &lane)", "take && &lane", "loud"),
        ("!valid || block_end", "1'b1", "loud"),
    ),
    "rsnn_rows.v": (
        ("{weight[WEIGHT_BITS-1]}", NEGATIVE, "few rows"),
        ("if (clear) kept", "if (1'b0) kept", "few rows"),
        ("index*SUM_BITS", "0*SUM_BITS", "few rows"),
    ),
    "rsnn_turn.v": (
        ("is_row ? {SUM_BITS{1'b0}} : lane_own", "lane_own", "few rows"),
        ("advance && is_row && is_last_of_layer", "advance && is_row", "few rows"),
        ("advance && is_row && is_last_of_layer", "advance && is_last_of_layer", "few rows"),
        ("{row_sum[ROW_SUM_BITS-1]}", NEGATIVE, "few rows"),
        ("advance && !row_apart", "advance", "few rows"),
        ("row_apart ? computing : block_valid", "row_apart || block_valid", "few rows"),
    ),
    "rsnn_constants.v": (
        ("{level[LEVEL_BITS-1]}", NEGATIVE, "few rows"),
        ("BELOW_AT + BELOW_SHIFT_BITS", "BELOW_AT", "loud"),
    ),
    "rsnn_shift_serial.v": (
        ("now <=", "now <", "loud"),
        ("turn == 0 ? wide", "turn <= 1 ? wide", "loud"),
        ("{sum[SUM_BITS-1]}", NEGATIVE, "loud"),
        ("kept <<< 1", "kept <<< 2", "loud"),
    ),
    "rsnn_scatter.v": (
        ("{weight[WEIGHT_BITS-1]}", NEGATIVE, "loud"),
        ("part} + 2 == row_words", "part} + 1 == row_words", "loud"),
        ("left & (left - 1'b1)", "left & (left - 2'd2)", "loud"),
        ("adds || clears || state == BELOW || hands", "adds || clears || state == BELOW", "loud"),
        ("adds || clears || state == BELOW || hands", "adds || clears || hands", "loud"),
        ("adds || clears || state == BELOW || hands", "adds || state == BELOW || hands", "loud"),
        ("state == HAND && block_free", "state == HAND", "loud"),
        ("if (is_below) state <= WAIT", "state <= WAIT", "loud"),
        ("pointer != list_end", "pointer + 1'b1 != list_end", "loud"),
        ("is_first && !block_idle", "1'b0", "waits"),
        ("(is_below || RECURRENT[layer])", "1'b1", "one layer recurs"),
        ("MAP_BITS - 1) / MAP_BITS + 1", "MAP_BITS - 1) / MAP_BITS + 2", "loud"),
        ("{is_below, adding}", "{1'b0, adding}", "loud"),
    ),
    "rsnn_loaded.v": (
        ("write ? place : read_address", "read_address", "loud"),
        ("count} == N_BYTES - 1", "count} == N_BYTES", "loud"),
        ("{load_byte, bytes[8*N_BYTES-1:8]}", "{bytes[8*N_BYTES-9:0], load_byte}", "loud"),
        ("== DEPTH - 1) loaded", "== DEPTH) loaded", "loud"),
        ("load_valid && !loaded", "!loaded", "loud"),
    ),
    "rsnn_words.v": (
        ("{1'b1, neuron}", "{1'b0, neuron}", "loud"),
        ("{read_state, neuron_next}", "{1'b0, neuron_next}", "loud"),
        ("if (keep_state) kept", "kept", "loud"),
    ),
    "rsnn_walk.v": (
        ("is_last ? {NEURON_BITS{1'b0}}", "1'b0 ? {NEURON_BITS{1'b0}}", "loud"),
        ("if (is_last) layer <= 0;", "if (1'b0) layer <= 0;", "loud"),
    ),
    "rsnn_core.v": (("computing <= 1'b0;\n            if", "if", "loud"),),
}
SMALL_ONLY = {
    "rsnn_decay_serial.v",
    "rsnn_shift_serial.v",
    "rsnn_update.v",
    "rsnn_turn.v",
    "op_add != HAND || block_free",
    "left <= LANES",
}
SINGLE_ONLY = {"available && is_last_turn"}
WIDTHS = {
    **dict.fromkeys(("SUM_BITS", "ACC_BITS", "SYN_BITS", "MEM_BITS", "LEVEL_BITS"), "extremes"),
    **dict.fromkeys(("WEIGHT_BITS", "DECAY_BITS", "BIAS_BITS"), "loud"),
    **dict.fromkeys(("BELOW_SHIFT_BITS", "OWN_SHIFT_BITS"), "loud"),
    **dict.fromkeys(("ROW_WEIGHT_BITS", "ROW_SUM_BITS"), "few rows"),
}
EACH = [(file, *fault) for file, faults in FAULTS.items() for fault in faults]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [SMALL, LARGE, SHAPES[-1]], ids=["small", "large", "bitmap"])
@pytest.mark.parametrize("name", sorted({*WIDTHS.values(), *(fault[-1] for fault in EACH)}))
def test_a_stimulus_without_a_fault_gives_the_words_of_the_reference(name, shape, tmp_path):
    assert difference(*stimulus(name), shape, tmp_path)[0] is None


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "name"), EACH)
def test_a_planted_fault_is_caught(file, right, wrong, name, tmp_path):
    text = template(f"verilog/{file}")
    assert right in text
    shape = SMALL if {file, right} & SMALL_ONLY else LARGE
    if right in SINGLE_ONLY:
        shape = Shape(4, "single")
    if file == "rsnn_scatter.v":
        shape = Shape(1, "serial", storage="bitmap")
    if file == "rsnn_loaded.v":
        shape = Shape(8, "single", storage="spram")
    if file == "rsnn_words.v":
        shape = Shape(2, "serial", packed=True)
    changes = {file: text.replace(right, wrong)}
    assert difference(*stimulus(name), shape, tmp_path, changes=changes)[0] is not None


@pytest.mark.slow
@pytest.mark.parametrize(("width", "name"), WIDTHS.items())
def test_a_word_that_is_a_bit_narrower_is_caught(width, name, tmp_path):
    """So none is wider than the network needs, either."""
    assert design_of(stimulus(name)[0], LARGE).number(width) > 1
    assert difference(*stimulus(name), LARGE, tmp_path, narrower=width)[0] is not None
