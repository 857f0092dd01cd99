"""Packages around exported C: their manifests, and builds against stubs of their build systems."""

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from networks import random_network
from tools import need

from base.errors import RangeError
from export.firmware.decoder import FLAGS, export_c
from export.format import write_network
from export.formats import formats
from export.packages import packages
from rsnnctl import api
from sim.conformance.cases import cases
from sim.layer import SPIKES

ROOT = Path(__file__).resolve().parents[1]
C = formats()["c"]
NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5))
OF_VALUES = next(case.network for case in cases() if case.network.input_values != SPIKES)


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")
    need("g++", "g++")
    need("cmake", "cmake")


def written(package, folder, network=NETWORK):
    """A package's files by path, and its folder."""
    made = write_network(C, network, folder, {"name": "decoder", "package": package})
    assert len(made) == len(set(made))
    assert sorted(made) == sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in made}


def done(*command, code=0):
    words = [str(word) for word in command]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout


def test_packages_are_found_by_listing_files():
    files = {path.stem for path in (ROOT / "export" / "packages").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in packages()} == files
    (option,) = (option for option in C.options if option.name == "package")
    assert option.choices == ("none", *packages())
    with pytest.raises(RangeError, match="`package` is mbed; known: none, arduino, cmsis-pack"):
        write_network(C, NETWORK, Path("nowhere"), {"package": "mbed"})


@pytest.mark.parametrize("name", packages())
@pytest.mark.parametrize("network", [NETWORK, OF_VALUES], ids=["spikes", "values"])
def test_a_package_holds_the_sources_in_src_and_says_what_it_is(name, network, tmp_path):
    found = written(name, tmp_path / "package", network)
    for path in export_c(network, tmp_path / "plain", "decoder"):
        assert found[f"src/{path.name}"] == path.read_text()
    assert len(found) >= 4
    for text in found.values():
        assert "@" not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
    assert network.digest() in found["README.md"]
    assert f"export-c --package {name}`" in found["README.md"]
    step = "decoder_step_bitmap" if network is NETWORK else "decoder_step"
    assert f"Call `{step}` every" in found["README.md"]


def test_a_library_of_platformio_lists_what_is_there(tmp_path):
    found = written("platformio", tmp_path)
    manifest = json.loads(found["library.json"])
    assert {"name", "version", "description", "keywords", "frameworks", "platforms"} <= set(
        manifest
    )
    assert manifest["name"] == "decoder"
    assert f"{manifest['build']['srcDir']}/{manifest['headers']}" in found
    assert manifest["build"]["includeDir"] == "src"
    assert all((tmp_path / path).exists() for path in manifest["export"]["include"])
    kept = {path for path in found if path.split("/")[0] in manifest["export"]["include"]}
    assert kept == set(found)


ARDUINO = """
#include <stdint.h>
#include <stdio.h>
static uint32_t now;
static uint32_t micros() { return now += 500; }
static struct {
    void begin(long) {}
    void println(long word) { printf("%ld\\n", word); }
} Serial;
"""


@pytest.mark.parametrize("network", [NETWORK, OF_VALUES], ids=["spikes", "values"])
def test_a_library_of_arduino_has_its_keys_and_its_sketch_steps_on_time(network, tmp_path):
    """The sketch is C++ that `Arduino.h` precedes; a clock of 0.5 ms per reading."""
    found = written("arduino", tmp_path, network)
    lines = [line.partition("=") for line in found["library.properties"].splitlines()]
    properties = {key: value for key, _, value in lines}
    keys = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url")
    assert all(properties[key] for key in (*keys, "architectures"))
    assert f"src/{properties['includes']}" in found
    assert "avr" in properties["architectures"].split(",")
    sketch = "examples/decoder_step/decoder_step.ino"
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    (tmp_path / "main.cpp").write_text(
        f'#include "Arduino.h"\n#include "{sketch}"\n'
        "int main()\n{\n    setup();\n    for (int i = 0; i < 80; i++)\n        loop();\n}\n"
    )
    done("cc", *FLAGS, "-c", tmp_path / "src/decoder.c", "-o", tmp_path / "decoder.o")
    words = ("-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path / 'src'}")
    program = tmp_path / "program"
    done("g++", *words, tmp_path / "main.cpp", tmp_path / "decoder.o", "-o", program)
    steps = len(done(program).splitlines())
    assert steps == 1 + 80 * 500 // round(1e6 * network.dt)


STUBS = """
cmake_minimum_required(VERSION 3.13)
project(stub C)
{stubs}
add_subdirectory({folder} package)
add_executable(application main.c)
target_link_libraries(application {linked})
"""
ZEPHYR = """
set(CONFIG_DECODER {on})
macro(zephyr_library)
  add_library(module STATIC)
endmacro()
macro(zephyr_library_sources)
  target_sources(module PRIVATE ${{ARGN}})
endmacro()
macro(zephyr_include_directories)
  target_include_directories(module PUBLIC ${{ARGN}})
endmacro()
"""
IDF = """
function(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  add_library(component STATIC ${ARG_SRCS})
  target_include_directories(component PUBLIC ${ARG_INCLUDE_DIRS})
endfunction()
"""
MAIN = """
#include "decoder.h"
int main(void)
{
    static decoder_state state;
    decoder_init(&state);
    return 0;
}
"""


def cmake(folder, stubs, linked, package, main=MAIN):
    (folder / "main.c").write_text(main)
    text = STUBS.format(stubs=stubs, linked=linked, folder=package)
    (folder / "CMakeLists.txt").write_text(text)
    done("cmake", "-S", folder, "-B", folder / "made")
    done("cmake", "--build", folder / "made")
    done(folder / "made" / "application")


def keys(text):
    """The lines of a small YAML file as pairs."""
    pairs = (line.strip().partition(": ") for line in text.splitlines())
    return {key.rstrip(":"): value.strip('"') for key, _, value in pairs}


@pytest.mark.slow
def test_a_module_of_zephyr_is_built_where_its_option_is_set(tmp_path):
    found = written("zephyr", tmp_path / "decoder")
    module = keys(found["zephyr/module.yml"])
    assert module["name"] == "decoder"
    assert f"{module['cmake']}/CMakeLists.txt" in found
    assert found[module["kconfig"]].startswith("config DECODER\n\tbool ")
    assert "if(CONFIG_DECODER)" in found["zephyr/CMakeLists.txt"]
    assert "`CONFIG_DECODER=y`" in found["README.md"]
    cmake(tmp_path, ZEPHYR.format(on="y"), "module", "decoder/zephyr")
    off = tmp_path / "off"
    off.mkdir()
    text = STUBS.format(stubs=ZEPHYR.format(on=""), linked="", folder=tmp_path / "decoder/zephyr")
    (off / "CMakeLists.txt").write_text(text)
    (off / "main.c").write_text("int main(void)\n{\n    return 0;\n}\n")
    done("cmake", "-S", off, "-B", off / "made")
    assert "... module\n" not in done("cmake", "--build", off / "made", "--target", "help")


CUBE = """
add_library(stm32cubemx INTERFACE)
target_include_directories(stm32cubemx INTERFACE ${CMAKE_CURRENT_SOURCE_DIR})
"""
HAL = """
#include <stdint.h>
typedef enum { HAL_OK, HAL_ERROR } HAL_StatusTypeDef;
typedef struct { int started; } TIM_HandleTypeDef;
HAL_StatusTypeDef HAL_TIM_Base_Start_IT(TIM_HandleTypeDef *timer);
"""
CUBE_MAIN = """
#include "decoder_cube.h"
#include <string.h>
static TIM_HandleTypeDef timers[2];
static decoder_cube cube;
static INPUT;
static int n_done;
static int32_t last[decoder_N_ROWS];
HAL_StatusTypeDef HAL_TIM_Base_Start_IT(TIM_HandleTypeDef *timer)
{
    timer->started = 1;
    return HAL_ERROR;
}
static void done(const int32_t *out)
{
    n_done++;
    memcpy(last, out, sizeof last);
}
int main(void)
{
    static decoder_state state;
    int32_t out[decoder_N_ROWS];
    memset(input, 1, sizeof input);
    memset(&cube, 1, sizeof cube);
    if (decoder_cube_start(&cube, &timers[1], input, done) != HAL_ERROR || !timers[1].started)
        return 1;
    decoder_init(&state);
    for (int t = 0; t < 9; t++) {
        decoder_cube_elapsed(&cube, &timers[0]);
        decoder_cube_elapsed(&cube, &timers[1]);
        STEP(&state, input, out);
        if (n_done != t + 1 || memcmp(out, last, sizeof out))
            return 2;
    }
    return timers[0].started;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", [NETWORK, OF_VALUES], ids=["spikes", "values"])
def test_middleware_of_stm32cube_steps_when_its_timer_elapses(network, tmp_path):
    found = written("stm32cube", tmp_path / "decoder", network)
    assert f"a period of {round(1e6 * network.dt)} us" in found["README.md"]
    (tmp_path / "main.h").write_text(HAL)
    step = "decoder_step_bitmap" if network is NETWORK else "decoder_step"
    kind = f"{network.input_dtype}_t" if network is OF_VALUES else "uint8_t"
    size = network.n_inputs if network is OF_VALUES else -(-network.n_inputs // 8)
    main = CUBE_MAIN.replace("STEP", step).replace("INPUT", f"{kind} input[{size}]")
    cmake(tmp_path, CUBE, "decoder", "decoder", main)


@pytest.mark.slow
def test_a_component_of_esp_idf_is_built(tmp_path):
    found = written("esp-idf", tmp_path / "decoder")
    manifest = keys(found["idf_component.yml"])
    assert manifest["version"] == "1.0.0"
    assert NETWORK.digest() in manifest["description"]
    assert manifest["idf"] == ">=4.4"
    cmake(tmp_path, IDF, "component", "decoder")


@pytest.mark.parametrize("name", ["cmsis-pack", "stm32cube"])
def test_a_pack_describes_files_that_are_there(name, tmp_path):
    found = written(name, tmp_path)
    root = ElementTree.fromstring(found["RSNN.decoder.pdsc"])
    assert root.tag == "package"
    for key in ("vendor", "name", "description", "url", "releases", "components"):
        assert root.find(key) is not None
    assert f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc" in found
    (release,) = root.iter("release")
    assert release.get("version") == "1.0.0"
    assert NETWORK.digest() in release.text
    (component,) = root.iter("component")
    assert {"Cclass", "Cgroup", "Csub", "Cversion"} <= set(component.attrib)
    listed = {file.get("name"): file.get("category") for file in root.iter("file")}
    assert all((tmp_path / path).exists() for path in listed)
    code = {path: {"c": "source", "h": "header"}.get(path[-1]) for path in found if path[-2] == "."}
    assert code == {path: kind for path, kind in listed.items() if kind in ("source", "header")}
    folders = {path for path, kind in listed.items() if kind == "include"}
    assert folders == {path.rpartition("/")[0] + "/" for path in code}


def test_python_writes_packages_too(tmp_path):
    files = api.export_c(NETWORK, tmp_path, package="esp-idf")
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        *("src/rsnn.h", "src/rsnn.c", "README.md", "CMakeLists.txt", "idf_component.yml")
    ]
