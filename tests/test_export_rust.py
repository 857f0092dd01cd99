"""Networks as crates of Rust: every state word here, the golden run here and on a Cortex-M4."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import adaptive, covering_contracts, random_network, random_raster
from tools import need

from base.errors import RangeError, UnsupportedError
from export.firmware.code import is_tuned
from export.firmware.storage import LAYOUTS, store
from export.format import write_network
from export.formats import formats
from export.rust.crate import write_crate
from hw_targets.cortex_m4 import MACHINE
from rsnnctl import api
from sim import reference
from sim.conformance.cases import cases
from sim.contract import PAPER
from sim.layer import SPIKES
from sim.trace import empty_trace, first_difference

RUSTC = ("/usr/bin/rustc", "--edition", "2021", "-D", "warnings")
EVERY = "RSNN_TEST_ALL" in os.environ


@pytest.fixture(autouse=True)
def compiler():
    need("/usr/bin/rustc", "rustc")


def done(*command, folder, code=0, **variables):
    words = [str(word) for word in command]
    environment = os.environ | variables
    found = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout


def module(name, path, more=""):
    """A crate's source as a module, without what only a crate can say."""
    lines = path.read_text().split("\n")
    text = "\n".join(line for line in lines if not line.startswith(("#![", "//!")))
    assert text.count("#[cfg(test)]") in (0, 2)
    text = text.replace("#[cfg(test)]\nextern crate std;", "")
    text = text.replace("#[cfg(test)]\nmod golden;", "")
    return f"#[allow(dead_code)]\npub mod {name} {{\n{text}\n{more}\n}}\n"


REPLAY = """
fn replay_NAME(raster: &[u8], words: &mut Vec<i32>) {
    let mut state = NAME::State::new();
    let rows = raster.chunks(NAME::N_INPUTS);
    let third = rows.len() / 3;
    for (t, row) in rows.enumerate() {
        let (mut bitmap, mut events) = ([0u8; NAME::N_BYTES], vec![]);
        for (c, _) in row.iter().enumerate().filter(|(_, &given)| given != 0) {
            bitmap[c / 8] |= 1 << (c % 8);
            events.push(c as u16);
        }
        events.extend(if t < third { events.clone() } else { vec![] });
        let out = if t < 2 * third { state.step(&events) } else { state.step_bitmap(&bitmap) };
        assert!(state.readout.iter().map(|w| w.mem).eq(out));
GIVE
        words.extend(state.readout.iter().map(|w| w.syn));
        words.extend(out);
    }
}
"""
GIVE = """
        words.extend((0..state.hiddenI.len()).map(|i| {
            state.firedI[..state.n_firedI].iter().any(|&number| usize::from(number) == i) as i32
        }));
        words.extend(state.hiddenI.iter().map(|w| w.syn));
        words.extend(state.hiddenI.iter().map(|w| w.mem));
"""
MAIN = """
use std::io::{Read, Write};
fn main() {
    let (mut raster, mut words) = (vec![], vec![]);
    std::io::stdin().read_to_end(&mut raster).unwrap();
    match std::env::args().nth(1).unwrap().as_str() {
ARMS
        _ => panic!(),
    }
    for word in words {
        std::io::stdout().write_all(&word.to_le_bytes()).unwrap();
    }
}
"""


def program(networks, folder):
    """A program that replays each network, by its name; compiled with checks of overflow."""
    text = []
    for name, (network, layout) in networks.items():
        write_crate(network, folder / name, "decoder", layout)
        text.append(module(name, folder / name / "src/lib.rs"))
        give = "".join(GIVE.replace("I", str(i)) for i in range(len(network.hidden)))
        text.append(REPLAY.replace("GIVE", give).replace("NAME", name))
    arms = "".join(f'"{name}" => replay_{name}(&raster, &mut words),\n' for name in networks)
    (folder / "main.rs").write_text("".join(text) + MAIN.replace("ARMS", arms))
    done(*RUSTC, "-C", "debuginfo=0", "main.rs", "-o", "replay", folder=folder)
    return folder / "replay"


def run_rust(path, name, network, raster):
    """A network's trace by that program."""
    given = raster.tobytes()
    found = subprocess.run([str(path), name], input=given, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr
    trace = empty_trace(network, len(raster))
    rows, start = np.frombuffer(found.stdout, "<i4").reshape(len(raster), -1), 0
    for array in trace.variables.values():
        array[:] = rows[:, start : start + array.shape[1]]
        start += array.shape[1]
    assert start == rows.shape[1]
    return trace


def drawn():
    """Networks and inputs: every contract of a covering set, every form of rows, all widths."""
    rng = np.random.default_rng(4)
    found = []
    for contract in covering_contracts("c"):
        found.append(random_network(rng, contract, hidden=(6, 5), n_heads=2))
    for bits, sparsity in ((4, 0.0), (4, 0.6), (8, 0.6), (8, 0.97), (16, 0.3)):
        contract = replace(PAPER, weight_bits=bits)
        found.append(random_network(rng, contract, n_inputs=21, hidden=(40, 9), sparsity=sparsity))
    found.append(random_network(rng, n_inputs=300, hidden=(270, 3), threshold=200_000))
    return [(network, random_raster(rng, 60, network.n_inputs)) for network in found]


@pytest.mark.slow
def test_every_word_of_every_network_is_that_of_the_reference(tmp_path):
    given = drawn()
    kit = [case for case in cases() if is_tuned(case.network)]
    given += [(case.network, case.raster) for case in (kit if EVERY else kit[::9])]
    networks = {
        f"n{i}_{layout}": (network, layout)
        for i, (network, _) in enumerate(given)
        for layout in LAYOUTS
    }
    forms = {s.form for network in networks.values() for s in store(*network).values()}
    assert forms == {"lanes", "plain", "nonzero", "gaps"}
    path = program(networks, tmp_path)
    fired = 0
    for i, (network, raster) in enumerate(given):
        expected = reference.run(network, raster)
        fired += expected.variables["hidden0.spk"].any()
        for layout in LAYOUTS:
            found = run_rust(path, f"n{i}_{layout}", network, raster)
            assert first_difference(expected, found) is None, (i, layout)
    assert fired > len(given) / 2


@pytest.mark.slow
def test_cargo_runs_the_golden_run_and_notices_a_fault(tmp_path):
    need("/usr/bin/cargo", "cargo")
    network = random_network(np.random.default_rng(1), n_inputs=96, hidden=(16,))
    options = {"language": "rust", "name": "Decoder", "layout": "compact"}
    files = write_network(formats()["c"], network, tmp_path, options)
    assert sorted(files) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert formats()["c"].digests(tmp_path) == {network.digest()}
    for path in files:
        assert network.digest() in path.read_text()
        assert "@" not in path.read_text()
    words = ("/usr/bin/cargo", "test", "--offline", "--quiet")
    own = {
        "CARGO_HOME": str(tmp_path / "home"),
        "RUSTC": "/usr/bin/rustc",
        "RUSTDOC": "/usr/bin/rustdoc",
        "RUSTFLAGS": "-Dwarnings",
    }
    assert "1 passed" in done(*words, folder=tmp_path, **own)
    lib = tmp_path / "src/lib.rs"
    right = lib.read_text()
    wrong = right.replace("const ROUND_TO_ZERO: bool = true", "const ROUND_TO_ZERO: bool = false")
    assert wrong != right
    lib.write_text(wrong)
    assert "of bitmaps" in done(*words, folder=tmp_path, code=101, **own)


APPLICATION = """
#[no_mangle]
pub extern "C" fn golden() {
    decoder::golden::golden_run()
}
extern "C" {
    fn failed() -> !;
}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { failed() }
}
"""
BUILTINS = "#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_std]\n"
C_MAIN = """
#include <stdio.h>
#include <stdlib.h>
void golden(void);
void failed(void);
void failed(void)
{
    puts("failed");
    exit(1);
}
int main(void)
{
    golden();
    puts("passed");
    return 0;
}
"""


@pytest.mark.slow
def test_the_golden_run_passes_on_a_cortex_m4_of_hard_float(tmp_path):
    """With `core` compiled from Debian's source, the project's start-up code, and libgcc."""
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi and picolibc-arm-none-eabi")
    need("qemu-system-arm", "qemu-system-arm")
    sources = sorted(Path("/usr/src").glob("rustc-*/library/core/src/lib.rs"))
    if not sources:
        need("rust-src", "rust-src")
    rustc = ("/usr/bin/rustc", "--edition", "2021", "--target", "thumbv7em-none-eabihf")
    rustc += ("-C", "panic=abort", "--cap-lints", "allow", "-L", ".")
    own = {"folder": tmp_path, "RUSTC_BOOTSTRAP": "1"}
    rlib = ("--crate-type", "rlib", "--crate-name")
    done(*rustc, *rlib, "core", "-C", "opt-level=0", sources[-1], **own)
    (tmp_path / "builtins.rs").write_text(BUILTINS)
    done(*rustc, *rlib, "compiler_builtins", "--extern", "core", "builtins.rs", **own)
    machine = MACHINE.with_abi("hard")
    network = random_network(np.random.default_rng(1), n_inputs=40, hidden=(16,))
    write_crate(network, tmp_path, "decoder", "fast")
    golden = module("golden", tmp_path / "src/golden.rs").replace("#[test]\nfn", "pub fn")
    whole = module("decoder", tmp_path / "src/lib.rs", golden)
    (tmp_path / "main.c").write_text(C_MAIN)
    flags = machine._beside((*machine.library, *machine.program), tmp_path)
    for fault, code in (("", 0), ("odd.wrapping_sub(excess)", 1)):
        text = whole.replace(fault, "odd") if fault else whole
        assert (text == whole) is not bool(fault)
        (tmp_path / "app.rs").write_text(f"#![no_std]\n{text}{APPLICATION}")
        needed = ("--extern", "core", "--extern", "compiler_builtins")
        done(*rustc, "--crate-type", "staticlib", "-O", *needed, "app.rs", **own)
        linked = ("main.c", "libapp.a", "-o", "program")
        done(machine.compiler, *machine.processor, *flags, *linked, folder=tmp_path)
        found = subprocess.run(
            machine.command(tmp_path / "program"), capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stderr) == (code, "failed\n" if code else "passed\n")


def test_what_cannot_be_rust_is_refused_in_one_line(tmp_path):
    rng = np.random.default_rng(1)
    network = random_network(rng)
    for name in ("fn", "core", "Self"):
        with pytest.raises(RangeError, match=f"name is '{name}', which Rust keeps for itself"):
            api.export_c(network, tmp_path, name=name, language="rust")
    with pytest.raises(RangeError, match=r"name is '9x'; a C identifier"):
        api.export_c(network, tmp_path, name="9x", language="rust")
    with pytest.raises(RangeError, match="`package` is zephyr, which holds C; `language` is rust"):
        api.export_c(network, tmp_path, package="zephyr", language="rust")
    with pytest.raises(
        RangeError, match="`layout` is constant, which Rust has not; known: fast, c"
    ):
        api.export_c(network, tmp_path, layout="constant", language="rust")
    of_values = next(case.network for case in cases() if case.network.input_values != SPIKES)
    for other in (adaptive(rng, random_network(rng)), of_values):
        with pytest.raises(UnsupportedError, match="Rust is written of networks whose C is hand-"):
            api.export_c(other, tmp_path, language="rust")
    assert list(tmp_path.iterdir()) == []
