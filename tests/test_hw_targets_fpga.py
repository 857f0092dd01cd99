"""FPGAs: what they take before synthesis, bitstreams twice the same, netlists, links, refusals."""

import json
import os
import subprocess
import sys
import tty
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need

from base.errors import RangeError, ToolError
from export.verilog.design import design_of, shape_of
from export.verilog.links import (
    BAUD,
    BOARD_HZ,
    answered_bytes,
    host_source,
    link_bench,
    sent_bytes,
)
from export.verilog.source import texts
from hw_targets import build, check, find_target, targets
from hw_targets.machines.fpga.cost import block_rams, resources
from hw_targets.machines.fpga.netlist import build_netlist
from hw_targets.machines.sketch import sketch
from hw_targets.machines.target import Limits, run_whole, runners
from sim import reference
from sim.artifact import save_network
from sim.trace import first_difference

FPGAS = {name: target for name, target in targets().items() if "netlist" in target.backends}
NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5))
MANY = "RSNN_TEST_ALL" in os.environ
FIGURES = {
    "lut4": int,
    "flip_flops": int,
    "block_rams": int,
    "spram": int,
    "multipliers": int,
    "fmax_mhz": float,
    "cycles_mean": float,
    "cycles_worst": int,
    "first_output_cycles": int,
    "margin": float,
}


def tools_of(target):
    for program, package in target.tools.items():
        need(program, package)


def test_the_parts_are_there():
    assert {"ice40_up5k", "ice40_hx8k"} <= set(FPGAS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FPGAS if name == "ice40_up5k" or MANY])
def test_a_build_is_the_same_twice_and_takes_what_the_check_said(name, tmp_path):
    fpga = FPGAS[name]
    tools_of(fpga)
    options = {"lanes": "2", "update": "serial", "link": "uart"}
    network = replace(NETWORK, metadata={"command": "test"})
    made = [build(network, fpga.name, tmp_path / name, options=options) for name in "ab"]
    for one, other in zip(*made, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes(), one.name
    names = {path.name for path in made[0]}
    assert {"rsnn_uart.json", "rsnn_uart.bin", "figures.json", "fpga.mk", "board.pcf"} <= names
    assert (tmp_path / "a" / "rsnn_uart.bin").stat().st_size > 30_000
    figures = json.loads((tmp_path / "a" / "figures.json").read_text())
    assert {name: type(figures[name]) for name in FIGURES} == FIGURES
    said = check(network, fpga.name, options=options)
    assert said["fits"] is True
    for name in ("cycles_mean", "cycles_worst", "first_output_cycles", "clock_mhz", "margin"):
        assert figures[name] == said[name]
    assert said["block_rams"] - 1 <= figures["block_rams"] <= said["block_rams"]
    assert figures["multipliers"] <= said["multipliers"]
    assert figures["fmax_mhz"] > said["clock_mhz"]
    assert figures["lut4"] > 300


NETLISTS = (
    {"layout": "compact", "storage": "bitmap", "pack": True},
    {"layout": "fast", "unique_inputs": True},
    {"update": "single", "storage": "spram"},
    {"layout": "compact"},
)


@pytest.mark.slow
@pytest.mark.parametrize("options", NETLISTS if MANY else NETLISTS[:1])
def test_the_words_of_a_netlist_are_those_of_the_reference(options, tmp_path, verilator):
    target = FPGAS["ice40_up5k"]
    tools_of(target)
    raster = random_raster(np.random.default_rng(0), 60, 12)
    expected = reference.run(NETWORK, raster)
    assert expected.variables["hidden0.spk"].any()
    (run,) = runners(target, NETWORK, tmp_path, options).values()
    assert first_difference(expected, run_whole(run, raster)) is None


@pytest.mark.parametrize(("depth", "width", "rams"), [
    (1, 1, 1), (256, 16, 1), (257, 16, 2), (512, 8, 1), (10240, 8, 20), (10368, 8, 21),
    (66, 52, 4), (66, 65, 5), (15750, 16, 64), (2048, 2, 1),
])  # fmt: skip
def test_block_rams_are_counted_as_synthesis_lays_them_out(depth, width, rams):
    """The counts are those of yosys 0.23; 15,750 words take 62 in the narrowest way."""
    from hw_targets.ice40_up5k import PART

    assert block_rams(PART, depth, width) == rams


@pytest.mark.parametrize(
    ("part", "hidden", "sparsity", "options", "said"),
    [
        (*("ice40_up5k", 56, 0, {"lanes": "16"}), "34 are needed, 30 are there. `lanes=8` fits"),
        (
            *("ice40_up5k", 56, 0, {"lanes": "16", "update": "serial"}),
            "34 are needed, 30 are there. `pack` fits",
        ),
        (
            *("ice40_up5k", 64, 0, {"layout": "compact"}),
            "42 are needed, 30 are there. `storage=spram` fits",
        ),
        (
            *("ice40_hx8k", 64, 0.45, {"layout": "compact"}),
            "42 are needed, 32 are there. `pack` and `storage=bitmap` fits",
        ),
        (
            *("ice40_hx8k", 64, 0.45, {"lanes": "2", "update": "serial"}),
            "42 are needed, 32 are there. `pack`, `lanes=1` and `storage=bitmap` fits",
        ),
        (
            *("ice40_hx8k", 64, 0, {"layout": "compact"}),
            "42 are needed, 32 are there. Quantize with `bits=6` or fewer, for `layout=compact`,"
            " `unique_inputs` and `pack`",
        ),
        (
            *("ice40_hx8k", 300, 0, {"layout": "compact"}),
            "312 are needed, 32 are there. Prune neurons, or name a larger target",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_smallest_change(
    part, hidden, sparsity, options, said
):
    n_inputs = 96 if hidden == 56 else 192
    network = random_network(
        np.random.default_rng(1), n_inputs=n_inputs, hidden=(hidden,), sparsity=sparsity
    )
    found = check(network, part, options=options)
    assert found["fits"] is False
    assert found["violations"][0] == f"block RAMs: {said}"


def test_large_memories_are_counted_and_refused_where_there_are_none():
    network = random_network(np.random.default_rng(1), n_inputs=192, hidden=(64,))
    found = check(network, "ice40_up5k", options={"update": "single", "storage": "spram"})
    assert (found["fits"], found["spram"], found["block_rams"]) == (True, 4, 10)
    found = check(network, "ice40_hx8k", options={"update": "single", "storage": "spram"})
    assert found["violations"][0].startswith("SPRAMs: 4 are needed, 0 are there. ")


def test_a_build_that_does_not_fit_writes_nothing(tmp_path):
    full = random_network(np.random.default_rng(1), n_inputs=192, hidden=(64,), sparsity=0)
    with pytest.raises(RangeError, match="are needed, 30 are there"):
        build(replace(full, metadata={"command": "test"}), "ice40_up5k", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_step_that_is_too_short_is_refused():
    short = replace(sketch("96-64-2"), dt=0.0002)
    found = check(short, "ice40_up5k", layout="compact")
    assert found["margin"] < 0
    (line,) = found["violations"]
    assert line == (
        "time: a step takes up to 10396 clocks, 0.87 ms at 12 MHz, and is 0.2 ms long."
        " `lanes=8` fits"
    )


def test_a_part_without_multipliers_is_said_to_take_none():
    design = design_of(NETWORK, shape_of("fast"))
    up5k, hx8k = FPGAS["ice40_up5k"], FPGAS["ice40_hx8k"]
    from hw_targets.ice40_hx8k import PART as without
    from hw_targets.ice40_up5k import PART as with_some

    assert resources(with_some, up5k.limits, design)["multipliers"] == 4
    assert resources(without, hx8k.limits, design)["multipliers"] == 0
    assert resources(with_some, Limits(), design)["multipliers"] == 4


def test_the_stream_of_the_decoder_has_too_many_pins(tmp_path):
    with pytest.raises(RangeError, match="`link` is stream; known: bytes, uart"):
        check(NETWORK, "ice40_up5k", options={"link": "stream"})


def test_missing_programs_are_named_with_their_packages(tmp_path, monkeypatch):
    monkeypatch.setattr("hw_targets.machines.fpga.synthesis.which", lambda program: None)
    network = replace(NETWORK, metadata={"command": "test"})
    with pytest.raises(ToolError) as error:
        build(network, "ice40_up5k", tmp_path / "none")
    assert str(error.value) == (
        "there is no `yosys`, `nextpnr-ice40`, `icepack`, `make`: install Debian's yosys and"
        " nextpnr-ice40 and fpga-icestorm and make"
    )
    assert not (tmp_path / "none").exists()
    monkeypatch.setattr("export.verilog.simulators.which", lambda program: None)
    with pytest.raises(ToolError, match="there is no `verilator`"):
        build_netlist(_part(), design_of(NETWORK, shape_of("fast")), tmp_path)


def test_a_tool_that_gives_up_is_quoted(tmp_path, monkeypatch):
    tools_of(FPGAS["ice40_up5k"])
    network = replace(NETWORK, metadata={"command": "test"})
    monkeypatch.setattr(
        "hw_targets.machines.fpga.synthesis.synthesis_command", lambda *_: "synth_nothing"
    )
    with pytest.raises(ToolError) as error:
        build(network, "ice40_up5k", tmp_path / "none")
    assert str(error.value).startswith("no bitstream was made: ERROR: No such command: synth_noth")
    assert not (tmp_path / "none").exists()


def _part():
    from hw_targets.ice40_up5k import PART

    return PART


@pytest.mark.parametrize("link", ["bytes", "uart"])
@pytest.mark.parametrize("n_inputs", [12, 300])
def test_a_link_answers_with_the_words_of_the_reference(link, n_inputs, tmp_path):
    need("iverilog", "iverilog")
    network = random_network(np.random.default_rng(1), n_inputs=n_inputs, hidden=(5,))
    raster = random_raster(np.random.default_rng(1), 9, n_inputs) & (
        np.arange(n_inputs) > 250 - 250 * (n_inputs < 99)
    )
    raster[1] = 0
    expected = answered_bytes(reference.run(network, raster))
    assert len(expected) == 9 * 4 * 2
    for storage in ("dense", "spram") if n_inputs == 12 else ("dense",):
        answers, _ = run_link(network, raster, link, tmp_path, storage=storage)
        assert answers == expected


LINK_FAULTS = (
    ("rsnn_bytes.v", "place == 2'd3)", "place == 2'd2)", "bytes"),
    ("rsnn_bytes.v", "word[8*place+:8]", "word[8*(3-place)+:8]", "bytes"),
    ("rsnn_bytes.v", "word_last && ", "", "bytes"),
    ("rsnn_bytes.v", "(&event_number)", "(1'b1)", "bytes"),
    ("rsnn_bytes.v", "if (!has_low) low", "if (has_low) low", "wide"),
    ("rsnn_bytes.v", "!has_low || event_ready", "!has_low || 1'b1", "wide"),
    ("rsnn_serial.v", "{wire_now[2], received[7:1]}", "{received[6:0], wire_now[2]}", "uart"),
    ("rsnn_serial.v", "tx_left <= 4'd10", "tx_left <= 4'd8", "uart"),
    ("rsnn_serial.v", "received_valid <= wire_now[2];", "received_valid <= 1'b0;", "uart"),
    ("rsnn_uart.v", "!out_last || !busy", "1'b1", "sooner"),
    ("rsnn_uart.v", "sent_ready && passes", "sent_ready", "sooner"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "link"), LINK_FAULTS)
def test_a_fault_in_a_link_is_caught(file, right, wrong, link, tmp_path):
    need("iverilog", "iverilog")
    wide = link == "wide"
    hidden = 200 if link == "sooner" else 5  # a step takes longer than a byte
    n_inputs = 300 if wide else 12
    network = random_network(np.random.default_rng(1), n_inputs=n_inputs, hidden=(hidden,))
    raster = random_raster(np.random.default_rng(1), 9, n_inputs) & (np.arange(n_inputs) % 25 < 12)
    name = {"wide": "bytes", "sooner": "uart"}.get(link, link)
    answers, text = run_link(network, raster, name, tmp_path, {file: (right, wrong)})
    assert right in text
    assert answers != answered_bytes(reference.run(network, raster))


def run_link(network, raster, link, folder, changes=None, storage="dense"):
    """What a link answers, and the text of the file that was changed, as it was."""
    design = design_of(network, shape_of("compact", link=link, storage=storage))
    files = {**texts(design, "rsnn"), "rsnn_link_replay.v": link_bench(design, "rsnn")}
    text = ""
    for name, (right, wrong) in (changes or {}).items():
        text = files[name]
        files[name] = text.replace(right, wrong)
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "link.in").write_bytes(sent_bytes(design, raster))
    define = ["-DUART"] if link == "uart" else []
    command = ["iverilog", "-g2005", "-Wall", *define, "-s", "rsnn_link_replay", "-o", "link.vvp"]
    command += [name for name in files if name.endswith(".v")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert changes or done.stderr == ""
    subprocess.run(["vvp", "-n", "link.vvp"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return (folder / "link.out").read_bytes(), text


@pytest.mark.slow
def test_make_link_replays_the_golden_run(tmp_path):
    need("iverilog", "iverilog")
    need("make", "make")
    network = replace(NETWORK, metadata={"command": "test"})
    build(network, "icarus", tmp_path / "p", options={"link": "bytes"})
    command = ["make", "-s", "-C", str(tmp_path / "p"), "link"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "p" / "link.golden").write_bytes(b"other")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize(("n_inputs", "storage"), [(12, "dense"), (300, "spram")])
def test_the_host_script_keeps_answers_that_verify_compares(n_inputs, storage, tmp_path, run):
    """A board is a thread behind a pair of terminals, which answers what the reference does."""
    network = random_network(np.random.default_rng(1), n_inputs=n_inputs, hidden=(5,))
    network = replace(network, metadata={"command": "test"})
    save_network(network, tmp_path / "n.int.h5")
    design = design_of(network, shape_of("compact", link="uart", storage=storage))
    for name, text in texts(design, "rsnn").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "host.py").write_text(host_source(design, "rsnn"))
    raster = random_raster(np.random.default_rng(1), 9, n_inputs)
    np.save(tmp_path / "spikes.npy", raster)
    expected = answered_bytes(reference.run(network, raster))
    host, board = os.openpty()
    tty.setraw(host)
    tty.setraw(board)
    sent, size = sent_bytes(design, raster), len(expected) // 9
    step_ends = [len(sent_bytes(design, raster[: i + 1])) for i in range(9)]
    received = bytearray()

    def answer() -> None:
        for step, end in enumerate(step_ends):
            while len(received) < end:
                received.extend(os.read(host, end - len(received)))
            os.write(host, expected[size * step : size * (step + 1)])

    thread = Thread(target=answer, daemon=True)
    thread.start()
    command = [sys.executable, "host.py", os.ttyname(board), "spikes.npy", "answers.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    thread.join()
    assert bytes(received) == sent
    done = run("verify", tmp_path / "n.int.h5", "--trace", tmp_path / "answers.npz")
    assert done.code == 0, done
    assert done.out.endswith(" 18 state words, 0 differences\n")
    os.close(board)
    os.close(host)


def test_a_bit_takes_a_whole_number_of_clocks():
    assert BOARD_HZ % BAUD == 0
    assert all(target.limits.clock_hz == BOARD_HZ for target in FPGAS.values())


@pytest.mark.slow
def test_the_command_prints_what_a_build_takes(run, network, tmp_path):
    target = find_target("ice40_hx8k")
    tools_of(target)
    done = run("build", network, "--target", "ice40_hx8k", "--layout", "compact", "--json")
    assert done.code == 0, done
    found = json.loads(done.out)
    assert {name: type(found[name]) for name in FIGURES} == FIGURES
    assert found["multipliers"] == 0
    assert found["target"] == "ice40_hx8k"
    assert any(name.endswith("rsnn_bytes.bin") for name in found["files"])
