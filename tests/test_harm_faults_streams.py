"""Faults of what comes in over UDP and what goes out to terminals; each mend removes a mark."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from networks import random_network

from rsnnctl.streams.udp import HOST, stream_packets
from sim.live.ordered import OrderedDecoder
from sim.live.packets import encode_spikes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), n_inputs=21)


def test_one_packet_far_ahead_makes_no_honest_one_late(network):
    decoder = OrderedDecoder(network)
    for step in range(10):
        decoder.step(step, [1])
    decoder.step(10 + 999, [1])
    answers = [decoder.step(step, [1]) for step in range(10, 60)]
    assert sum(values is None for values in answers) <= 1


def test_packets_that_skip_steps_are_bounded_work(network):
    decoder = OrderedDecoder(network)
    decoder.step(0, [])
    done = []
    step = decoder._decoder.step
    decoder._decoder.step = lambda events: done.append(1) or step(events)
    silence = decoder._decoder.silence
    decoder._decoder.silence = lambda n: done.extend([1] * n) or silence(n)
    for number in range(1, 21):
        decoder.step(1000 * number, [])
    assert len(done) < 20 * 200


@pytest.mark.slow
def test_junk_does_not_keep_the_server_alive(network):
    ports, tallies = [], []
    server = Thread(
        target=lambda: tallies.append(stream_packets(network, 0, idle=0.3, ready=ports.append)),
        daemon=True,
    )
    server.start()
    while not ports:
        time.sleep(0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.sendto(encode_spikes(0, []), (HOST, ports[0]))
        for _ in range(40):
            own.sendto(b"junk", (HOST, ports[0]))
            server.join(0.05)
            if not server.is_alive():
                break
        alive = server.is_alive()
    server.join(10)
    assert not alive


def test_a_key_file_is_an_option_of_stream():
    import cli

    options = {parameter.name for parameter in cli.rsnnctl.commands["stream"].params}
    assert "key_file" in options


def called(words, **how):
    """The installed command, with a standard output of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | how.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "rsnnctl", *words],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
        env=environment,
        **how,
    )


@pytest.mark.slow
def test_a_full_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = called(["targets"], stdout=full)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("words", "fd"), [("targets", 1), ("stream x.int.h5", 0)])
def test_closed_standard_streams_are_one_line(harm, words, fd):
    root = harm.folders.copy("read")
    (root / "x.int.h5").write_bytes((root / "n.int.h5").read_bytes())
    done = called(words.split(), cwd=root, preexec_fn=lambda: os.close(fd))
    closed = {
        0: "stdin is closed; give it lines, or",
        1: "stdout is closed; redirect it to a file,",
    }
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {closed[fd]}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_name_that_a_terminal_cannot_show_is_escaped(harm):
    root = harm.folders.copy("read")
    (root / "ünï.mat").write_bytes((root / "s.mat").read_bytes())
    words = ["evaluate", "--session", "ünï.mat"]
    with open(root / "out.txt", "w") as out:
        plain = {"PYTHONIOENCODING": "ascii", "COLUMNS": "200"}  # as wide as to hold one table
        done = called(words, cwd=root, env=plain, stdout=out)
    assert done.returncode == 0, done.stderr
    lines = (root / "out.txt").read_text("ascii").splitlines()
    assert any(r"| \xfcn\xef (test) |" in line for line in lines), lines
    assert len({len(line) for line in lines if line.startswith("|")}) == 1
