"""The exported Verilog: every contract in simulation, lint, refusals, files read back."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    adaptive,
    covering_contracts,
    double_exp,
    networks,
    random_network,
    random_raster,
    with_arrays,
)
from tools import need
from verilog_runs import LARGE, SHAPES, SMALL, difference

from base.errors import FileError, MismatchError, RangeError, ToolError, UnsupportedError
from cli import rsnnctl
from export.formats import formats
from export.quantization.precision import Precision
from export.quantize import quantize
from export.verilog.cycles import counted_steps, first_output, worst_step
from export.verilog.decoder import export_verilog, prepared, run_backend, simulator_for
from export.verilog.design import Shape, design_of, shape_of
from export.verilog.simulators import ICARUS, VERILATOR, bench
from export.verilog.source import texts
from export.verilog.written import open_written
from rsnn.data.raster import random_raster as independent_spikes
from rsnn.published import import_published
from sim import reference
from sim.artifact import save_network
from sim.contract import PAPER, SNNTORCH
from sim.trace import first_difference

NARROW = {"syn_bits": 11, "mem_bits": 12, "weight_bits": 12, "frac_bits": 0}
WIDEST = {"decay_frac": 16, "frac_bits": 16, "weight_bits": 16}


@pytest.fixture(autouse=True)
def icarus():
    need("iverilog", "iverilog")


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "contract", covering_contracts("verilog"), ids=lambda c: f"{c.reset}-{c.rounding}"
)
def test_every_choice_of_the_contract_gives_the_words_of_the_reference(
    contract, tmp_path, verilator
):
    """With words that overflow and with the widest there are, in shapes by turns."""
    rng = np.random.default_rng(3)
    raster = random_raster(rng, 80, 12)
    turn = covering_contracts("verilog").index(contract)
    for i, widths in enumerate(({}, NARROW, WIDEST)):
        network = random_network(
            rng, replace(contract, **widths), hidden=(6, 5), n_heads=3, biased=i == turn % 3
        )
        expected = reference.run(network, raster)
        assert any(expected.variables[f"hidden{i}.spk"].any() for i in range(2))
        for shape in {SMALL, SHAPES[(turn + i) % len(SHAPES)]}:
            folder = tmp_path / f"{i}-{shape.lanes}"
            found, clocks = difference(network, raster, shape, folder)
            assert found is None
            predicted = counted_steps(design_of(network, shape), raster)
            late = len(raster) // 3  # before, outputs are taken late
            assert (clocks[late:] == predicted[late:]).all()
        if i == turn % 3:
            folder, shape = tmp_path / "verilator", SHAPES[turn % 2]
            assert difference(network, raster, shape, folder, simulator=VERILATOR)[0] is None


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    network=networks(covering_contracts("verilog")),
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_network_gives_the_words_of_the_reference(network, shape, seed, tmp_path_factory):
    raster = random_raster(np.random.default_rng(seed), 20, network.n_inputs)
    folder = tmp_path_factory.mktemp("any")
    assert difference(network, raster, shape, folder)[0] is None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_give_the_words_of_the_reference(published, bits, tmp_path):
    for path in published:
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(40, network.n_inputs, dt=network.dt)
        raster[30:32] = 1
        found, clocks = difference(network, raster, LARGE, tmp_path / path.stem)
        assert found is None
        assert clocks.max() <= worst_step(design_of(network, LARGE))


def test_a_network_of_the_published_size_takes_the_clocks_that_are_counted(tmp_path):
    """Negative thresholds make all neurons fire, so the step after full input is the worst one."""
    rng = np.random.default_rng(5)
    network = random_network(rng, n_inputs=96, hidden=(64,), threshold=-1, min_threshold=-1)
    raster = random_raster(rng, 9, 96)
    raster[6:8] = 1
    found, clocks = difference(network, raster, LARGE, tmp_path)
    assert found is None
    design = design_of(network, LARGE)
    assert (clocks[3:] == counted_steps(design, raster)[3:]).all()
    assert clocks.max() == worst_step(design) == 8 * 162 + 2 + 8 + 2


@pytest.mark.parametrize("shape", [*SHAPES, Shape(8, "pipelined", unique_inputs=True)])
def test_the_first_output_comes_as_soon_as_is_said(shape, tmp_path):
    few = random_network(np.random.default_rng(1), hidden=(5, 4))
    raster = random_raster(np.random.default_rng(2), 30, 12)
    assert difference(few, raster, shape, tmp_path)[0] is None
    found = np.fromfile(tmp_path / "replay.first", "<u4")
    said = first_output(design_of(few, shape))
    channel_last = np.arange(30) % 2 == 0  # the bench ends every other step with no channel
    sends = raster.any(1) & channel_last
    assert (found[10:][sends[10:]] == said).all()
    assert (found[10:] <= said).all()
    assert said <= 8 or shape.update != "pipelined"
    for many in (
        random_network(np.random.default_rng(1), n_heads=3),  # its rows take blocks
        random_network(np.random.default_rng(1), SNNTORCH, hidden=(5, 4)),
    ):
        raster[14:16] = 1
        assert difference(many, raster, shape, tmp_path)[0] is None
        found = np.fromfile(tmp_path / "replay.first", "<u4")
        said = first_output(design_of(many, shape))
        assert said // 2 <= found[10:].max() <= said


@pytest.mark.slow
def test_without_delay_layers_wait_for_each_other(tmp_path):
    network = random_network(np.random.default_rng(1), SNNTORCH, hidden=(19, 7), n_heads=5)
    raster = random_raster(np.random.default_rng(0), 30, 12)
    found, clocks = difference(network, raster, SMALL, tmp_path)
    assert found is None
    assert (clocks[10:] == counted_steps(design_of(network, SMALL), raster)[10:]).all()


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 3])
def test_both_linters_have_nothing_to_say(layers, tmp_path):
    need("verilator", "verilator")
    for i, widths in enumerate(({}, NARROW, WIDEST)):
        network = random_network(
            np.random.default_rng(i),
            replace(covering_contracts("verilog")[i + 3 * (layers == 3)], **widths),
            hidden=(20, 6, 5)[:layers],
            n_inputs=(12, 1, 300)[i],
            biased=i == 1,
        )
        for shape in (SMALL, LARGE):
            for name, text in texts(design_of(network, shape), "rsnn").items():
                (tmp_path / name).write_text(text)
            files = sorted(path.name for path in tmp_path.glob("*.v"))
            for command in (
                ["verilator", "--lint-only", "-Wall", "--top-module", "rsnn"],
                ["iverilog", "-g2005", "-Wall", "-t", "null", "-s", "rsnn"],
            ):
                done = subprocess.run(
                    [*command, *files], cwd=tmp_path, capture_output=True, text=True, check=False
                )
                assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
def test_a_decoder_takes_as_many_clocks_in_verilator(network, tmp_path, verilator):
    raster = random_raster(np.random.default_rng(2), 60, 12)
    found, clocks = difference(network, raster, SMALL, tmp_path / "v", simulator=VERILATOR)
    assert found is None
    assert (clocks == difference(network, raster, SMALL, tmp_path / "i")[1]).all()


def test_the_same_network_gives_the_same_files_and_each_of_its_own_names_it(network, tmp_path):
    one, other = (export_verilog(network, tmp_path / name, "it", LARGE) for name in "ab")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert [path.name for path in one[:3]] == ["it.v", "it_weights.hex", "it_constants.hex"]
    for path in one[:3]:
        assert network.digest() in path.read_text().splitlines()[0]
    assert all(path.name.startswith("rsnn_") for path in one[3:])
    top = one[0].read_text()
    assert "module it (" in top
    assert "@" not in top


@pytest.mark.parametrize("name", ["", "2nd", "a-b", "ä", "rsnn_core"])
def test_a_name_that_no_module_can_have_is_refused(network, name, tmp_path):
    with pytest.raises(RangeError) as error:
        export_verilog(network, tmp_path / "none", name, LARGE)
    assert str(error.value) == (
        f"name is {name!r}; letters, digits and _ make a name, which may not begin with rsnn_"
    )
    assert not (tmp_path / "none").exists()


def test_what_the_decoder_does_not_compute_is_refused_by_name(network, tmp_path):
    rng = np.random.default_rng(1)
    refused = {
        "`hidden0` is adaptive_cuba_lif; Verilog computes cuba_lif and cuba_li": adaptive(
            rng, network
        ),
        "`hidden0` is double_exp_lif; Verilog computes cuba_lif and cuba_li": double_exp(
            rng, network
        ),
        "the contract's `input_bits` is 3; Verilog computes 1": random_network(
            rng, replace(PAPER, input_bits=3)
        ),
        "the contract's `input_signed` is True; Verilog computes False": random_network(
            rng, replace(PAPER, input_signed=True)
        ),
        "the contract's `inputs_once` is True; Verilog computes False": random_network(
            rng, replace(PAPER, inputs_once=True)
        ),
        "the contract's `bias_on` is membrane; Verilog computes current": random_network(
            rng, replace(PAPER, bias_on="membrane")
        ),
        "the contract's `saturation` is symmetric; Verilog computes full": random_network(
            rng, replace(PAPER, saturation="symmetric")
        ),
        "`readout` has `e_out`, which Verilog does not compute": with_arrays(
            network, -1, e_out=[1] * network.readout.n_neurons
        ),
    }
    for text, other in refused.items():
        with pytest.raises(UnsupportedError) as error:
            export_verilog(other, tmp_path / "none", "rsnn", LARGE)
        assert str(error.value) == f"{text}. Export C instead"
    wide = random_network(rng, n_inputs=65_536, hidden=(1,))
    with pytest.raises(UnsupportedError, match="has 1 neurons and 65536 senders below; Verilog"):
        export_verilog(wide, tmp_path / "none", "rsnn", LARGE)
    assert not (tmp_path / "none").exists()


def test_many_inputs_are_numbered_in_16_bits(tmp_path):
    for n_inputs, bits in ((255, 8), (256, 16)):
        network = random_network(np.random.default_rng(1), n_inputs=n_inputs, hidden=(3,))
        assert design_of(network, LARGE).number("DATA_BITS") == bits
        raster = random_raster(np.random.default_rng(1), 8, n_inputs)
        raster[3:5, -2:] = 1
        assert difference(network, raster, LARGE, tmp_path / str(bits))[0] is None


def test_a_long_run_is_verilators_if_it_is_here(network, monkeypatch):
    design = design_of(network, LARGE)
    here = {"iverilog", "vvp", "verilator", "g++", "make"}
    monkeypatch.setattr(
        "export.verilog.simulators.which", lambda tool: tool if tool in here else None
    )
    steps = 1_000_000 // worst_step(design)
    assert simulator_for(design, steps) is ICARUS
    assert simulator_for(design, steps + 1) is VERILATOR
    here.remove("make")
    assert simulator_for(design, steps + 1) is ICARUS
    here.remove("vvp")
    assert simulator_for(design, 1) is ICARUS
    with pytest.raises(ToolError) as error:
        run_backend(network, np.zeros((1, 12), np.uint8))
    assert str(error.value) == "there is no `vvp`: install Debian's iverilog"
    here.add("make")
    assert simulator_for(design, 1) is VERILATOR


def test_a_simulator_that_refuses_the_sources_is_quoted(network, tmp_path):
    with pytest.raises(ToolError) as error:
        difference(network, np.zeros((1, 12)), SMALL, tmp_path, changes={"rsnn_fit.v": "modul x"})
    assert str(error.value).startswith("iverilog refuses the exported Verilog: rsnn_fit.v:1: ")


def test_exported_verilog_is_read_back_and_run_as_it_is(network, tmp_path):
    raster = random_raster(np.random.default_rng(2), 30, 12)
    expected = reference.run(network, raster)
    for i, shape in enumerate(SHAPES):
        top = export_verilog(network, tmp_path / str(i), "it", shape)[0]
        (name, run), *others = open_written([top], network).items()
        assert (name, others) == ("verilog", [])
        assert first_difference(expected, run(network, raster)) is None
    (tmp_path / "0" / "it_weights.hex").write_text("\n".join(["//"] * 3))
    with pytest.raises(MismatchError, match=r"it_weights.hex: line 1 is not what exporting"):
        open_written([tmp_path / "0" / "it.v"], network)
    with pytest.raises(FileError, match="one top module of a network is needed; found: none"):
        open_written([], network)


@pytest.mark.slow
def test_verify_runs_a_folder_of_verilog(tmp_path):
    drawn = random_network(np.random.default_rng(5), n_inputs=10, hidden=(6,), n_heads=2)
    network = replace(drawn, metadata={"command": "test"})
    save_network(network, tmp_path / "net.int.h5")
    export_verilog(network, tmp_path / "verilog", "rsnn", LARGE)
    for place in ("verilog", "verilog/rsnn.v"):
        done = CliRunner().invoke(rsnnctl, ["verify", str(tmp_path / place), "--steps", "20"])
        assert done.exit_code == 0, (done.output, done.exception)
        assert done.output.endswith(" state words, 0 differences\n")
    path = Path(tmp_path / "verilog" / "rsnn_fit.v")
    path.write_text(path.read_text() + "\n")
    done = CliRunner().invoke(rsnnctl, ["verify", str(tmp_path / "verilog"), "--steps", "20"])
    assert done.exit_code == 1
    assert "rsnn_fit.v: line" in str(done.exception)


@pytest.mark.parametrize(
    "shape",
    [
        Shape(1, "single"),
        Shape(1, "pipelined"),
        Shape(2, "single", unique_inputs=True, packed=True),
        Shape(1, "serial", packed=True),
        Shape(4, "pipelined"),
        Shape(16, "serial"),
        Shape(1, "single", unique_inputs=True, storage="bitmap"),
        Shape(1, "pipelined", storage="bitmap"),
    ],
)
def test_shapes_that_no_layout_has_compute_the_same(network, shape, tmp_path):
    raster = random_raster(np.random.default_rng(2), 30, 12)
    assert difference(network, raster, shape, tmp_path)[0] is None


def test_a_channel_that_comes_again_where_it_may_not_raises_error_and_counts_once(
    network, tmp_path, monkeypatch
):
    raster = random_raster(np.random.default_rng(2), 30, 12)
    shape = Shape(2, "single", unique_inputs=True)
    twice = bench(design_of(network, shape), "rsnn")
    name = "rsnn_replay.v"
    twice[name] = twice[name].replace("step < first && !IN_ORDER", "1")
    monkeypatch.setattr("export.verilog.simulators.bench", lambda design, name: twice)
    found, _ = difference(network, raster, shape, tmp_path)
    assert found.step == 0  # all words are inverted from there on
    twice[name] = twice[name].replace("if (overrun || error)", "if (overrun)")
    assert difference(network, raster, shape, tmp_path)[0] is None


def test_a_pipelined_update_has_no_single_memory():
    with pytest.raises(RangeError) as error:
        shape_of("fast", pack=True)
    assert str(error.value) == (
        "a pipelined update reads constants and states in the same clock, and `pack` puts them into"
        " one memory. Leave it out, or add `update=single`"
    )
    assert shape_of("fast", update="single", pack=True) == Shape(8, "single", packed=True)


def test_weights_without_zeros_have_one_lane():
    with pytest.raises(RangeError) as error:
        shape_of("fast", lanes="4", storage="bitmap")
    assert str(error.value) == (
        "weights without zeros are added one by one, and `lanes` is 4. Leave it out, or choose"
        " `storage=dense`"
    )
    assert shape_of("fast", storage="bitmap") == Shape(1, "pipelined", storage="bitmap")


def test_a_first_output_may_be_beyond_what_any_step_gives(tmp_path):
    network = random_network(np.random.default_rng(0), hidden=(1,), n_inputs=1)
    far = with_arrays(network, -1, initial_out=[1 << 30, -(1 << 30)], decay_mem=[2048, 4096])
    raster = np.zeros((9, 1), np.uint8)
    assert difference(far, raster, SMALL, tmp_path)[0] is None


def test_a_prepared_decoder_is_compiled_once_and_starts_anew_in_each_run(network, tmp_path):
    run = prepared(network, tmp_path / "new")
    rasters = [random_raster(np.random.default_rng(i), 20, 12) for i in range(3)]
    for raster in rasters:
        assert first_difference(reference.run(network, raster), run(network, raster)) is None
        rasters[0][:] = 1
    (tmp_path / "new" / "iverilog" / "rsnn.v").unlink()
    assert run(network, rasters[0]).n_steps == 20
    with pytest.raises(MismatchError, match="the raster has shape"):
        run(network, rasters[0][:, 1:])


def test_a_format_knows_what_it_cannot_write(network):
    verilog = formats()["verilog"]
    assert verilog.can_write(network)
    assert not verilog.can_write(adaptive(np.random.default_rng(1), network))
