"""The protocol of packets without its socket: signatures, sessions, replays, counts."""

import re
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network, random_raster

from base.errors import RangeError
from sim.fast import runs
from sim.live.packets import decode_velocity, encode_spikes
from sim.live.server import PacketServer
from sim.live.signed import HELLO, WELCOME, Sessions, sign, signed_content
from sim.network import IntegerNetwork

KEY = bytes(range(32))
NONCE = b"12345678"


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    return random_network(np.random.default_rng(1), n_inputs=21)


def served(network: IntegerNetwork, seed: int = 1) -> PacketServer:
    return PacketServer(network, KEY, Random(seed).randbytes)


def greeted(server: PacketServer) -> bytes:
    """The number of the session that a hello is told."""
    reply = server.reply(sign(KEY, HELLO + NONCE))
    assert not reply.is_step
    content = signed_content(KEY, reply.packet)
    assert content.startswith(WELCOME + NONCE)
    assert len(reply.packet) == 4 + 8 + 8 + 16
    return content[-8:]


def spikes(session: bytes, step: int, events=()) -> bytes:
    return sign(KEY, encode_spikes(step, list(events)) + session)


def counts(server: PacketServer) -> dict[str, int]:
    """Every count that is not 0."""
    return {k: v for k, v in server.tally.as_dict().items() if v and not k.endswith("_us")}


def test_the_signature_is_hmac_sha256_cut_to_16_bytes():
    """The second case of RFC 4231."""
    packet = sign(b"Jefe", b"what do ya want for nothing?")
    assert packet[-16:].hex() == "5bdcc146bf60754e6a042426089575c7"
    assert signed_content(b"Jefe", packet) == b"what do ya want for nothing?"


def test_signed_packets_are_answered_as_a_run_decodes_and_answers_are_signed(network):
    raster = random_raster(np.random.default_rng(2), 100, 21)
    expected = network.readout.decode(runs.run(network, raster).out)
    server = served(network)
    session = greeted(server)
    for t, row in enumerate(raster):
        reply = server.reply(spikes(session, t, np.flatnonzero(row)))
        assert reply.is_step
        content = signed_content(KEY, reply.packet)
        assert content.endswith(session)
        step, values = decode_velocity(content[:-8])
        assert step == t
        assert np.array_equal(values, expected[t])
    assert counts(server) == {}


def test_without_a_key_packets_are_as_ever(network):
    server = PacketServer(network)
    reply = server.reply(encode_spikes(0, [1]))
    assert reply.is_step
    assert decode_velocity(reply.packet)[0] == 0
    assert server.reply(sign(KEY, HELLO + NONCE)) is None
    assert server.reply(spikes(bytes(8), 1)) is None
    assert counts(server) == {"malformed": 2}


def test_packets_that_are_not_signed_with_the_key_are_counted_and_change_nothing(network):
    server, alone = served(network), served(network)
    session = greeted(server)
    greeted(alone)
    good = spikes(session, 3, [1])
    wrong = [good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :] for i in range(len(good))]
    wrong += [good[:i] for i in range(len(good))]
    wrong += [encode_spikes(3, [1]), sign(KEY[::-1], encode_spikes(3, [1]) + session), b""]
    wrong += [sign(KEY[::-1], HELLO + NONCE), HELLO + NONCE]
    for packet in wrong:
        assert server.reply(packet) is None
    assert counts(server) == {"unsigned": len(wrong)}
    assert server.reply(good) == alone.reply(good)


def test_a_packet_that_came_before_is_replayed_and_one_that_is_late_is_late(network):
    server = served(network)
    session = greeted(server)
    for t in (0, 1, 2, 5, 6, 2000):
        assert (server.reply(spikes(session, t)) is None) == (t == 2000)  # far, by a restart
    assert server.reply(spikes(session, 2001)).is_step
    assert counts(server) == {"lost": 2, "far": 1, "restarts": 1}
    for t in (2001, 2000, 6, 5, 3):
        assert server.reply(spikes(session, t)) is None
    assert counts(server) == {"lost": 2, "far": 1, "restarts": 1, "replayed": 5}
    assert server.reply(spikes(session, 1990)) is None
    assert server.reply(spikes(session, 1990)) is None
    found = counts(server)
    assert (found["late"], found["replayed"]) == (1, 6)


def test_a_step_1024_behind_is_taken_for_replayed(network):
    sessions = Sessions(Random(1).randbytes)
    number = sessions.following
    sessions.begin(number)
    assert sessions.is_new(number, 5000)
    assert not sessions.is_new(number, 5000 - 1024)
    assert sessions.is_new(number, 5000 - 1023)
    assert not sessions.is_new(number, 5000 - 1023)


def test_who_has_the_key_may_skip_1000_steps_at_once(network):
    server = served(network)
    session = greeted(server)
    server.reply(spikes(session, 0))
    assert server.reply(spikes(session, 1001)).is_step
    assert counts(server) == {"lost": 1000}


def test_a_replay_of_two_old_packets_is_no_restart(network):
    server = served(network)
    session = greeted(server)
    sent = [spikes(session, t, [t % 21]) for t in range(3000)]
    for packet in sent:
        server.reply(packet)
    for packet in sent[:20]:
        assert server.reply(packet) is None
    assert counts(server) == {"replayed": 20}
    assert server.reply(spikes(session, 3000)).is_step


def test_a_hello_begins_nothing_until_a_packet_uses_its_session(network):
    """A replayed hello gets an answer that is of no use without the key."""
    server = served(network)
    first = greeted(server)
    assert greeted(server) == first
    server.reply(spikes(first, 0))
    second = greeted(server)
    assert second != first
    assert greeted(server) == second
    assert server.reply(spikes(first, 1)).is_step
    assert server.reply(spikes(second, 700, [1])).is_step
    assert counts(server) == {"restarts": 1}
    for t in (0, 1, 2, 701):
        assert server.reply(spikes(first, t)) is None
    assert counts(server) == {"restarts": 1, "replayed": 4}
    assert greeted(server) not in (first, second)


def test_a_new_session_starts_from_the_initial_state(network):
    server, alone = served(network), served(network, seed=2)
    first = greeted(server)
    for t in range(20):
        server.reply(spikes(first, t, [1, 2, 3]))
    found = server.reply(spikes(greeted(server), 0, [4])).packet
    expected = alone.reply(spikes(greeted(alone), 0, [4])).packet
    assert found[:-24] == expected[:-24]


def test_a_replay_after_the_server_has_restarted_is_counted(network):
    old = served(network, seed=1)
    session = greeted(old)
    sent = [spikes(session, t) for t in range(5)]
    new = served(network, seed=2)
    for packet in sent:
        assert new.reply(packet) is None
    assert counts(new) == {"replayed": 5}
    assert new.reply(spikes(greeted(new), 0)).is_step


def test_what_a_server_has_signed_is_no_packet_to_it(network):
    server = served(network)
    session = greeted(server)
    answer = server.reply(spikes(session, 0)).packet
    welcome = server.reply(sign(KEY, HELLO + NONCE)).packet
    for packet in (answer, welcome, sign(KEY, b""), sign(KEY, HELLO), sign(KEY, HELLO + NONCE * 2)):
        assert server.reply(packet) is None
    assert counts(server) == {"malformed": 5}


def test_a_malformed_packet_begins_no_session(network):
    server = served(network)
    session = greeted(server)
    assert server.reply(spikes(session, 0, [21])) is None
    assert greeted(server) == session


def test_a_short_key_is_refused(network):
    with pytest.raises(RangeError, match=re.escape("`key` has 31 bytes; at least 32 are needed")):
        PacketServer(network, KEY[:31])


def test_two_servers_draw_two_numbers(network):
    first, second = (greeted(PacketServer(network, KEY)) for _ in range(2))
    assert first != second


@settings(max_examples=200)
@given(st.lists(st.integers(0, 3000), max_size=60))
def test_no_step_is_new_twice(steps):
    sessions = Sessions(Random(1).randbytes)
    number = sessions.following
    assert not sessions.is_new(number, 0)
    assert sessions.begin(number)
    found = [step for step in steps if sessions.is_new(number, step)]
    assert len(set(found)) == len(found)
    last = -1
    for step in steps:
        if step > last:
            assert step in found
            last = step


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_no_packet_breaks_a_server(network, content, is_signed):
    server = served(network)
    session = greeted(server)
    for body in (content, b"RSs1" + content, b"RSs1" + content + session):
        server.reply(sign(KEY, body) if is_signed else body)
