"""A neuron in Verilog is proved to compute what the contract says, for all inputs at full width."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, with_arrays
from tools import need

from export.firmware.templates import template
from export.verilog.design import SHAPES, design_of
from export.verilog.project import write_project
from export.verilog.source import FIXED, texts
from sim.contract import PAPER, SNNTORCH

NARROW = {"syn_bits": 11, "mem_bits": 12, "frac_bits": 2}
CONTRACTS = {
    "paper": PAPER,
    "snntorch": SNNTORCH,
    "saturating, floor": replace(
        PAPER, **NARROW, rounding="floor", reset="subtract", fires_when=">="
    ),
    "wrapping": replace(
        PAPER,
        **NARROW,
        current="new",
        fires_on="new_membrane",
        overflow_syn="wrap",
        overflow_mem="wrap",
        reset_drops_input=False,
        weight_bits=4,
    ),
}


def project(contract, folder, layout="fast"):
    """A project with the proof of a network of the published size."""
    network = random_network(
        np.random.default_rng(2), contract, n_inputs=96, hidden=(64,), biased=contract is PAPER
    )
    design = design_of(network, SHAPES[layout])
    write_project(design, np.zeros((1, 96), np.uint8), folder, goal="icarus")
    for name in FIXED:
        (folder / name).write_text(template(f"verilog/{name}"))
    return folder


def prove(folder):
    need("yosys", "yosys")
    need("make", "make")
    return subprocess.run(
        ["make", "-C", str(folder), "proof"], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_neuron_computes_what_the_contract_says_for_all_inputs(contract, layout, tmp_path):
    done = prove(project(contract, tmp_path, layout))
    assert done.returncode == 0, done.stdout + done.stderr


FAULTS = (
    ("rsnn_over.v", "{not_level, EQUAL}", "{not_level, !EQUAL}"),
    ("rsnn_over.v", "{not_threshold[LEVEL_BITS-1]}", "{1'b0}"),
    ("rsnn_membrane.v", "!is_row && (", "("),
    ("rsnn_membrane.v", "{none, up}", "{none, 1'b0}"),
    ("rsnn_round.v", "ROUND_TO_ZERO != 0", "1'b0"),
    ("rsnn_round.v", " && product[DECAY_FRAC-1:0] != 0", ""),
    ("rsnn_decay_single.v", "{x[X_BITS-1]}", "{1'b0}"),
    ("rsnn_acc.v", "(own <<< e_own)", "(own <<< e_own[0])"),
    ("rsnn_current.v", " + added", ""),
    ("rsnn_current.v", "{arrived, up}", "{arrived, 1'b0}"),
    ("rsnn_decay_serial.v", "{term[X_BITS-1], term, up}", "{term[X_BITS-1], term, 1'b0}"),
    ("rsnn_decay_serial.v", "{left[X_BITS-1], left, 1'b1}", "{1'b0, left, 1'b1}"),
    ("rsnn_decay_serial.v", "is_unity ? x", "1'b0 ? x"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong"), FAULTS)
def test_a_planted_fault_is_refuted(file, right, wrong, tmp_path):
    subtracts = replace(PAPER, reset="subtract")
    path = project(subtracts, tmp_path) / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    done = prove(tmp_path)
    assert done.returncode != 0
    assert "proof did fail" in done.stdout + done.stderr


BENCH = """
module bench;
    reg signed [7:0] x, kept;
    reg [6:0] decay;
    reg [2:0] turn;
    wire signed [7:0] next, single;
    integer i, d, right, wrong;
    rsnn_decay_serial #(.X_BITS(8), .DECAY_BITS(7), .DECAY_FRAC(6), .TURN_BITS(3),
        .ROUND_TO_ZERO(`ROUND)) serial (.turn(turn), .left(kept), .x(x), .decay(decay),
        .decayed(next));
    wire signed [13:0] product;
    wire signed [7:0] down;
    wire up;
    assign single = down + $signed({1'b0, up});
    rsnn_decay_single #(.X_BITS(8), .DECAY_BITS(7), .DECAY_FRAC(6))
        at_once (.x(x), .decay(decay), .product(product));
    rsnn_round #(.X_BITS(8), .DECAY_FRAC(6), .ROUND_TO_ZERO(`ROUND))
        rounded (.product(product), .down(down), .up(up));
    initial begin
        wrong = 0;
        for (i = -128; i < 128; i = i + 1)
            for (d = 0; d <= 64; d = d + 1) begin
                x = i;
                decay = d;
                kept = 0;
                for (turn = 0; turn < 6; turn = turn + 1) begin
                    #1;
                    kept = next;
                end
                right = `ROUND ? i * d / 64 : (i * d) >>> 6;
                if (kept !== right[7:0] || single !== right[7:0]) wrong = wrong + 1;
            end
        $display("%0d wrong", wrong);
    end
endmodule
"""


@pytest.mark.parametrize("rounding", [0, 1])
def test_both_decays_are_exact_for_every_word_of_8_bits_and_every_decay(rounding, tmp_path):
    need("iverilog", "iverilog")
    (tmp_path / "bench.v").write_text(BENCH)
    for name in ("rsnn_decay_serial.v", "rsnn_decay_single.v", "rsnn_round.v"):
        (tmp_path / name).write_text(template(f"verilog/{name}"))
    files = sorted(path.name for path in tmp_path.glob("*.v"))
    command = ["iverilog", f"-DROUND={rounding}", "-o", "bench", *files]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "bench"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"0 wrong\n"


@pytest.mark.slow
def test_a_network_of_the_published_size_fits_the_smallest_part_in_compact_form(tmp_path):
    """LUTs and block RAMs of an iCE40 UP5K, which has 5280 and 30, as yosys maps them."""
    need("yosys", "yosys")
    rng = np.random.default_rng(2)
    network = random_network(rng, n_inputs=96, hidden=(64,))
    for layer, n in ((0, 64), (-1, 2)):
        decays = {f"decay_{word}": rng.integers(3000, 4000, n) for word in ("syn", "mem")}
        network = with_arrays(network, layer, **decays)
    design = design_of(network, SHAPES["compact"])
    for name, text in texts(design, "rsnn").items():
        (tmp_path / name).write_text(text)
    script = "read_verilog -defer rsnn*.v; synth_ice40 -top rsnn; tee -o found stat"
    subprocess.run(["yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    rows = [line.split() for line in (tmp_path / "found").read_text().splitlines()]
    found = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[0].startswith("SB_")}
    assert found["SB_LUT4"] <= 760
    assert found["SB_RAM40_4K"] <= 30
