"""`rsnnctl stream --udp --key-file`: the key's file, and the client of the docs."""

import json
import re
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from networks import random_network

from base.errors import FileError, RsnnWarning
from rsnnctl import api
from rsnnctl.streams.key import read_key
from rsnnctl.streams.udp import HOST, stream_packets
from sim.artifact import save_network
from sim.live.packets import encode_spikes

ROOT = Path(__file__).resolve().parents[1]
KEY = bytes(range(32))


def key_file(path: Path, content: bytes = KEY, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), n_inputs=96, n_heads=1)


@pytest.mark.parametrize("n", [32, 4096])
def test_every_byte_of_the_file_is_the_key(tmp_path, n):
    content = b"\n" * n
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_key(key_file(tmp_path / "k", content)) == content


@pytest.mark.parametrize("n", [0, 31])
def test_a_short_key_is_refused_with_the_way_to_make_one(tmp_path, n):
    path = key_file(tmp_path / "k", bytes(n))
    text = (
        f"{path}: has {n} bytes; a key has at least 32, and `head -c 32 /dev/urandom > FILE` makes"
        " one"
    )
    with pytest.raises(FileError, match=f"^{re.escape(text)}$"):
        read_key(path)


def test_what_is_no_file_of_a_key_is_refused(tmp_path):
    with pytest.raises(FileError, match="is no regular file"):
        read_key(Path("/dev/urandom"))
    with pytest.raises(FileError, match="has 4097 bytes; at most 4096 are read here"):
        read_key(key_file(tmp_path / "k", bytes(4097)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_warned_of(tmp_path, mode):
    text = rf"k: others can read this key \(mode {mode:o}\); `chmod 600` makes it yours alone$"
    with pytest.warns(RsnnWarning, match=text):
        assert read_key(key_file(tmp_path / "k", mode=mode)) == KEY


def test_a_key_is_refused_without_udp_and_a_short_one_in_one_line(run, network):
    save_network(network, Path("net.int.h5"))
    key_file(Path("k"), b"short")
    done = run("stream", "net.int.h5", "--key-file", "k")
    assert done.code == 2
    assert "--key-file has no effect without --udp, whose packets alone are signed" in done.err
    done = run("stream", "net.int.h5", "--udp", 0, "--key-file", "k", "--json")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith("Error: k: has 5 bytes; a key has at least 32, and ")
    assert run("stream", "net.int.h5", "--udp", 0, "--key-file", "absent").err == (
        "Error: absent: no such file\n"
    )


def example() -> str:
    """The client of the docs."""
    page = (ROOT / "docs" / "streaming.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"```python\n(import hmac.*?)```", page, re.DOTALL)
    return found


@pytest.mark.slow
def test_the_client_of_the_docs_is_answered_by_the_command(network, tmp_path, monkeypatch):
    save_network(network, tmp_path / "net.int.h5")
    key_file(tmp_path / "stream.key")
    words = ["stream", "net.int.h5", "--udp", "0", "--key-file", "stream.key", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rsnnctl", *words, "--idle", "60", "--steps", "6"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    with process:
        port = int(process.stderr.readline().rsplit(":", 1)[1])
        monkeypatch.chdir(tmp_path)
        client = example().replace("5005", str(port))
        names: dict = {}
        exec(client, names)
        sent = encode_spikes(3, [1]) + names["session"]
        names["own"].send(encode_spikes(3, [1]))
        names["own"].send(sent + bytes(16))
        second: dict = {}
        exec(client, second)  # a second client begins a second session
        report = json.loads(process.stderr.read())
    for used in (names["own"], second["own"]):
        used.close()
    expected = api.Decoder(network)
    for events in ([3, 17, 42], [], [5]):
        values = expected.step(events)
    assert names["velocity"] == second["velocity"] == tuple(values)
    assert names["session"] != second["session"]
    found = {name: report[name] for name in ("steps", "unsigned", "replayed", "restarts")}
    assert found == {"steps": 6, "unsigned": 2, "replayed": 0, "restarts": 1}


@pytest.mark.slow
def test_signed_junk_and_hellos_keep_no_server_alive(network, tmp_path):
    key, ports, tallies = key_file(tmp_path / "k"), [], []

    def serve() -> None:
        made = api.stream(network, port=0, idle=0.3, key_file=key, ready=ports.append)
        tallies.append(made)

    server = Thread(target=serve, daemon=True)
    server.start()
    while not ports:
        time.sleep(0.01)
    from sim.live.signed import HELLO, sign

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        for _ in range(60):
            own.sendto(sign(KEY, HELLO + bytes(8)), (HOST, ports[0]))
            server.join(0.05)
            if not server.is_alive():
                break
    server.join(10)
    assert not server.is_alive()
    assert tallies[0].steps == 0


@pytest.mark.slow
def test_steps_keep_a_server_alive_beyond_its_idle_time(network):
    ports, tallies = [], []
    server = Thread(
        target=lambda: tallies.append(stream_packets(network, 0, idle=1.0, ready=ports.append)),
        daemon=True,
    )
    server.start()
    while not ports:
        time.sleep(0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        for step in range(8):
            own.sendto(encode_spikes(step, []), (HOST, ports[0]))
            time.sleep(0.25)
    server.join(20)
    assert tallies[0].steps == 8


def test_an_answer_is_counted_when_it_is_sent(network):
    """The stream ends after as many steps as are asked for; a late packet is none."""
    ports, tallies = [], []
    server = Thread(
        target=lambda: tallies.append(
            stream_packets(network, 0, idle=20.0, steps=2, ready=ports.append)
        ),
        daemon=True,
    )
    server.start()
    while not ports:
        time.sleep(0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        for step in (0, 0, 900, 1):
            own.sendto(encode_spikes(step, []), (HOST, ports[0]))
    server.join(20)
    found = tallies[0].as_dict()
    assert [found[name] for name in ("steps", "late", "far", "lost")] == [2, 1, 1, 0]
