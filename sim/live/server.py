"""Packets in, answers out: all of the protocol of `docs/streaming.md` but the socket."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from base.errors import DataError, RangeError
from sim.live.ordered import OrderedDecoder
from sim.live.packets import Spikes, decode_spikes, encode_velocity
from sim.live.signed import (
    HELLO,
    KEY_BYTES,
    SESSION_BYTES,
    WELCOME,
    Sessions,
    sign,
    signed_content,
)
from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Reply:
    """A packet for the sender; `is_step`: it holds decoded values, and is no welcome."""

    packet: bytes
    is_step: bool


class PacketServer:
    """Answers packets of one stream; every packet that gets no answer is counted by its reason.

    Attributes:
        tally: the counts. The sender of a reply adds the step and its latency.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        key: bytes | None = None,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Wait for the first packet.

        Args:
            network: the network.
            key: only packets signed with it are taken, and answers are signed; None: none is.
            draw: returns as many random bytes as it is asked for, for numbers of sessions.

        Raises:
            RangeError: the key is too short.
        """
        if key is not None and len(key) < KEY_BYTES:
            raise RangeError(f"`key` has {len(key)} bytes; at least {KEY_BYTES} are needed")
        self._key = key
        self._n_inputs = network.n_inputs
        self._decoder = OrderedDecoder(network, trusted=key is not None)
        self._sessions = Sessions(draw)
        self.tally = self._decoder.tally

    def reply(self, packet: bytes) -> Reply | None:
        """The answer to a packet; None if it gets none, which is counted."""
        if self._key is not None:
            return self._signed_reply(self._key, packet)
        spikes = self._read(packet)
        answer = None if spikes is None else self._decoded(spikes)
        return None if answer is None else Reply(answer, True)

    def _signed_reply(self, key: bytes, packet: bytes) -> Reply | None:
        content = signed_content(key, packet)
        if content is None:
            self.tally.unsigned += 1
            return None
        body, number = content[:-SESSION_BYTES], content[-SESSION_BYTES:]
        if body == HELLO:  # and a random number of the client, which shows it that we answer now
            return Reply(sign(key, WELCOME + number + self._sessions.following), False)
        spikes = self._read(body)
        if spikes is None:
            return None
        if self._sessions.begin(number):
            self._decoder.restart()
        if not self._sessions.is_new(number, spikes.step):
            self.tally.replayed += 1
            return None
        answer = self._decoded(spikes)
        return None if answer is None else Reply(sign(key, answer + number), True)

    def _read(self, body: bytes) -> Spikes | None:
        try:
            return decode_spikes(body, self._n_inputs)
        except DataError:
            self.tally.malformed += 1
            return None

    def _decoded(self, spikes: Spikes) -> bytes | None:
        values = self._decoder.step(spikes.step, spikes.events)
        return None if values is None else encode_velocity(spikes.step, values)
