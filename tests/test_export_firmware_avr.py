"""Exported C where `int` has 16 bits: compiled for an AVR, run on one in QEMU, word for word."""

import os
import subprocess
from dataclasses import replace
from threading import Timer

import numpy as np
import pytest
from networks import random_network
from tools import need

from base.files import write_text
from export.firmware.code import layouts, replay_source
from export.firmware.decoder import export_c
from export.firmware.replay import thirds
from sim import reference
from sim.conformance.cases import cases
from sim.contract import PAPER
from sim.trace import empty_trace, first_difference

FLAGS = (
    "-mmcu=atmega2560",
    "-Os",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
    "-fno-builtin",
)
QEMU = ("qemu-system-avr", "-M", "mega2560", "-nographic", "-serial", "stdio")
QEMU += ("-monitor", "none", "-icount", "shift=3,sleep=off")
STDIO = r"""
#include <avr/io.h>
#include <stdint.h>
/* Signed products of 16 bits: QEMU 7.2 returns from libgcc's where `sbrs` skips its `ret`. */
__asm__(".text\n__mulhisi3:\n call __umulhisi3\n tst r19\n brpl 1f\n sub r24, r26\n sbc r25, r27\n"
        "1: rjmp 2f\n__usmulhisi3:\n call __umulhisi3\n2: tst r27\n brpl 3f\n sub r24, r18\n"
        " sbc r25, r19\n3: ret\n.global __mulhisi3, __usmulhisi3\n");
typedef int FILE; /* 0 for the input, 1 for the words, 2 for counts, which are not read */
static FILE files[3] = {0, 1, 2};
static inline FILE *fopen(const char *name, const char *mode)
{
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
    return &files[*mode == 'r' ? 0 : name[7] == 'o' ? 1 : 2];
}
static inline uint32_t fread(void *to, uint32_t size, uint32_t n, FILE *file)
{
    for (uint32_t i = 0; i < n * size; i++) {
        while (!(UCSR0A & 1 << RXC0))
            ;
        ((uint8_t *)to)[i] = UDR0;
    }
    return *file == 0 ? n : 0;
}
static inline uint32_t fwrite(const void *from, uint32_t size, uint32_t n, FILE *file)
{
    for (uint32_t i = 0; i < n * size && *file == 1; i++) {
        while (!(UCSR0A & 1 << UDRE0))
            ;
        UDR0 = ((const unsigned char *)from)[i];
    }
    return n;
}
static inline int fclose(FILE *file)
{
    return *file;
}
"""


@pytest.fixture(autouse=True)
def tools():
    need("avr-gcc", "gcc-avr and avr-libc")
    need("qemu-system-avr", "qemu-system-misc")


def run_avr(network, raster, folder, layout):
    """A trace by the program that replays input, through the serial port of an ATmega2560."""
    path = export_c(network, folder, "rsnn", layout)[1]
    write_text(folder / "stdio.h", STDIO)
    write_text(folder / "replay.c", replay_source(network, "rsnn"))
    program = folder / "replay.elf"
    words = [f"-I{folder}", str(path), str(folder / "replay.c"), "-o", str(program)]
    done = subprocess.run(["avr-gcc", *FLAGS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ends = np.array([part.stop for part in thirds(len(raster))], "<u4")
    trace = empty_trace(network, len(raster))
    command = [*QEMU, "-bios", str(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        stop = Timer(20, process.kill)
        stop.start()
        try:
            process.stdin.write(ends.tobytes() + raster.tobytes())
            process.stdin.flush()
            found = np.frombuffer(process.stdout.read(4 * trace.n_words), "<i4")
        finally:
            stop.cancel()
            process.kill()  # a microcontroller does not end
    rows, start = found.reshape(len(raster), -1), 0
    for array in trace.variables.values():
        array[:] = rows[:, start : start + array.shape[1]]
        start += array.shape[1]
    return trace


EVERY = {case.name: case for case in cases()}
FEW = ("widest-floor", "int-min-toward_zero", "readout-shifts", "inputs-adaptive-cuba-lif-s8")
FEW += ("double-exp-lif-1", "first-spike-1", "contract-4")
CHOSEN = EVERY if "RSNN_TEST_ALL" in os.environ else FEW


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_conformance_cases_are_right_where_an_int_has_16_bits(name, tmp_path):
    """All of them under `make test-all`."""
    case = EVERY[name]
    expected = reference.run(case.network, case.raster)
    for layout in layouts(case.network):
        found = run_avr(case.network, case.raster, tmp_path, layout)
        assert first_difference(expected, found) is None


@pytest.mark.slow
@pytest.mark.parametrize("sparsity", [0.0, 0.9], ids=["dense", "sparse"])
def test_products_of_wide_weights_and_values_are_not_those_of_16_bits(sparsity, tmp_path):
    rng = np.random.default_rng(5)
    contract = replace(PAPER, weight_bits=16, input_bits=8, decay_frac=16, frac_bits=0)
    network = random_network(rng, contract, hidden=(9,), sparsity=sparsity)
    low, high = network.input_values
    raster = rng.integers(low, high + 1, (20, 12)).astype(network.input_dtype)
    expected = reference.run(network, raster)
    assert int(network.layers[0].w_in.max()) * high > 1 << 15
    assert first_difference(expected, run_avr(network, raster, tmp_path, "fast")) is None
