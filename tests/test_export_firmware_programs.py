"""Programs that call exported decoders: from C++, and with channels that are listed repeatedly."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from networks import adaptive, random_network, random_raster
from tools import need

from export.firmware import decoder
from export.firmware.code import is_tuned, layouts
from export.firmware.decoder import compile_replay, export_c
from export.firmware.replay import replay, thirds
from export.firmware.storage import LAYOUTS
from hw_targets import find_target
from hw_targets.machines.target import build
from sim import reference
from sim.contract import PAPER
from sim.trace import first_difference

STRICT = ("-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion")
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CPP = ("g++", "-x", "c++", "-std=c++11", *STRICT)
C = ("cc", "-std=c99", *STRICT)
N_STEPS = 60


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")


def readouts(program, network):
    """The readout's words (n_steps, n_rows) that a program prints."""
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), np.int64).reshape(-1, network.readout.n_neurons)


def array(kind, name, rows):
    sizes = "".join(f"[{n}]" for n in np.shape(rows))
    text = str(np.asarray(rows).tolist()).replace("[", "{").replace("]", "}")
    return f"static const {kind} {name}{sizes} = {text};\n"


def listing(raster, name, times):
    """C that gives a decoder each step's channels, the whole list `times` times, and prints."""
    lists = [np.tile(np.flatnonzero(row), times) for row in raster]
    longest = max(map(len, lists))
    padded = [np.pad(row, (0, longest - len(row))) for row in lists]
    return (
        array("uint16_t", f"{name}_events", padded)
        + array("uint16_t", f"{name}_n", [len(row) for row in lists])
        + f"static {name}_state {name};\n"
        + f"static void {name}_run(int t)\n{{\n"
        + f"    int32_t out[{name}_N_ROWS];\n    if (t == 0)\n        {name}_init(&{name});\n"
        + f"    {name}_step(&{name}, {name}_events[t], {name}_n[t], out);\n"
        + f"    for (unsigned i = 0; i < {name}_N_ROWS; i++)\n"
        + '        printf("%ld\\n", (long)out[i]);\n}\n'
    )


def networks():
    """Two whose C is tuned by hand, with and without delay, and one whose C is generated."""
    rng = np.random.default_rng(1)
    return {
        "late": random_network(rng, replace(PAPER, delay_steps=1), hidden=(5, 4), n_heads=2),
        "prompt": random_network(rng, replace(PAPER, delay_steps=0), hidden=(9,)),
        "generated": adaptive(rng, random_network(rng, hidden=(5,))),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layout"),
    [(name, layout) for name, network in networks().items() for layout in layouts(network)],
)
def test_a_channel_counts_once_however_often_it_is_listed(name, layout, tmp_path):
    network = networks()[name]
    assert is_tuned(network) is (name != "generated")
    raster = random_raster(np.random.default_rng(2), N_STEPS, network.n_inputs)
    export_c(network, tmp_path, name, layout)
    main = f'#include "{name}.h"\n#include <stdio.h>\n{listing(raster, name, 3)}'
    main += f"int main(void)\n{{\n    for (int t = 0; t < {N_STEPS}; t++)\n"
    (tmp_path / "main.c").write_text(f"{main}        {name}_run(t);\n    return 0;\n}}\n")
    sources = [str(tmp_path / f"{stem}.c") for stem in (name, "main")]
    program = tmp_path / "program"
    subprocess.run([*C, *SANITIZED, *sources, "-o", str(program)], check=True)
    expected = reference.run(network, raster).variables
    assert expected["hidden0.spk"].any()
    assert (readouts(program, network) == expected["readout.out"]).all()


@pytest.mark.parametrize(
    ("old", "new", "third"),
    [
        ("*byte | bit", "*byte & ~bit", 0),  # a channel counts as often as it is listed
        ("8u * byte + bit)", "8u * byte)", 2),  # what only bitmaps give
    ],
)
def test_a_replay_notices_a_fault_in_the_third_of_its_steps_that_shows_it(
    old, new, third, tmp_path, monkeypatch
):
    def faulty(*arguments, right=decoder.source):
        text = right(*arguments)
        assert old in text
        return text.replace(old, new)

    network = networks()["late"]
    monkeypatch.setattr(decoder, "source", faulty)
    program = [str(compile_replay(network, tmp_path, "compact"))]  # adds rows as they come
    raster = random_raster(np.random.default_rng(3), N_STEPS, network.n_inputs)
    expected = reference.run(network, raster)
    shown = thirds(N_STEPS)[third]
    found = first_difference(expected, replay(network, raster, program, tmp_path)[0])
    assert found is not None
    assert found.step in range(N_STEPS)[shown]
    raster[shown] = 0
    assert all(raster[part].any() for part in thirds(N_STEPS) if part != shown)
    expected = reference.run(network, raster)
    assert first_difference(expected, replay(network, raster, program, tmp_path)[0]) is None


def test_a_replay_gives_every_step_in_one_way():
    for n_steps in range(8):
        steps = np.concatenate([np.arange(n_steps)[part] for part in thirds(n_steps)])
        assert steps.tolist() == list(range(n_steps))
    assert thirds(7) == (slice(2), slice(2, 4), slice(4, 7))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compiler", [C, CPP], ids=["as-c", "as-cpp"])
def test_two_decoders_run_in_one_program_of_cpp(layout, compiler, tmp_path):
    """A tuned and a generated one, compiled as C or as C++ themselves."""
    need("g++", "g++")
    pair = {name: network for name, network in networks().items() if name != "prompt"}
    main = "#include <cstdio>\n"
    objects = []
    for name, network in pair.items():
        export_c(network, tmp_path, name, layout if layout in layouts(network) else "fast")
        objects.append(tmp_path / f"{name}.o")
        source = str(tmp_path / f"{name}.c")
        subprocess.run([*compiler, "-c", source, "-o", str(objects[-1])], check=True)
        raster = random_raster(np.random.default_rng(2), N_STEPS, network.n_inputs)
        main += f'#include "{name}.h"\n{listing(raster, name, 1)}'
    main += f"int main()\n{{\n    for (int t = 0; t < {N_STEPS}; t++) {{\n"
    main += "".join(f"        {name}_run(t);\n" for name in pair) + "    }\n}\n"
    (tmp_path / "main.cpp").write_text(main)
    objects.append(tmp_path / "main.o")
    subprocess.run([*CPP, "-c", str(tmp_path / "main.cpp"), "-o", str(objects[-1])], check=True)
    program = tmp_path / "program"
    subprocess.run(["g++", *map(str, objects), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    found = np.array(done.stdout.split(), np.int64).reshape(N_STEPS, -1)
    rasters = [random_raster(np.random.default_rng(2), N_STEPS, x.n_inputs) for x in pair.values()]
    expected = [
        reference.run(network, raster).variables["readout.out"]
        for network, raster in zip(pair.values(), rasters, strict=True)
    ]
    assert (found == np.hstack(expected)).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_self_test_of_a_project_passes_as_cpp_too(layout, tmp_path):
    need("g++", "g++")
    network = networks()["late"]
    raster = random_raster(np.random.default_rng(4), N_STEPS, network.n_inputs)
    build(find_target("host_c"), network, raster, tmp_path, {"layout": layout})
    objects = []
    for source, compiler in (("rsnn", C), ("example_main", CPP)):
        path, made = (str(tmp_path / f"{source}.{suffix}") for suffix in "co")
        objects.append(made)
        subprocess.run([*compiler, "-c", path, "-o", made], check=True)
    program = tmp_path / "example"
    subprocess.run(["g++", *objects, "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0
