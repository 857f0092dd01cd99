"""`rsnnctl stream` over stdin and a UDP socket of 127.0.0.1."""

import io
import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import FileError, RangeError
from rsnnctl.streams import udp
from rsnnctl.streams.lines import stream_lines
from rsnnctl.streams.udp import HOST, stream_packets
from sim.artifact import save_network
from sim.fast import runs
from sim.live.packets import decode_velocity, encode_spikes
from sim.network import IntegerNetwork

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def network() -> IntegerNetwork:
    return random_network(np.random.default_rng(1), n_inputs=21, n_heads=2)


class Served:
    """`stream_packets` in a thread, which ends by itself."""

    def __init__(self, network: IntegerNetwork, **options) -> None:
        ports, self.tally = [], None

        def serve() -> None:
            self.tally = stream_packets(network, 0, ready=ports.append, **options)

        self.thread = Thread(target=serve)
        self.thread.start()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        while not ports:
            assert self.thread.is_alive()
            time.sleep(0.01)
        self.socket.connect((HOST, ports[0]))

    def finish(self):
        self.socket.close()
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.tally


def test_every_packet_is_answered_with_what_a_run_decodes(network):
    raster = random_raster(np.random.default_rng(2), 300, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    served = Served(network, idle=10.0, steps=300)
    for t, spikes in enumerate(raster):
        served.socket.send(encode_spikes(t, np.flatnonzero(spikes)))
        step, values = decode_velocity(served.socket.recv(1000))
        assert step == t
        assert np.array_equal(values, expected[t])
    tally = served.finish()
    assert tally.steps == sum(tally.latencies.counts) == 300
    assert tally.lost == tally.late == tally.malformed == 0
    assert 0 < tally.latencies.quantile(0.5) <= tally.latencies.largest


@pytest.mark.slow
def test_malformed_packets_are_counted_and_never_fatal(network):
    served = Served(network, idle=1.0)
    rng = np.random.default_rng(3)
    for t in range(50):
        served.socket.send(rng.bytes(int(rng.integers(0, 200))))
        served.socket.send(encode_spikes(t, [21]))
        served.socket.send(encode_spikes(t, [1]))
    for t in range(50):
        assert decode_velocity(served.socket.recv(1000))[0] == t
    served.socket.send(encode_spikes(3, [1]))
    served.socket.send(encode_spikes(60, [1]))
    assert decode_velocity(served.socket.recv(1000))[0] == 60
    tally = served.finish()
    assert (tally.steps, tally.malformed, tally.late, tally.lost) == (51, 100, 1, 10)


@pytest.mark.slow
def test_nothing_is_lost_at_four_times_real_time():
    network = random_network(np.random.default_rng(4), n_inputs=96, hidden=(64,))
    served = Served(network, idle=2.0)
    n_steps, answers = 1500, 0
    start = time.perf_counter()
    for t in range(n_steps):
        while time.perf_counter() < start + t * network.dt / 4:
            time.sleep(2e-4)
        served.socket.send(encode_spikes(t, np.arange(t % 9, 96, 9)))
        while t - answers > 20:  # lest answers pile up in the system's buffer and are dropped there
            served.socket.recv(1000)
            answers += 1
    while answers < n_steps:
        served.socket.recv(1000)
        answers += 1
    tally = served.finish()
    assert (tally.steps, tally.lost, tally.late, tally.malformed) == (n_steps, 0, 0, 0)


def test_a_quiet_socket_ends_after_the_idle_time(network):
    assert stream_packets(network, 0, idle=0.2).steps == 0


def test_an_interrupt_ends_the_stream_with_its_report(network):
    def interrupt(port: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # before the loop there is nothing to report
        stream_packets(network, 0, idle=1.0, ready=interrupt)

    def lines():
        yield "1 2\n"
        raise KeyboardInterrupt

    assert stream_lines(network, lines(), lambda text: None).steps == 1


@pytest.mark.parametrize(
    ("port", "options", "text"),
    [
        (70_000, {"idle": 1.0}, "`port` is 70000; a port is 0..65535, and 0 takes a free one"),
        (0, {"idle": 0.0}, "`idle` is 0 s; it must be longer than 0 s"),
        (0, {"idle": 1.0, "steps": 0}, "`steps` is 0; at least 1 is needed"),
    ],
)
def test_options_without_a_meaning_are_refused(network, port, options, text):
    with pytest.raises(RangeError, match=re.escape(text)):
        stream_packets(network, port, **options)


def test_a_taken_port_is_refused(network):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        with pytest.raises(FileError, match=rf"{port}: .*in use; name another port, or 0"):
            stream_packets(network, port, idle=1.0)


def test_lines_are_steps_and_bad_ones_are_counted(network):
    raster = random_raster(np.random.default_rng(5), 40, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    lines = [" ".join(map(str, np.flatnonzero(spikes))) for spikes in raster]
    lines[7:7] = ["3 x", "99"]
    written: list[str] = []
    tally = stream_lines(network, io.StringIO("\n".join(lines) + "\n"), written.append)
    assert (tally.steps, tally.malformed) == (40, 2)
    found = np.array([[float(word) for word in line.split()] for line in written])
    assert np.array_equal(found[:, 0], np.arange(40))
    assert np.array_equal(found[:, 1:], expected)


@pytest.mark.slow
def test_the_command_reports_on_stderr(network, tmp_path):
    save_network(network, tmp_path / "net.int.h5")
    done = subprocess.run(
        [sys.executable, "-m", "cli", "stream", tmp_path / "net.int.h5", "--json"],
        input="1 2 3\n\nno\n",
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1"]
    report = json.loads(done.stderr)
    assert (report["steps"], report["malformed"], report["lost"]) == (2, 1, 0)
    assert (report["unit"], report["dt_s"]) == ("the unit of the training target", 0.004)


@pytest.mark.slow
def test_the_command_says_first_what_it_decodes(network, tmp_path):
    trained = {"history": {"command": "train"}}
    for metadata, unit in (({}, "the unit of the training target"), (trained, "mm per step")):
        save_network(replace(network, metadata=metadata), tmp_path / "net.int.h5")
        done = subprocess.run(
            [sys.executable, "-m", "cli", "stream", tmp_path / "net.int.h5"],
            input="",
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert done.stderr.splitlines()[0] == f"decoded values are in {unit}; a step is 4 ms"


def started(network: IntegerNetwork, folder: Path) -> subprocess.Popen:
    """The command, with pipes."""
    save_network(network, folder / "net.int.h5")
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "stream", folder / "net.int.h5", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )


@pytest.mark.slow
def test_a_line_is_answered_before_the_next_one_comes(network, tmp_path):
    raster = random_raster(np.random.default_rng(8), 20, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    with started(network, tmp_path) as process:
        for t, spikes in enumerate(raster):
            process.stdin.write(b"%s\n" % b" ".join(b"%d" % i for i in np.flatnonzero(spikes)))
            process.stdin.flush()
            number, *values = process.stdout.readline().split()
            assert int(number) == t
            assert [float(value) for value in values] == expected[t].tolist()
        assert json.loads(process.communicate()[1])["steps"] == 20


@pytest.mark.slow
def test_bytes_that_are_no_text_are_a_malformed_line(network, tmp_path):
    with started(network, tmp_path) as process:
        out, report = process.communicate(b"1 2\n\xff\xfe 1\n\n")
    assert [line.split()[0] for line in out.splitlines()] == [b"0", b"1"]
    assert json.loads(report)["malformed"] == 1


@pytest.mark.slow
def test_a_reader_that_goes_ends_the_stream_with_its_report(network, tmp_path):
    with started(network, tmp_path) as process:
        process.stdin.write(b"1\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"1\n2\n")
        process.stdin.close()
        report = process.stderr.read()
    assert process.returncode == 0
    assert json.loads(report)["steps"] == 1


def test_an_answer_that_cannot_be_sent_is_never_fatal(network, monkeypatch):
    class FromPortZero(socket.socket):
        def recvfrom(self, size: int):
            packet, sender = super().recvfrom(size)
            return packet, (sender[0], 0) if packet == encode_spikes(0, []) else sender

    monkeypatch.setattr(udp.socket, "socket", FromPortZero)
    served = Served(network, idle=10.0, steps=2)
    for step in (0, 1):
        served.socket.send(encode_spikes(step, []))
    assert decode_velocity(served.socket.recv(1000))[0] == 1
    assert served.finish().steps == 2


def test_two_sources_at_once_are_refused(run):
    Path("net").write_text("")
    done = run("stream", "net", "--udp", 5, "--lsl", "x")
    assert done.code == 1
    assert done.err == "Error: --udp is 5 and --lsl is x; spikes come from one of them\n"


def test_the_example_in_the_docs_runs(network, monkeypatch, tmp_path):
    page = (ROOT / "docs" / "streaming.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1)
    larger = random_network(np.random.default_rng(1), n_inputs=96)
    save_network(larger, tmp_path / "runs" / "latest" / "model.int.h5")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example, names)
    assert names["velocity"].shape == (2,)
