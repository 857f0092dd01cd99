"""Packages around exported C in the hands of the tools that read them, without a network.

Each test runs a line of the table in docs/firmware.md, and compares what it says.
"""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from networks import random_network
from tools import need, needed_module

from export.firmware.decoder import FLAGS
from export.format import write_network
from export.formats import formats
from export.packages import packages

PAGE = Path(__file__).resolve().parents[1] / "docs" / "firmware.md"
NETWORK = random_network(np.random.default_rng(1), n_inputs=96, hidden=(16,))
ROW = re.compile(
    r"^\| (\S.*?) \| `(\w[^`]*)`[^|]* \| (.+?) \| ([\d,]+) B, the \w+ \|$", re.MULTILINE
)


def rows():
    """The table: by package the command, what it says, and bytes."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {
        name: (command, said.strip("`"), int(size.replace(",", "")))
        for name, command, said, size in found
    }


def check_row(name, command, said, size):
    """A line is as the page has it; of the size, a fiftieth may differ by versions of tools."""
    written, told, bytes_told = rows()[name]
    assert command == written
    assert told in said if told != "nothing" else said == ""
    assert abs(size - bytes_told) <= bytes_told / 50, size


def export(folder, **options):
    return write_network(formats()["c"], NETWORK, folder, {"name": "decoder", **options})


def test_the_table_has_every_package():
    assert set(rows()) == {*packages(), "`--language rust`"}


def run(*command, folder, home):
    """What a tool prints; its settings lie in `home`, and no other machine can be reached."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    own = {"HOME": str(home), "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no"}
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | nowhere | own,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def program(name):
    """A program of the environment that tests run in."""
    return Path(sys.executable).parent / name


def packed(archive):
    """The names of an archive's files."""
    with tarfile.open(archive) as opened:
        return sorted(member.name.removeprefix("./") for member in opened if member.isfile())


@pytest.mark.slow
def test_platformio_packs_its_library(tmp_path):
    needed_module("platformio")
    folder = tmp_path / "decoder"
    files = export(folder, package="platformio")
    said = run(
        program("pio"), "pkg", "pack", "-o", tmp_path / "p.tar.gz", folder=folder, home=tmp_path
    )
    size = (tmp_path / "p.tar.gz").stat().st_size
    check_row("platformio", "pio pkg pack", said, size)
    own = sorted(path.relative_to(folder).as_posix() for path in files)
    assert packed(tmp_path / "p.tar.gz") == own


@pytest.mark.slow
def test_the_component_manager_packs_a_component_of_esp_idf(tmp_path):
    needed_module("idf_component_manager")
    folder = tmp_path / "decoder"
    files = export(folder, package="esp-idf")
    words = ("component", "pack", "--name", "decoder", "--project-dir", folder)
    said = run(program("compote"), *words, folder=folder, home=tmp_path)
    archive = folder / "dist" / "decoder_1.0.0.tgz"
    check_row("esp-idf", "compote component pack", said, archive.stat().st_size)
    own = sorted(path.relative_to(folder).as_posix() for path in files)
    assert packed(archive) == own


MAKEFILE = """
BOARD_TAG = mega
BOARD_SUB = atmega2560
ARDUINO_LIBS = decoder
USER_LIB_PATH = {libraries}
CFLAGS_STD = -std=gnu99
CXXFLAGS_STD = -std=gnu++11 -DDECIMAL_DIG=__DECIMAL_DIG__
include /usr/share/arduino/Arduino.mk
"""


@pytest.mark.slow
def test_arduino_mk_builds_the_sketch_with_its_library_for_an_avr(tmp_path):
    need("avr-gcc", "gcc-avr and avr-libc")
    if not Path("/usr/share/arduino/Arduino.mk").exists():
        need("arduino-mk", "arduino-mk and arduino-core-avr")
    library, sketch = tmp_path / "libraries" / "decoder", tmp_path / "sketch"
    export(library, package="arduino")
    sketch.mkdir()
    (sketch / "Makefile").write_text(MAKEFILE.format(libraries=library.parent))
    (library / "examples/decoder_step/decoder_step.ino").rename(sketch / "sketch.ino")
    said = run("make", "-C", sketch, folder=tmp_path, home=tmp_path)
    (size,) = re.findall(r"^Program: +(\d+) bytes", said, re.MULTILINE)
    check_row("arduino", "make", said, int(size))
    (compiled,) = sketch.rglob("decoder.c.o")
    assert compiled.stat().st_size > 5000
    (image,) = sketch.rglob("*.hex")
    assert image.stat().st_size > 2 * 5000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cmsis-pack", "stm32cube", "zephyr"])
def test_what_a_manifest_lists_compiles_for_a_cortex_m4(name, tmp_path):
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi and picolibc-arm-none-eabi")
    export(tmp_path, package=name)
    if name == "zephyr":
        text = (tmp_path / "zephyr/CMakeLists.txt").read_text()
        listed = re.findall(r"\(\$\{CMAKE_CURRENT_LIST_DIR\}/\.\./(\S+)\)", text)
    else:
        (pack,) = tmp_path.glob("*.pdsc")
        files = list(ElementTree.parse(pack).getroot().iter("file"))
        kinds = ("include", "source")
        listed = [file.get("name") for file in files if file.get("category") in kinds]
    sources = [path for path in listed if path.endswith(".c")]
    folders = [f"-I{path}" for path in listed if not path.endswith(".c")]
    assert sources
    assert folders
    (tmp_path / "main.h").write_text(
        "#include <stdint.h>\ntypedef int HAL_StatusTypeDef;\ntypedef int TIM_HandleTypeDef;\n"
        "HAL_StatusTypeDef HAL_TIM_Base_Start_IT(TIM_HandleTypeDef *timer);\n"
    )
    command = "arm-none-eabi-gcc -mcpu=cortex-m4"
    flags = ("-mthumb", "--specs=picolibc.specs", *FLAGS, "-I.", *folders, "-c")
    said = run(*command.split(), *flags, *sources, folder=tmp_path, home=tmp_path)
    objects = sorted(path.name for path in tmp_path.glob("*.o"))
    assert len(objects) == len(sources)
    listing = run("arm-none-eabi-size", *objects, folder=tmp_path, home=tmp_path)
    size = sum(int(line.split()[0]) for line in listing.splitlines()[1:])
    check_row(name, command, said, size)


@pytest.mark.slow
def test_cargo_tests_the_crate(tmp_path):
    need("/usr/bin/cargo", "cargo")
    need("/usr/bin/rustc", "rustc")
    export(tmp_path, language="rust")
    settings = ("RUSTC=/usr/bin/rustc", "RUSTDOC=/usr/bin/rustdoc", f"CARGO_HOME={tmp_path}")
    words = ("env", *settings, "/usr/bin/cargo", "test", "--offline")
    said = run(*words, folder=tmp_path, home=tmp_path)
    size = (tmp_path / "src/lib.rs").stat().st_size
    check_row("`--language rust`", "cargo test --offline", said, size)
