"""Sessions on a stream: the recorded one, and ours with ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.sptps.vectors import (
    VECTORS,
    both_terms,
    offers,
    recorded_offers,
    terms,
)
from tincd_compat.crypto.sptps.handshake import HandshakeState
from tincd_compat.crypto.sptps.recordcipher import RecordCipher
from tincd_compat.crypto.sptps.records import LIMIT, WORN, SptpsRecord
from tincd_compat.crypto.sptps.stream import LONGEST, StreamSession
from tincd_compat.errors import PeerError

PLAYED = VECTORS["meta"]["records"]
records = st.lists(st.tuples(st.integers(0, 127), st.binary(max_size=300)), max_size=8)


def pair() -> tuple[StreamSession, StreamSession]:
    mine, his = both_terms()
    return StreamSession(mine, offers(b"own")), StreamSession(his, offers(b"peer"))


def deliver(sender: StreamSession, receiver: StreamSession) -> list[SptpsRecord]:
    receiver.feed(sender.take_output())
    return list(iter(receiver.next_record, None))


def ready() -> tuple[StreamSession, StreamSession]:
    own, peer = pair()
    own.begin()
    peer.begin()
    settle(own, peer)
    assert own.encrypted
    assert peer.encrypted
    return own, peer


def settle(own: StreamSession, peer: StreamSession) -> None:
    for _ in range(3):
        assert deliver(own, peer) == []
        assert deliver(peer, own) == []
    assert own.state is peer.state is HandshakeState.READY


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_the_recorded_connection(step: int) -> None:
    session = StreamSession(terms("meta"), recorded_offers("meta"))
    session.begin()
    said = b""
    for record in PLAYED:
        wire = bytes.fromhex(record["wire"])
        if record["dir"] == "out":
            if record["encrypted"]:
                session.send(record["type"], bytes.fromhex(record["data"]))
            said += session.take_output()
            assert said.startswith(wire)
            said = said[len(wire) :]
            continue
        got = []
        for start in range(0, len(wire), step):
            session.feed(wire[start : start + step])
            got += list(iter(session.next_record, None))
        said += session.take_output()
        data = bytes.fromhex(record["data"])
        assert got == ([(record["type"], data)] if record["encrypted"] else [])
    assert said == b""


@given(records, records, st.data())
def test_in_one_chunk_and_byte_by_byte(
    ours: list[tuple[int, bytes]],
    theirs: list[tuple[int, bytes]],
    data: st.DataObject,
) -> None:
    own, peer = pair()
    own.begin()
    peer.begin()
    for sender, receiver, sent in ((own, peer, ours), (peer, own, theirs)):
        settle(own, peer)
        for kind, text in sent:
            sender.send(kind, text)
        wire = sender.take_output()
        got = []
        while wire:
            size = data.draw(st.sampled_from([1, 3, 50, len(wire)]))
            receiver.feed(wire[:size])
            wire = wire[size:]
            got += list(iter(receiver.next_record, None))
        assert got == sent


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("both", [False, True])
def test_a_rekey_loses_nothing(side: int, both: bool) -> None:
    sessions = ready()
    one, other = sessions[side], sessions[1 - side]
    for _ in range(3):
        keys = one._outgoing, one._incoming
        one.begin()
        if both:
            other.begin()
        for _ in range(3):
            one.send(1, b"one")
            assert deliver(one, other) == [(1, b"one")]
            other.send(2, b"two")
            assert deliver(other, one) == [(2, b"two")]
        assert one.state is other.state is HandshakeState.READY
        assert one._outgoing is not keys[0]
        assert one._incoming is not keys[1]


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=40))
def test_raw_bytes_between_records(raw: bytes, text: bytes) -> None:
    own, peer = ready()
    own.send(0, b"21 %d\n" % len(raw))
    own.send_raw(raw)
    own.send(0, text)
    wire = own.take_output()
    peer.feed(wire[:-1])
    assert peer.next_record() == (0, b"21 %d\n" % len(raw))
    assert peer.take_raw(len(raw)) == raw
    assert peer.next_record() is None
    peer.feed(wire[-1:])
    assert peer.next_record() == (0, text)
    assert peer.take_raw(1) is None


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_changed_bytes_are_never_accepted(at: int, bit: int) -> None:
    own, peer = ready()
    own.send(0, b"line\n")
    wire = bytearray(own.take_output())
    wire[at % len(wire)] ^= 1 << bit
    peer.feed(bytes(wire))
    try:
        # A longer record is still to come, a shorter one is wrong.
        assert peer.next_record() is None
    except PeerError:
        assert peer.state is HandshakeState.READY


def test_records_out_of_order_are_not_accepted() -> None:
    own, peer = ready()
    own.send(0, b"first")
    own.take_output()
    own.send(0, b"second")
    with pytest.raises(PeerError, match="forged"):
        deliver(own, peer)


@pytest.mark.parametrize(
    "wire",
    [b"1 94 64", b"\0\0\x80", b"\0\x40\0" + bytes(64), b"\0\x41\x81" + bytes(65)],
)
def test_what_no_handshake_begins_with(wire: bytes) -> None:
    own, _peer = pair()
    own.begin()
    own.feed(wire)
    with pytest.raises(PeerError, match="plain SPTPS record"):
        own.next_record()


def test_kinds_above_the_handshakes() -> None:
    own, peer = ready()
    own._seal(129, b"")
    with pytest.raises(PeerError, match="kind 129"):
        deliver(own, peer)


def test_what_cannot_be_sent() -> None:
    own, _peer = pair()
    with pytest.raises(ValueError, match="no keys"):
        own.send(0, b"")
    own, peer = ready()
    for kind, size in ((128, 0), (-1, 0), (0, LONGEST + 1)):
        with pytest.raises(ValueError, match="no record"):
            own.send(kind, bytes(size))
    own.send(127, bytes(LONGEST))
    assert deliver(own, peer) == [(127, bytes(LONGEST))]


def test_many_records_are_read_from_one_buffer() -> None:
    own, peer = ready()
    for number in range(2000):
        own.send(0, b"%d" % number * 20)
    wire = own.take_output()
    got = []
    for start in range(0, len(wire), 90_001):
        peer.feed(wire[start : start + 90_001])
        got += list(iter(peer.next_record, None))
    assert got == [(0, b"%d" % number * 20) for number in range(2000)]
    assert peer._input == b""


def test_numbers_end_long_before_they_wrap() -> None:
    own, peer = ready()
    assert not own.worn
    own._sent = peer._received = LIMIT - 1
    assert own.worn
    assert peer.worn
    own.send(0, b"last")
    assert deliver(own, peer) == [(0, b"last")]
    with pytest.raises(PeerError, match="used up"):
        own.send(0, b"more")
    assert own.take_output() == b""
    peer.feed(bytes(100))
    with pytest.raises(PeerError, match="used up"):
        peer.next_record()
    own._sent = WORN
    assert own.worn


@pytest.mark.parametrize("plane", ["meta", "tunnel"])
def test_recorded_records_are_sealed_alike(plane: str) -> None:
    count = 0
    for record in VECTORS[plane]["records"]:
        if not record["encrypted"]:
            continue
        material = VECTORS[plane]["epochs"][record["epoch"]]["key_material"]
        to_initiator = record["dir"] == "in"
        key = material[:64] if to_initiator else material[128:192]
        cipher = RecordCipher(bytes.fromhex(key))
        text = bytes([record["type"]]) + bytes.fromhex(record["data"])
        body = bytes.fromhex(record["wire"])[2 if plane == "meta" else 4 :]
        assert cipher.seal(record["seq"], text) == body
        assert cipher.open(record["seq"], body) == text
        assert cipher.open(record["seq"] + 1, body) is None
        count += 1
    assert count == {"meta": 24, "tunnel": 25}[plane]


def test_the_small_vector_of_the_cipher() -> None:
    cipher = RecordCipher(bytes(range(32)))
    known = "4d99e0a35a2ed6ef35e27d25772db7270daeb1b6de45"
    assert cipher.seal(2, b"\0SPTPS").hex() == known
    assert cipher.open(2, bytes(15)) is None


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=1, max_size=200),
    st.integers(0),
)
def test_the_cipher_refuses_changed_bits(
    key: bytes, number: int, text: bytes, bit: int
) -> None:
    cipher = RecordCipher(key)
    body = bytearray(cipher.seal(number, text))
    assert cipher.open(number, bytes(body)) == text
    bit %= 8 * len(body)
    body[bit // 8] ^= 1 << bit % 8
    assert cipher.open(number, bytes(body)) is None
