"""A peer that says what a test tells it to, in step with a real MetaConnection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import count
from typing import Final

from tincd_compat.crypto.streamciphers import CIPHERS
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import (
    DecryptNeeded,
    Event,
    Identity,
    MetaConnection,
    PeerIdentity,
    Role,
)
from tincd_compat.meta.steps import State
from tincd_compat.meta.stream import MetaStream

HOSTNAME: Final = "192.0.2.7 port 655"
#: How the peer is called in the log once its name is known.
PEER: Final = f"peer ({HOSTNAME})"


@dataclass(frozen=True)
class FakeKey:
    """Looks like RSA from outside: a block goes in and another one comes out."""

    size: int = 64

    @property
    def bits(self) -> int:
        return self.size * 8

    def encrypt(self, block: bytes) -> bytes:
        return bytes(byte ^ 0x5A for byte in block)

    def decrypt(self, block: bytes) -> bytes:
        return self.encrypt(block)


class Counter:
    """A source of bytes that never repeats a block."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, length: int) -> bytes:
        seed = next(self._numbers).to_bytes(4, "big")
        return hashlib.shake_128(seed).digest(length)


#: Keys of different lengths, so that a mix-up of the two cannot go unnoticed.
OUR_KEY: Final = FakeKey(72)
PEER_KEY: Final = FakeKey(96)
US: Final = Identity("us", OUR_KEY, "655", 429, options=0xC)


def find_peer(name: str) -> PeerIdentity:
    """Know ``peer`` and nobody else."""
    if name != "peer":
        raise KeyError(name)
    return PeerIdentity(PEER_KEY, 10, 0xC)


def connection(
    role: Role,
    *,
    now: float = 0.0,
    bypass_security: bool = False,
    proxied: bool = False,
) -> MetaConnection:
    """Return a connection of node ``us`` with node ``peer``."""
    return MetaConnection(
        role,
        US,
        find_peer,
        now=now,
        random_bytes=Counter(),
        peer_name="peer" if role is Role.INITIATOR else None,
        hostname=HOSTNAME,
        proxied=proxied,
        bypass_security=bypass_security,
    )


def take_events(subject: MetaConnection) -> list[Event]:
    """Take all events there are."""
    events = []
    while (event := subject.next_event()) is not None:
        events.append(event)
    return events


def hear(subject: MetaConnection, data: bytes, now: float = 0.0) -> None:
    """Let bytes arrive and be looked at; PeerError as ``subject`` raises it."""
    subject.receive_data(data)
    while subject.process(now):
        pass


class ScriptedPeer:
    """The other side of ``subject``: ``say`` speaks, ``heard`` is what came back."""

    #: What a state waits for, in the order of the handshake.
    ORDER: Final = (
        State.ID,
        State.METAKEY,
        State.DECRYPTION,
        State.CHALLENGE,
        State.CHAL_REPLY,
        State.ACK,
        State.ACTIVE,
    )

    def __init__(
        self,
        role: Role,
        *,
        cipher: int = 429,
        digest: tuple[int, str] = (672, "sha256"),
        subject: MetaConnection | None = None,
    ) -> None:
        self.subject = subject if subject is not None else connection(role)
        self.heard: list[bytes] = []
        self.events: list[Event] = []
        self._role = role
        self._cipher = cipher
        self._digest = digest
        self._stream = MetaStream()
        self._block = Counter()(OUR_KEY.size)

    def reach(self, state: State) -> ScriptedPeer:
        """Go through the handshake properly until ``subject`` is in that state."""
        if state is State.START:
            return self
        if self._role is Role.INITIATOR:
            self.subject.start()
            self._listen()
        for passed in self.ORDER[: self.ORDER.index(state)]:
            self._pass(passed)
        return self

    def _pass(self, state: State) -> None:
        if state is State.DECRYPTION:
            self.answer()
            return
        self.say(self.proper_line(state))
        if state is State.METAKEY:
            self.encrypt()

    def proper_line(self, state: State) -> bytes:
        """Return what ``subject`` should hear next."""
        match state:
            case State.ID:
                return b"0 peer 17"
            case State.METAKEY:
                return self.metakey()
            case State.CHALLENGE:
                return b"2 " + b"C5" * OUR_KEY.size
            case State.CHAL_REPLY:
                return b"3 " + hashlib.sha256(self.challenge()).hexdigest().encode()
            case _:
                return b"4 655 64 c"

    def metakey(self, prefix: str | None = None, key: str | None = None) -> bytes:
        prefix = prefix or f"{self._cipher} {self._digest[0]} 0 0"
        key = key or OUR_KEY.encrypt(self._block).hex()
        return f"1 {prefix} {key}".encode()

    def challenge(self) -> bytes:
        """Return the challenge that ``subject`` has sent."""
        (line,) = (line for line in self.heard if line.startswith(b"2 "))
        return bytes.fromhex(line[2:].decode())

    def encrypt(self) -> None:
        """Encrypt what is said from now on."""
        self._stream.start_encryption(CIPHERS[self._cipher].encryptor(self._block))

    def answer(self, now: float = 0.0) -> None:
        """Do the private-key operation that ``subject`` asked for."""
        needed = self.events.pop()
        assert isinstance(needed, DecryptNeeded)
        self.subject.decrypted(OUR_KEY.decrypt(needed.ciphertext), now)
        try:
            hear(self.subject, b"", now)
        finally:
            self._listen()

    def say(self, line: bytes, now: float = 0.0) -> None:
        self.say_raw(line + b"\n", now)

    def say_raw(self, data: bytes, now: float = 0.0) -> None:
        """Send bytes; PeerError as ``subject`` raises it."""
        self._stream.send(data)
        try:
            hear(self.subject, self._stream.data_to_send(), now)
        finally:
            self._listen()

    def complaint(self, line: bytes) -> list[str]:
        """Say something unwelcome and return the log lines about it."""
        return self.complaint_raw(line + b"\n")

    def complaint_raw(self, data: bytes) -> list[str]:
        try:
            self.say_raw(data)
        except PeerError as error:
            return error.text(self.subject.peer).splitlines()
        return []

    def _listen(self) -> None:
        self.events += take_events(self.subject)
        self._stream.receive_data(self.subject.data_to_send())
        while (line := self._stream.next_line()) is not None:
            self.heard.append(line)
            if line.startswith(b"1 "):
                self._decrypt(line)

    def _decrypt(self, line: bytes) -> None:
        _, cipher, _, _, _, key = line.split()
        block = PEER_KEY.decrypt(bytes.fromhex(key.decode()))
        self._stream.start_decryption(CIPHERS[int(cipher)].decryptor(block))


def active(role: Role = Role.RESPONDER) -> ScriptedPeer:
    peer = ScriptedPeer(role).reach(State.ACTIVE)
    peer.heard.clear()
    peer.events.clear()
    return peer


def numbers(lines: list[bytes]) -> list[int]:
    """Return the request of each line."""
    return [int(line.split()[0]) for line in lines]
