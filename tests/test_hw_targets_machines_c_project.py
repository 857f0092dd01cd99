"""Projects that are built for targets of C: they compile, link, run, and fit into others."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need

from base.errors import RangeError
from export.firmware.storage import LAYOUTS
from hw_targets import targets
from hw_targets.machines.target import build

TARGETS = targets()
OF_C = [name for name, target in TARGETS.items() if target.format == "c"]
NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5), n_heads=5)
RASTER = random_raster(np.random.default_rng(2), 60, NETWORK.n_inputs)
PASSED = "self-test passed: 60 steps, every readout word"
FAILED = "self-test failed: step 39, readout word 0 is -1247 instead of -1246"
HARD = {"float_abi": "hard"}


def project(name, folder, options=None):
    """The project of a target whose programs are all there."""
    for program, package in {**TARGETS[name].tools, "make": "make", "cmake": "cmake"}.items():
        need(program, package)
    build(TARGETS[name], NETWORK, RASTER, folder, options)
    return folder


def done(*command, code=0):
    """What a command prints, on stdout and stderr."""
    found = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == code, found.stdout
    return found.stdout


def make(folder, *words, code=0):
    return done("make", "-s", "-C", folder, *words, code=code)


def spoil(folder):
    """Change one word of a step in the middle of the golden run."""
    path = folder / "selftest.h"
    before, row, after = path.read_text().rpartition("\n    {-")
    rows = before.splitlines()
    assert rows[-20].startswith("    {")
    rows[-20] = rows[-20].replace("{", "{1 + ", 1)
    path.write_text("\n".join(rows) + row + after)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_C)
def test_make_run_prints_the_verdict_of_the_self_test(name, tmp_path):
    folder = project(name, tmp_path / "d")
    assert make(folder, "run").splitlines() == [PASSED]
    assert make(folder, "run").splitlines() == [PASSED]
    assert make(folder, "size").splitlines()[-1].endswith("rsnn.o")
    spoil(folder)
    line, error = make(folder, "run", code=2).splitlines()
    assert line == FAILED
    assert "Error 1" in error
    make(folder, "clean")
    assert not {"example", "rsnn.o", "example_main.o"} & {path.name for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_C)
def test_cmake_builds_the_library_and_runs_the_self_test(name, tmp_path):
    folder = project(name, tmp_path / "d")
    done("cmake", "-S", folder, "-B", tmp_path / "made")
    (system,) = (tmp_path / "made").glob("CMakeFiles/*/CMakeSystem.cmake")
    is_cross = 'set(CMAKE_SYSTEM_NAME "Generic")' in system.read_text()
    assert is_cross is (name != "host_c")
    done("cmake", "--build", tmp_path / "made", "--target", "rsnn")
    done("cmake", "--build", tmp_path / "made", "--target", "example")
    assert PASSED in done("cmake", "--build", tmp_path / "made", "--target", "run").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m4", "cortex_m33", "cortex_m55"])
@pytest.mark.parametrize("abi", ["softfp", "hard"])
def test_a_float_abi_reaches_every_object_and_the_self_test_runs(name, abi, tmp_path):
    folder = project(name, tmp_path, {"float_abi": abi})
    assert make(folder, "run").splitlines() == [PASSED]
    attributes = done("arm-none-eabi-readelf", "-A", folder / "rsnn.o")
    assert ("Tag_ABI_VFP_args" in attributes) is (abi == "hard")
    assert "Tag_FP_arch" in attributes


STARTED = """
#include <errno.h>
#include <stdio.h>
static volatile int given = 7, cleared, constructed;
__attribute__((constructor)) static void construct(void) { constructed = 9; }
int main(void)
{
    volatile int *number = &errno;
    *number = 5;
    errno = given == 7 && cleared == 0 && constructed == 9 ? errno : 0;
    printf("%d\\n", *number);
    if (FAULTS)
        __builtin_trap();
    return 3;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "cortex_m4", "cortex_m33", "rv32imc"])
def test_start_up_code_sets_memory_and_ends_a_program_that_faults(name, tmp_path):
    """What is given, 0 or constructed before main, errno per thread, and what main returns."""
    machine = TARGETS[name].backends[next(iter(TARGETS[name].backends))].args[0]
    folder = project(name, tmp_path)
    (folder / "started.c").write_text(STARTED)
    words = machine.placed((*machine.processor, *machine.library, *machine.program), str(folder))
    for faults, code in ((0, 3), (1, 126)):
        program = folder / f"started{faults}"
        source = (f"-DFAULTS={faults}", folder / "started.c")
        done(machine.compiler, *words, *source, "-o", program)
        assert done(*machine.command(program), code=code).strip() == "5"


APPLICATION = """
#include "rsnn.h"
#include <stdio.h>
static float scaled(float scale, int32_t word) { return scale * (float)word; }
static float (*volatile chosen)(float, int32_t) = scaled;
int main(void)
{
    static rsnn_state state;
    int32_t out[rsnn_N_ROWS];
    const uint16_t events[2] = {0, 3};
    rsnn_init(&state);
    rsnn_step(&state, events, 2, out);
    return chosen(0.5f, out[0]) > 1e30f;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.13)
project(application C)
add_subdirectory(decoder)
add_executable(application main.c {sources})
target_link_libraries(application {linked})
"""
FLAGS = "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard --specs=picolibc.specs"


@pytest.mark.slow
@pytest.mark.parametrize("options", [None, HARD], ids=["soft", "hard"])
def test_an_application_of_hard_float_links_the_decoder_and_keeps_its_own_flags(options, tmp_path):
    """The application chooses its flags, which reach the decoder; none of the decoder's leak."""
    folder = project("cortex_m4", tmp_path / "decoder", options)
    (tmp_path / "main.c").write_text(APPLICATION)
    sources = "decoder/startup.c"
    linked = f"rsnn -nostartfiles -T {folder}/machine.ld --oslib=semihost"
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(sources=sources, linked=linked))
    given = {
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_C_COMPILER": "arm-none-eabi-gcc",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_C_FLAGS": FLAGS,
        "CMAKE_EXPORT_COMPILE_COMMANDS": "ON",
    }
    made = tmp_path / "made"
    words = [f"-D{name}={value}" for name, value in given.items()]
    done("cmake", "-S", tmp_path, "-B", made, *words)
    done("cmake", "--build", made)
    attributes = done("arm-none-eabi-readelf", "-A", made / "application")
    assert "Tag_ABI_VFP_args: VFP registers" in attributes
    launcher = TARGETS["cortex_m4"].backends["qemu-system-arm"].args[0].launcher
    done(*launcher, made / "application")
    lines = json.loads((made / "compile_commands.json").read_text())
    commands = {Path(line["file"]).name: line["command"].split() for line in lines}
    own = commands["main.c"]
    assert own.count("-mcpu=cortex-m4") == 1
    assert not {"-Werror", "-O2"} & set(own)
    assert commands["rsnn.c"].count("-mcpu=cortex-m4") == 2
    assert "-O2" in commands["rsnn.c"]
    assert "-Werror" not in commands["rsnn.c"]


@pytest.mark.slow
def test_a_subdirectory_of_a_host_application_links(tmp_path):
    project("host_c", tmp_path / "decoder")
    (tmp_path / "main.c").write_text(APPLICATION)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(sources="", linked="rsnn"))
    done("cmake", "-S", tmp_path, "-B", tmp_path / "made")
    done("cmake", "--build", tmp_path / "made")
    done(tmp_path / "made" / "application")


@pytest.mark.slow
def test_hard_float_objects_link_by_make_with_a_board_of_their_own(tmp_path):
    """A Makefile that sets the flags of a board, its start-up code and its linker script."""
    folder = project("cortex_m4", tmp_path)
    marked = '__attribute__((used, section(".vectors.end"))) const int of_board = 1;\n'
    (folder / "board.c").write_text((folder / "startup.c").read_text() + marked)
    (folder / "board.ld").write_text(
        (folder / "machine.ld").read_text().replace("(.vectors)", "(.vectors*)")
    )
    program = "board.c -nostartfiles -T board.ld --oslib=semihost"
    (folder / "Makefile").write_text(
        f"BOARD_FLAGS = -mfloat-abi=hard\nPROGRAM = {program}\ninclude rsnn.mk\n"
    )
    assert make(folder, "run").splitlines() == [PASSED]
    attributes = done("arm-none-eabi-readelf", "-A", folder / "example")
    assert "Tag_ABI_VFP_args: VFP registers" in attributes
    assert " of_board\n" in done("arm-none-eabi-nm", folder / "example")


@pytest.mark.parametrize("name", ["cortex_m0plus", "rv32imc", "host_c", "wasm"])
def test_a_target_without_fpu_has_one_float_abi(name, tmp_path):
    with pytest.raises(RangeError) as error:
        build(TARGETS[name], NETWORK, RASTER, tmp_path / "d", HARD)
    assert str(error.value) == (
        "`float_abi` is hard; soft is all that the target has, which is without an FPU here. Leave"
        " it out, or name another target"
    )
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_project_has_the_layout_asked_for_and_notices_a_fault(layout, tmp_path):
    folder = project("host_c", tmp_path, {"layout": layout})
    assert make(folder, "run").splitlines() == [PASSED]
    spoil(folder)
    assert make(folder, "run", code=2).startswith(FAILED)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "rv32imc"])
def test_a_project_is_twice_the_same(name, tmp_path):
    for folder in ("a", "b"):
        project(name, tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.slow
def test_build_files_leave_no_part_open(tmp_path, monkeypatch):
    monkeypatch.setattr("hw_targets.machines.c_machine.which", lambda program: None)
    for name in OF_C:
        build(TARGETS[name], NETWORK, RASTER, tmp_path / name)
        for path in (tmp_path / name).rglob("*"):
            if path.is_file() and path.suffix not in {".json"}:
                text = path.read_text()
                words = {"PROCESSOR", "LIBRARY", "PROGRAM", "DIGEST", "COSTS", "FLASH", "RAM"}
                assert not [word for word in words if f"@{word}@" in text], path


@pytest.mark.slow
def test_a_readme_says_what_a_network_costs(tmp_path):
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    found = target.check(target, NETWORK, layout="fast", float_abi="soft")
    build(target, NETWORK, RASTER, tmp_path)
    text = (tmp_path / "README.md").read_text()
    for name in ("flash", "ram", "instructions_worst_case"):
        assert f" | {found[name]} |" in text
    for name in ("init", "step", "step_bitmap"):
        assert f"void rsnn_{name}(rsnn_state *state" in text
    assert NETWORK.digest() in text
    assert "60 steps" in text


def test_a_readme_says_what_is_not_counted_and_why(tmp_path, monkeypatch):
    monkeypatch.setattr("hw_targets.machines.c_machine.which", lambda program: None)
    build(TARGETS["cortex_m4"], NETWORK, RASTER, tmp_path / "a")
    text = (tmp_path / "a" / "README.md").read_text()
    assert "- there is no `arm-none-eabi-gcc`, `qemu-system-arm`: install Debian's" in text
    build(TARGETS["host_c"], NETWORK, RASTER, tmp_path / "b")
    text = (tmp_path / "b" / "README.md").read_text()
    assert "`make size` prints bytes. Instructions are counted for microcontrollers alone." in text


@pytest.mark.slow
def test_a_limit_that_is_exceeded_stands_in_the_readme(tmp_path):
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    small = replace(target, limits=replace(target.limits, ram=100, flash=2000))
    build(small, NETWORK, RASTER, tmp_path)
    assert "`--layout compact` takes" in (tmp_path / "README.md").read_text()
    assert "\n- RAM: 304 B of state; cortex_m4 has 100 B. Keep 32 % of" in (
        Path(tmp_path / "README.md").read_text()
    )
