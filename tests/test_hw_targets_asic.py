"""Standard cells: the library as it is written, toggles, energy by hand, gates word for word."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need, need_file

from base.errors import DataError, ToolError
from hw_targets import build, find_target
from hw_targets.asic_osu018 import LIBERTY
from hw_targets.machines.asic.energy import SLEW, Activity, energy_of, read_activity
from hw_targets.machines.asic.gates import instances
from hw_targets.machines.asic.liberty import read_liberty
from hw_targets.machines.target import run_whole, runners
from sim import reference
from sim.trace import first_difference

MANY = "RSNN_TEST_ALL" in os.environ
SMALL = """
library(small) {  /* a comment, with ; and } */
  time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1nW";
  capacitive_load_unit (1,pf);
  nom_voltage : 2.0;
  cell (INV) {
    area : 16; cell_leakage_power : 0.5;
    pin(A) { direction : input; capacitance : 0.01; }
    pin(Y) {
      direction : output; capacitance : 0; function : "(!A)";
      internal_power() {
        related_pin : "A";
        rise_power(table) {
          index_1 ("0.0, 0.1"); index_2 ("0.0, 0.2");
          values ( \\
            "0.0, 2.0", \\
            "1.0, 3.0");
        }
        fall_power(table) { index_1 ("0.0, 0.1"); index_2 ("0.0, 0.2");
          values ("0.0, 2.0", "1.0, 3.0"); }
      }
    }
  }
  cell (DFF) {
    area : 96; cell_leakage_power : 1.5;
    ff (Q1, Q2) { next_state : "D"; clocked_on : "CLK"; }
    pin(CLK) { direction : input; capacitance : 0.02; clock : true;
      internal_power() {
        rise_power(passive) { index_1 ("0.0, 0.2"); values ("0.0, 0.4"); }
        fall_power(passive) { index_1 ("0.0, 0.2"); values ("0.2, 0.2"); }
      }
    }
    pin(D) { direction : input; capacitance : 0.03; }
    pin(Q) { direction : output; capacitance : 0; function : "Q1"; }
  }
}
"""


@pytest.fixture
def library(tmp_path):
    (tmp_path / "small.lib").write_text(SMALL)
    return read_liberty(tmp_path / "small.lib")


def test_a_library_is_read_as_it_is_written(library):
    assert library.voltage == 2.0
    inverter, flip_flop = library.cells["INV"], library.cells["DFF"]
    assert (inverter.area, flip_flop.area) == (16, 96)
    assert flip_flop.leakage == pytest.approx(1.5e-9)
    assert inverter.pins["A"].capacitance == pytest.approx(0.01e-12)
    assert inverter.pins["Y"].capacitance == 0
    assert [name for name, pin in flip_flop.pins.items() if pin.is_clock] == ["CLK"]
    # halfway between the corners of the table, and flat beyond them
    assert inverter.pins["Y"].energy(0.05e-12, 0.1e-9) == pytest.approx(1.5e-12)
    assert inverter.pins["Y"].energy(9e-12, 9e-9) == pytest.approx(3e-12)
    assert flip_flop.pins["CLK"].energy(0, 0.1e-9) == pytest.approx(0.2e-12)
    assert flip_flop.pins["D"].energy(0, 0.1e-9) == 0


def test_a_library_of_other_units_is_refused(tmp_path):
    path = tmp_path / "other.lib"
    path.write_text(SMALL.replace('time_unit : "1ns"', 'time_unit : "1ps"'))
    with pytest.raises(DataError, match="units are 1ps, 1V, 1nW, 1pf; 1ns, 1V, 1nW, 1pf are known"):
        read_liberty(path)


DUMP = """$var wire 1 ! aclk $end
$var wire 1 " aresetn $end
$var wire 1 # busy $end
$var wire 1 $ s_axis_tvalid $end
$var wire 1 % core.q $end
$var wire 3 & core.sum [2:0] $end
#0
0!
1"
1#
0$
0%
bxxx &
#1
1!
1%
#2
0!
0#
1$
b010 &
#3
1!
#4
0!
0$
1#
0%
b11 &
#5
1!
b100 &
#6
0!
x%
#7
1!
1%
""".splitlines(keepends=True)


def test_toggles_are_counted_from_when_the_decoder_is_ready():
    found = read_activity(DUMP)
    assert (found.busy, found.entering) == (2, 1)
    assert found.toggles["core.q"] == 1  # an unknown value is no edge
    assert [found.toggles[f"core.sum[{i}]"] for i in range(3)] == [2, 1, 1]
    with pytest.raises(DataError, match="ends before the decoder is ready"):
        read_activity(DUMP[:15])


NETLIST = """
  INV _1_ (
    .A(\\core.q ),
    .Y(\\core.sum [1])
  );
  DFF _2_ (
    .CLK(aclk),
    .D(\\core.sum [1]),
    .Q(\\core.q )
  );
  rsnn_ram #(
    .WIDTH(8)
  ) ram (
    .clk(aclk)
  );
"""


def test_the_energy_of_gates_is_that_by_hand(library):
    cells = instances(NETLIST)
    assert cells == [
        ("INV", {"A": "core.q", "Y": "core.sum[1]"}),
        ("DFF", {"CLK": "aclk", "D": "core.sum[1]", "Q": "core.q"}),
    ]
    found = energy_of(cells, library, Activity({"core.q": 10, "core.sum[1]": 4, "aclk": 99}, 5, 2))
    assert SLEW == 0.1e-9
    per_clock = 2 * (0.2e-12 + 0.02e-12 * 2)  # V^2 / 2 is 2
    assert found.clock == pytest.approx(5 * per_clock)
    assert found.entering == pytest.approx(2 * per_clock)
    assert found.nets == pytest.approx((10 * 0.01e-12 + 4 * 0.03e-12) * 2)
    assert found.inside == pytest.approx(4 * 1.3e-12)  # at the load of a D, 0.03 pF
    assert found.total == pytest.approx(found.clock + found.nets + found.inside)


def test_a_missing_library_is_named_with_its_package(tmp_path, monkeypatch):
    need("yosys", "yosys")
    from hw_targets.machines.asic.gates import need as needs

    with pytest.raises(ToolError) as error:
        needs(tmp_path / "none.lib")
    assert str(error.value) == (
        f"{tmp_path / 'none.lib'}: no such file: install Debian's qflow-tech-osu018"
    )
    monkeypatch.setattr("hw_targets.machines.asic.gates.which", lambda program: None)
    with pytest.raises(ToolError, match="there is no `yosys`: install Debian's yosys"):
        needs(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["fast", "compact"] if MANY else ["compact"])
def test_gates_compute_the_words_of_the_reference(layout, tmp_path):
    for program in ("yosys", "iverilog"):
        need(program, program)
    need_file(LIBERTY, "qflow-tech-osu018")
    network = random_network(np.random.default_rng(1), hidden=(4,))
    raster = random_raster(np.random.default_rng(0), 12, 12)
    (run,) = runners(find_target("asic_osu018"), network, tmp_path, {"layout": layout}).values()
    assert first_difference(reference.run(network, raster), run_whole(run, raster)) is None


@pytest.mark.slow
def test_a_build_says_what_the_gates_take(tmp_path, monkeypatch):
    monkeypatch.setattr("hw_targets.machines.asic.target._MOST_WORK", 1_000_000)
    for program in ("yosys", "iverilog"):
        need(program, program)
    need_file(LIBERTY, "qflow-tech-osu018")
    network = random_network(np.random.default_rng(1), hidden=(4,))
    network = replace(network, metadata={"command": "test"})
    build(network, "asic_osu018", tmp_path / "p", layout="compact")
    found = json.loads((tmp_path / "p" / "figures.json").read_text())
    # a flip-flop takes some 0.2 pJ per clock
    clocks = found["simulated_cycles"] * found["flip_flops"]
    assert 0.15e-3 < found["energy_clock_nj"] / clocks < 0.3e-3
    assert found["energy_clock_nj"] < found["energy_nj"] < 3 * found["energy_clock_nj"]
    assert 0 < found["energy_events_nj"] < found["energy_nj"]
    assert found["area_um2"] > 96 * found["flip_flops"]
    assert found["leakage_nw"] > 0
    assert "DFFPOSX1" in (tmp_path / "p" / "gates.vg").read_text()
