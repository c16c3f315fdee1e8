"""Links of protocol 17.7: two connections of ours, and what breaks their records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.meta.scripted import OUR_KEY, PEER_KEY, Counter, FakeKey, take_events
from tincd_compat.crypto.sptps.edwards import SigningKey
from tincd_compat.errors import Fault, PeerError
from tincd_compat.meta.connection import MetaConnection, Role
from tincd_compat.meta.events import (
    Activated,
    DecryptNeeded,
    Event,
    KeysExchanged,
    PacketsReceived,
    Received,
)
from tincd_compat.meta.identity import Identity, PeerIdentity
from tincd_compat.meta.messages import KeyChanged, Ping, Pong
from tincd_compat.meta.negotiation import MetaProtocol
from tincd_compat.meta.sptps import Sptps

RANDOM = Counter()
KEYS = {name: SigningKey.generate(RANDOM) for name in "ab"}
RSA: dict[str, FakeKey] = {"a": OUR_KEY, "b": PEER_KEY}
ALL = 1 << 20


class Side:
    """One of both ends: its connection, and everything that happened at it."""

    def __init__(
        self, name: str, role: Role, *, key: bool = True, knows: bool = True
    ) -> None:
        peer = "b" if name == "a" else "a"
        sptps = Sptps(name, KEYS[name], RANDOM) if key else None
        identity = Identity(name, RSA[name], "655", 429, 0xC, sptps)
        known = PeerIdentity(RSA[peer], 10, 0xC)
        if knows and key:
            known = replace(known, ed25519=KEYS[peer].public)
        self.connection = MetaConnection(
            role,
            identity,
            lambda _: known,
            now=0.0,
            random_bytes=RANDOM,
            peer_name=peer if role is Role.INITIATOR else None,
            hostname="192.0.2.1 port 655",
        )
        self.name = name
        self.events: list[Event] = []
        self.wire = b""

    def hear(self, data: bytes) -> None:
        self.connection.receive_data(data)
        while self.connection.process(0.0):
            self.take()
        self.take()

    def take(self) -> None:
        for event in take_events(self.connection):
            self.events.append(event)
            if isinstance(event, DecryptNeeded):
                block = RSA[self.name].decrypt(event.ciphertext)
                self.connection.decrypted(block, 0.0)

    def say(self, limit: int = ALL) -> bytes:
        data = self.connection.data_to_send(limit)
        self.wire += data
        return data

    def received(self) -> list[Event]:
        """Take what came over the link once it was active, packets in one piece."""
        events: list[Event] = []
        for event in self.events:
            last = events[-1] if events else None
            if isinstance(event, PacketsReceived) and isinstance(last, PacketsReceived):
                last.frames.extend(event.frames)
            else:
                events.append(event)
        self.events.clear()
        return events


def talk(a: Side, b: Side, *, piece: int = ALL) -> None:
    """Carry bytes both ways until nothing is left."""
    moved = True
    while moved:
        moved = False
        for source, target in ((a, b), (b, a)):
            data = source.say()
            for start in range(0, len(data), piece):
                target.hear(data[start : start + piece])
            moved = moved or bool(data)


def linked(piece: int = ALL) -> tuple[Side, Side]:
    a, b = Side("a", Role.INITIATOR), Side("b", Role.RESPONDER)
    a.connection.start()
    talk(a, b, piece=piece)
    return a, b


@pytest.mark.parametrize("piece", [ALL, 1, 7])
def test_a_link_of_17_7(piece: int) -> None:
    a, b = linked(piece)
    assert (a.wire[:9], b.wire[:9]) == (b"0 a 17.7\n", b"0 b 17.7\n")
    # KEX of the length that no line of 17.0 has, in the clear.
    assert (a.wire[9:13], b.wire[9:13]) == (b"\x00\x41\x80\x00",) * 2
    for side in (a, b):
        assert side.connection.active
        assert side.connection.ciphers == (*["chacha20-poly1305"] * 2, None)
        assert side.connection.protocol is MetaProtocol.SPTPS
        (event,) = side.events
        assert isinstance(event, Activated)
        assert (event.port, event.options) == ("655", 0xC)
        assert b"4 655" not in side.wire


def test_lines_and_packets_in_both_directions() -> None:
    a, b = linked()
    for side in (a, b):
        side.events.clear()
    frames = [bytes([n]) * (40 + n) + b"\n" for n in range(3)]
    a.connection.send_line(b"14 1 a")
    a.connection.send_packets([frames[0]])
    a.connection.send_packets([bytearray(frames[1]), frames[2]])
    a.connection.ping(0.0)
    b.connection.send_line(b"14 2 b")
    talk(a, b, piece=5)
    assert b.received() == [
        Received(KeyChanged(1, "a"), b"14 1 a"),
        PacketsReceived(frames),
        Received(Ping(), b"8"),
    ]
    assert a.received() == [
        Received(KeyChanged(2, "b"), b"14 2 b"),
        Received(Pong(), b"9"),
    ]


def test_a_dump_is_made_of_records() -> None:
    a, b = linked()
    b.events.clear()
    a.connection.send_dump(KeyChanged(n, "a") for n in range(1000))
    a.connection.send_packets([b"frame behind the dump"])
    a.connection.send_line(b"14 fff a")
    talk(a, b)
    *dumped, packet, last = b.received()
    assert [e.message for e in dumped if isinstance(e, Received)] == [
        KeyChanged(n, "a") for n in range(1000)
    ]
    assert packet == PacketsReceived([b"frame behind the dump"])
    assert last == Received(KeyChanged(0xFFF, "a"), b"14 fff a")


def test_of_two_lines_in_a_record_the_first_counts() -> None:
    a, b = linked()
    b.events.clear()
    a.connection.send_line(b"14 1 a\n14 2 a")
    talk(a, b)
    assert b.received() == [Received(KeyChanged(1, "a"), b"14 1 a")]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ([b""], "Bogus data"),
        ([b"17 5", b"three"], "its record has another length"),
        ([b"x" * 2200], "Metadata read buffer overflow"),
        ([b"0 a 17.7"], "Unauthorized request"),
    ],
)
def test_records_that_end_a_link(said: list[bytes], complaint: str) -> None:
    a, b = linked()
    session = a.connection._stream
    for line in said:
        session.send_line(line)
    with pytest.raises(PeerError, match=complaint):
        talk(a, b)
    b.hear(b"anything more")
    assert b.say() == b""


@given(st.data())
@settings(max_examples=60)
def test_a_changed_byte_ends_the_link_and_nothing_wrong_gets_in(
    data: st.DataObject,
) -> None:
    a, b = linked()
    b.events.clear()
    lines = [b"14 %x a" % number for number in range(5)]
    for line in lines:
        a.connection.send_line(line)
    wire = bytearray(a.say())
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    try:
        b.hear(bytes(wire))
    except PeerError:
        b.take()
    got = [e.line for e in b.events if isinstance(e, Received)]
    # A length that has become larger waits for more, and gets no further.
    assert got == lines[: len(got)]
    assert len(got) < len(lines)


def test_who_does_not_own_the_key_is_not_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KEYS, "a", SigningKey.generate(RANDOM))
    b = Side("b", Role.RESPONDER)
    monkeypatch.setitem(KEYS, "a", SigningKey.generate(RANDOM))
    a = Side("a", Role.INITIATOR)
    a.connection.start()
    with pytest.raises(PeerError, match="a wrong SPTPS signature") as caught:
        talk(a, b)
    assert caught.value.fault is Fault.WRONG_KEY
    assert not b.connection.active


def test_a_peer_that_lacks_our_key_answers_with_metakey() -> None:
    a = Side("a", Role.INITIATOR)
    a.connection.start()
    a.say()
    with pytest.raises(PeerError, match="does not know our Ed25519 key"):
        a.hear(b"0 b 17.7\n1 429 672 0 0 AB")


@pytest.mark.parametrize("piece", [1, ALL])
def test_a_link_without_keys_is_that_of_tinc_10(piece: int) -> None:
    a = Side("a", Role.INITIATOR, key=False)
    b = Side("b", Role.RESPONDER, key=False)
    a.connection.start()
    talk(a, b, piece=piece)
    assert (a.wire[:7], b.wire[:9]) == (b"0 a 17\n", b"0 b 17\n1 ")
    assert a.connection.active
    assert b.connection.active


@pytest.mark.parametrize("knows", [(False, False), (False, True)])
def test_keys_are_exchanged_once(knows: tuple[bool, bool]) -> None:
    a = Side("a", Role.INITIATOR, knows=knows[0])
    b = Side("b", Role.RESPONDER, knows=knows[1])
    a.connection.start()
    talk(a, b)
    assert a.wire.startswith(b"0 a 17.1\n1 ")
    assert b.wire.startswith(b"0 b 17.7\n1 ")
    found = {
        side.name: [e.key for e in side.events if isinstance(e, KeysExchanged)]
        for side in (a, b)
    }
    texts = {name: Sptps(name, key, RANDOM).public_text for name, key in KEYS.items()}
    assert found == {"a": [texts["b"]], "b": [None if knows[1] else texts["a"]]}
    assert not a.connection.active
    assert not b.connection.active


def test_another_key_than_the_known_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    b = Side("b", Role.RESPONDER)
    monkeypatch.setitem(KEYS, "a", SigningKey.generate(RANDOM))
    a = Side("a", Role.INITIATOR, knows=False)
    a.connection.start()
    with pytest.raises(PeerError, match="another Ed25519 key than hosts/a says"):
        talk(a, b)
