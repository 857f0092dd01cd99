"""Packages around exported C in the hands of the tools that read them, without a network."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from networks import random_network
from tools import need, needed_module

from export.format import write_network
from export.formats import formats

NETWORK = random_network(np.random.default_rng(1), n_inputs=96, hidden=(16,))


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
    files = write_network(
        formats()["c"], NETWORK, folder, {"name": "decoder", "package": "platformio"}
    )
    said = run(
        program("pio"), "pkg", "pack", "-o", tmp_path / "p.tar.gz", folder=folder, home=tmp_path
    )
    assert 'Wrote a tarball to "' in said
    own = sorted(path.relative_to(folder).as_posix() for path in files)
    assert packed(tmp_path / "p.tar.gz") == own
    assert 7000 < (tmp_path / "p.tar.gz").stat().st_size < 10000


@pytest.mark.slow
def test_the_component_manager_packs_a_component_of_esp_idf(tmp_path):
    needed_module("idf_component_manager")
    folder = tmp_path / "decoder"
    files = write_network(
        formats()["c"], NETWORK, folder, {"name": "decoder", "package": "esp-idf"}
    )
    words = ("component", "pack", "--name", "decoder", "--project-dir", folder)
    said = run(program("compote"), *words, folder=folder, home=tmp_path)
    assert "Saving component archive to" in said
    archive = folder / "dist" / "decoder_1.0.0.tgz"
    own = sorted(path.relative_to(folder).as_posix() for path in files)
    assert packed(archive) == own
    assert 7000 < archive.stat().st_size < 10000


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
    options = {"name": "decoder", "package": "arduino"}
    write_network(formats()["c"], NETWORK, library, options)
    sketch.mkdir()
    (sketch / "Makefile").write_text(MAKEFILE.format(libraries=library.parent))
    (library / "examples/decoder_step/decoder_step.ino").rename(sketch / "sketch.ino")
    said = run("make", "-C", sketch, folder=tmp_path, home=tmp_path)
    assert "Device: atmega2560" in said
    (compiled,) = sketch.rglob("decoder.c.o")
    assert compiled.stat().st_size > 5000
    (image,) = sketch.rglob("*.hex")
    assert image.stat().st_size > 2 * 5000
