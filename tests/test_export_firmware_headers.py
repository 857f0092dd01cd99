"""Headers of exported C: scales, notes, and steps that refuse what is out of range."""

import importlib.util
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from first_spike_networks import drawn
from networks import adaptive, random_network, random_raster
from tools import need

from export.firmware import decoder
from export.firmware.code import layouts
from export.firmware.decoder import FLAGS, export_c
from export.firmware.headers.scales import in_q_format
from sim import reference
from sim.conformance.cases import cases
from sim.contract import PAPER
from sim.layer import SPIKES

ROOT = Path(__file__).resolve().parents[1]
CPP = ("g++", "-x", "c++", "-std=c++11", *FLAGS[1:])


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = load(ROOT / "benchmarks" / "fuzz_checked.py")


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")


def networks():
    """Tuned ones, of inputs in whole bytes or not; generated; values; first spikes; no delay."""
    rng = np.random.default_rng(1)
    values = (case.network for case in cases() if case.network.input_values != SPIKES)
    return {
        "bytes": random_network(rng, n_inputs=16, hidden=(6, 300), n_heads=3),
        "bits": random_network(rng, hidden=(256,)),
        "generated": adaptive(rng, random_network(rng, hidden=(5,))),
        "values": next(values),
        "first_spikes": drawn(1, n_inputs=21)[0],
        "prompt": random_network(rng, replace(PAPER, delay_steps=0), hidden=(6,)),
    }


EVERY = [(name, layout) for name, network in networks().items() for layout in layouts(network)]
SCALED = [name for name in networks() if name != "first_spikes"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layout"), EVERY)
def test_checked_steps_refuse_what_is_out_of_range_and_compute_the_rest(name, layout, tmp_path):
    """10,000,000 calls: `python benchmarks/fuzz_checked.py --calls 10000000`."""
    program = FUZZ.compile_fuzz(networks()[name], tmp_path, layout)
    found = FUZZ.fuzz(program, 4000, 7)
    assert sum(found.values()) == 4000
    ends = {"values": {"counts", "inputs"}, "first_spikes": set(), "bytes": set(), "bits": set()}
    never = {"counts"} if name == "values" else ends.get(name, set())
    assert {kind for kind, count in found.items() if not count} <= never | {"states", "inputs"}
    assert found["steps"] > 1000
    assert found["null pointers"] > 20


FAULTS = [
    ("events[k] >= @NAME@_N_INPUTS", "events[k] > @NAME@_N_INPUTS", "bytes"),
    ("n_events > 65535u", "n_events > 65535u && !events", "bytes"),
    ("!state || !out || (!events && n_events)", "!state || (!events && n_events)", "bytes"),
    ("!state || !out || !bitmap", "!out || !bitmap", "bytes"),
    ("% 8u != 0)", "% 8u > 127)", "bits"),
    ("channel >= @NAME@_N_INPUTS ||", "", "first_spikes"),
    ("|| step < sample->now", "", "first_spikes"),
    ("if (!sample)", "if (0)", "first_spikes"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "name"), FAULTS)
def test_the_fuzz_notices_a_fault_in_a_check(old, new, name, tmp_path, monkeypatch):
    plant(monkeypatch, old, new)
    program = FUZZ.compile_fuzz(networks()[name], tmp_path, "fast")
    with pytest.raises(RuntimeError):
        FUZZ.fuzz(program, 30_000, 7)


LISTED = {  # of hidden layers of 6 and 300 neurons with 16 inputs
    "state.n_fired0 = 7": 0,
    "state.n_fired0 = 1, state.fired0[0] = 6": 0,
    "state.n_fired0 = 1, state.fired0[0] = 5": 1,
    "state.n_fired0 = 2, state.fired0[0] = 3, state.fired0[1] = 3": 0,
    "state.n_fired0 = 2, state.fired0[0] = 3, state.fired0[1] = 4": 1,
    "state.n_fired1 = 1, state.fired1[0] = 300": 0,
    "state.n_given = 17": 0,
    "state.n_given = 16": 1,
    "state.n_given = 16, state.given[15] = 16": 0,
    "state.n_given = 16, state.given[15] = 15": 1,
    "state.n_given = 15, state.given[15] = 16": 1,
    "(void)0": 1,
}
FLAGGED = {  # of 5 hidden neurons with 12 inputs
    "state.hidden0_spk[4] = 2": 0,
    "state.hidden0_spk[4] = 1": 1,
    "state.given[11] = 2": 0,
    "state.arriving[11] = 255": 0,
    "state.arriving[11] = 1": 1,
}
PROMPT = {"state.n_given = 1": 0, "state.n_given = 0, state.given[0] = 3": 1}
PADDED = {  # of 6 hidden neurons with 12 inputs
    "state.n_given = 1, state.given[0] = 11": 1,
    "state.n_given = 0, state.given[0] = 11": 0,
    "state.n_given = 1, state.given[11] = 11": 0,
    "state.n_fired0 = 1, state.fired0[0] = 5": 1,
    "state.fired0[0] = 5": 0,
}
ONCE = {"state.seen[20] = 2": 0, "state.seen[20] = 1": 1}
STATES = [("bytes", LISTED), ("generated", FLAGGED), ("first_spikes", ONCE), ("prompt", PROMPT)]


def judged(network, changes, folder, layout="fast"):
    """Whether a state is taken after each of some changes of a new one."""
    export_c(network, folder, layout=layout)
    main = '#define RSNN_CHECKED\n#include "rsnn.h"\n#include <stdio.h>\nint main(void)\n{\n'
    main += "    static rsnn_state state;\n    int32_t out[rsnn_N_ROWS];\n"
    for change in changes:
        main += f"    rsnn_init(&state);\n    {change};\n"
        main += '    printf("%d ", rsnn_step_checked(&state, 0, 0, out));\n'
    (folder / "main.c").write_text(f"{main}    return 0;\n}}\n")
    program = str(folder / "main")
    sources = [str(folder / f"{stem}.c") for stem in ("main", "rsnn")]
    subprocess.run(["cc", *FLAGS, *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    return [{"0": 1, "4": 0}[word] for word in done.stdout.split()]


@pytest.mark.parametrize(("name", "states"), STATES)
def test_a_state_that_no_step_leaves_is_refused(name, states, tmp_path):
    assert judged(networks()[name], states, tmp_path) == list(states.values())


def test_a_list_that_is_not_filled_up_is_refused_where_steps_read_all_of_it(tmp_path):
    found = judged(networks()["prompt"], PADDED, tmp_path, "constant")
    assert found == list(PADDED.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("number < least", "number + 1u < least", "bytes"),
        ("|| number >= @N@u", "", "bytes"),
        ("return @NAME@_BAD_STATE;", "return 0;", "bytes"),
        ("value > @HIGH@", "value > @HIGH@ + 1", "generated"),
        ("value < @LOW@ || value > @HIGH@", "value != 0", "generated"),
    ],
)
def test_a_fault_in_the_check_of_a_state_is_noticed(old, new, name, tmp_path, monkeypatch):
    plant(monkeypatch, old, new)
    states = dict(STATES)[name]
    assert judged(networks()[name], states, tmp_path) != list(states.values())


def plant(monkeypatch, old, new):
    """Export other checks."""
    for module in ("headers.checked", "templates", "inputs"):
        name = f"export.firmware.{module}.template"
        monkeypatch.setattr(name, lambda file: spoilt(file, old, new))


def spoilt(file, old, new):
    text = (ROOT / "export" / "templates" / file).read_text()
    return text.replace(old, new) if file.startswith("checked") else text


@pytest.mark.slow
def test_a_fuzz_of_no_calls_counts_none_and_one_that_fails_says_why(tmp_path):
    program = FUZZ.compile_fuzz(networks()["bits"], tmp_path, "compact")
    assert set(FUZZ.fuzz(program, 0, 1).values()) == {0}
    (tmp_path / "broken").write_text("#!/bin/sh\necho a call is wrong\nexit 1\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(RuntimeError, match="a call is wrong"):
        FUZZ.fuzz(tmp_path / "broken", 1, 1)


@pytest.mark.parametrize("name", SCALED)
def test_scales_of_a_header_give_the_decoded_values(name, tmp_path):
    """The macros in doubles to the bit, those in whole numbers as near as their unit."""
    network = networks()[name]
    readout = network.readout
    export_c(network, tmp_path, "d")
    (tmp_path / "main.c").write_text(
        '#include "d.h"\n#include <stdio.h>\nint main(void)\n{\n'
        "    const double scales[] = d_SCALES;\n    const int32_t whole[] = d_SCALES_Q;\n"
        "    for (unsigned i = 0; i < d_N_ROWS; i++)\n"
        '        printf("%a %ld\\n", scales[i], (long)whole[i]);\n'
        '    printf("%d %u %u\\n", d_SCALE_Q_BITS, d_N_HEADS, d_N_OUTPUTS);\n    return 0;\n}\n'
    )
    program = tmp_path / "main"
    subprocess.run(["cc", *FLAGS, str(tmp_path / "main.c"), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    *rows, (bits, n_heads, n_outputs) = (line.split() for line in done.stdout.splitlines())
    assert [float.fromhex(real) for real, _ in rows] == readout.out_scale.tolist()
    assert (int(n_heads), int(n_outputs)) == (readout.n_heads, readout.n_outputs)
    out = reference.run(network, raster_of(network)).variables["readout.out"].astype(object)
    sums = out * np.array([int(whole) for _, whole in rows], object)
    found = sums.reshape(len(out), readout.n_heads, -1).sum(1) / readout.n_heads / 2 ** int(bits)
    right = readout.decode(out.astype(np.int64))
    largest = float(np.abs(out).max()) or 1.0
    assert np.abs(found.astype(float) - right).max() <= largest * 2.0 ** -(int(bits))
    assert right.any()


def raster_of(network):
    rng = np.random.default_rng(2)
    low, high = network.input_values
    if (low, high) == SPIKES:
        return random_raster(rng, 60, network.n_inputs)
    return rng.integers(low, high + 1, (60, network.n_inputs)).astype(network.input_dtype)


@pytest.mark.parametrize("n_heads", [1, 2, 3, 5, 8, 9])
@pytest.mark.parametrize("largest", [2.0**-70, 1e-9, 0.3, 1.0, np.nextafter(2, 1), 77.7, 2.0**20])
def test_whole_numbers_of_scales_are_as_fine_as_64_bits_allow(n_heads, largest):
    scales = [largest, -largest / 3, 0.0]
    words, bits = in_q_format(scales, n_heads)
    assert sum(abs(word) for word in words[:1] * n_heads) * 2**31 <= 2**61
    assert 0 <= bits <= 62
    assert max(map(abs, words)) < 2**31
    for word, scale in zip(words, scales, strict=True):
        assert abs(Fraction(word) - Fraction(scale) * 2**bits) <= Fraction(1, 2)
    finer = 2 * abs(words[0]) * n_heads * 2**31
    assert bits == 62 or finer > 2**60 / 2


def test_a_scale_that_has_no_unit_has_no_whole_number(tmp_path):
    assert in_q_format([2.0**29], 1) == ([2**29], 0)
    assert in_q_format([2.0**30], 1) is None
    assert in_q_format([0.0], 1) == ([0], 30)
    network = networks()["bits"]
    large = replace(network.readout, out_scale=np.array([2.0**40, 1.0]))
    text = export_c(replace(network, layers=(*network.hidden, large)), tmp_path)[0].read_text()
    assert "rsnn_SCALE_0 1099511627776.0\n" in text
    assert "SCALE_Q" not in text


def test_a_readout_of_first_spikes_has_classes_instead_of_scales(tmp_path):
    text = export_c(networks()["first_spikes"], tmp_path)[0].read_text()
    assert "SCALE" not in text
    assert "class is that of the row with the largest word:" in text


@pytest.mark.parametrize("name", networks())
def test_a_header_says_what_is_undefined_and_who_may_call(name, tmp_path):
    text = " ".join(export_c(networks()[name], tmp_path)[0].read_text().replace(" * ", "").split())
    bad = "a value outside -128..127" if name == "values" else "a channel that is no input, as an"
    for words in (
        f"Undefined: {bad}",
        "a state that rsnn_init has not set",
        "functions are re-entrant",
        "an interrupt must not step one that a task may be stepping",
        "`int` has 16 bits or more",
        "Attributes stand under __GNUC__",
        "The order of bytes does not matter",
        'extern "C" {',
    ):
        assert words in text
    assert "@" not in text


@pytest.mark.slow
def test_two_checked_decoders_stand_in_one_program_of_cpp(tmp_path):
    need("g++", "g++")
    main = "#define RSNN_CHECKED\n"
    objects = []
    body = ""
    for name in ("bits", "generated"):
        export_c(networks()[name], tmp_path, name)
        objects.append(str(tmp_path / f"{name}.o"))
        source = str(tmp_path / f"{name}.c")
        subprocess.run(["cc", *FLAGS, "-c", source, "-o", objects[-1]], check=True)
        main += f'#include "{name}.h"\nstatic {name}_state of_{name};\n'
        body += (
            f"    int32_t out_{name}[{name}_N_ROWS];\n    {name}_init(&of_{name});\n"
            f"    if ({name}_step_checked(&of_{name}, events, 1, out_{name}) != 0 ||\n"
            f"        {name}_step_checked(&of_{name}, events, 2, out_{name}) != {name}_BAD_INPUT)\n"
            "        return 1;\n"
        )
    main += f"int main()\n{{\n    const uint16_t events[2] = {{11, 12}};\n{body}    return 0;\n}}\n"
    (tmp_path / "main.cpp").write_text(main)
    program = str(tmp_path / "program")
    words = [*CPP, str(tmp_path / "main.cpp"), "-x", "none", *objects, "-o", program]
    subprocess.run(words, check=True)
    assert subprocess.run([program], check=False).returncode == 0


@pytest.mark.slow
def test_a_static_analyser_finds_nothing_in_the_checked_steps(tmp_path):
    need("cppcheck", "cppcheck")
    for name, network in networks().items():
        if name == "bytes":  # whose size takes minutes
            network = random_network(np.random.default_rng(1), hidden=(9, 5), n_heads=2)
        if name == "bits":
            continue
        source = str(export_c(network, tmp_path, name)[1])
        checks = ("--enable=warning,style,performance,portability", "-DRSNN_CHECKED")
        words = ["cppcheck", *checks, "--std=c99", "--error-exitcode=1", "--quiet", source]
        ends = "--suppress=knownConditionTrueFalse"  # values may have all those of their type
        done = subprocess.run([*words, ends], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_nothing_checked_is_compiled_unless_asked_for(tmp_path):
    """The exported sources compile to the same object with and without it."""
    assert decoder.FLAGS == FLAGS
    source = str(export_c(networks()["bits"], tmp_path)[1])
    found = []
    for i, more in enumerate(((), ("-DRSNN_CHECKED",))):
        path = tmp_path / f"{i}.o"
        subprocess.run(["cc", *FLAGS, *more, "-c", source, "-o", str(path)], check=True)
        found.append(path.read_bytes())
    assert found[0] == found[1]
