"""Sessions in datagrams: the recorded one, and ours with ours over bad networks."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.sptps.ends import ENDS, incoming, opener_of, sealer_of
from tests.crypto.sptps.vectors import (
    VECTORS,
    both_terms,
    offers,
    recorded_offers,
    terms,
)
from tincd_compat.crypto.sptps import digits
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.derivation import DIRECT, NODE_ID_SIZE, node_id
from tincd_compat.crypto.sptps.handshake import HandshakeState
from tincd_compat.crypto.sptps.records import LIMIT, WORN
from tincd_compat.errors import PeerError

PLAYED = VECTORS["tunnel"]["records"]
READY = HandshakeState.READY


def pair() -> tuple[DatagramSession, DatagramSession]:
    mine, his = both_terms()
    own = DatagramSession(mine, offers(b"own"), ENDS)
    return own, DatagramSession(his, offers(b"peer"), ENDS)


def settle(
    one: DatagramSession, other: DatagramSession, records: tuple[bytes, ...]
) -> None:
    """Pass handshake records to and fro; ``records`` are those of ``one``."""
    while records:
        replies = [other.receive(r, over_tcp=True).replies for r in records]
        one, other, records = other, one, tuple(sum(replies, ()))


def ready() -> tuple[DatagramSession, DatagramSession]:
    own, peer = pair()
    kex = own.begin()
    settle(peer, own, peer.begin() + peer.receive(kex[0], over_tcp=True).replies)
    assert own.state is peer.state is READY
    return own, peer


def snapshot(session: DatagramSession) -> object:
    """Return all that a session remembers, but for strays."""
    own = vars(session).copy()
    handshake = vars(own.pop("_handshake")).copy()
    ends: list[object] = []
    if session.opener is not None:
        opener = vars(opener_of(session)).copy()
        window = opener.pop("_window")
        ends = [window.highest, bytes(window._missing), [*opener["_ciphers"]]]
        ends += [opener, vars(sealer_of(session)).copy()]
    return own, handshake, ends


@pytest.mark.parametrize("over_tcp", [False, True])
def test_the_recorded_session(over_tcp: bool) -> None:
    session = DatagramSession(terms("tunnel"), recorded_offers("tunnel"), ENDS)
    said = list(session.begin())
    for record in PLAYED:
        wire = bytes.fromhex(record["wire"])
        data = bytes.fromhex(record["data"])
        handshake = record["type"] == 128
        if record["dir"] == "in":
            delivery = session.receive(wire, over_tcp=over_tcp or handshake)
            said += delivery.replies
            assert delivery.record == (None if handshake else (record["type"], data))
        elif handshake:
            if not said:
                said += session.begin()
            assert said.pop(0) == wire
        else:
            assert session.seal(record["type"], data) == wire
    assert said == []
    assert session.state is READY


def test_recorded_lines_carry_the_recorded_records() -> None:
    wires = {record["wire"] for record in PLAYED}
    for line in VECTORS["tunnel"]["lines"]:
        request, *_names, text = line.split()[: 5 if line.startswith("15") else 4]
        text = text if request == "16" else line.split()[4]
        record = digits.decode(text)
        assert record.hex() in wires
        assert digits.encode(record) == text


def test_recorded_datagrams_have_the_ids_of_nodes_in_front() -> None:
    wires = {record["wire"] for record in PLAYED}
    for text in VECTORS["tunnel"]["udp_in"]:
        datagram = bytes.fromhex(text)
        assert datagram[:NODE_ID_SIZE] == DIRECT
        assert datagram[NODE_ID_SIZE : 2 * NODE_ID_SIZE] == node_id("alpha")
        assert datagram[2 * NODE_ID_SIZE :].hex() in wires


@given(st.data())
def test_nothing_arrives_twice_or_changed(data: st.DataObject) -> None:
    own, peer = ready()
    sent = [(n % 128, b"%d" % n) for n in range(data.draw(st.integers(1, 40)))]
    wires = [own.seal(kind, text) for kind, text in sent]
    arriving = data.draw(st.lists(st.sampled_from(range(len(wires))), max_size=120))
    got: Counter[tuple[int, bytes]] = Counter()
    for index in arriving:
        before = snapshot(peer)
        wire = bytearray(wires[index])
        damaged = data.draw(st.sampled_from([False, False, True]))
        if damaged:
            bit = data.draw(st.integers(0, 8 * len(wire) - 1))
            wire[bit // 8] ^= 1 << bit % 8
        try:
            record = peer.receive(bytes(wire), over_tcp=False).record
        except PeerError:
            assert snapshot(peer) == before
            continue
        assert not damaged
        assert record == sent[index]
        got[record] += 1
    assert all(count == 1 for count in got.values())


@given(st.data())
def test_a_rekey_loses_nothing(data: st.DataObject) -> None:
    """TCP and UDP keep their order each, and either may be faster than the other."""
    parties = ready()
    first = [sealer_of(party)._cipher for party in parties]
    begun = [False, False]
    tcp: tuple[list[bytes], list[bytes]] = ([], [])
    udp: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = ([], [])
    steps = st.sampled_from(["data", "udp", "tcp", "tcp", "begin"])
    for number in range(data.draw(st.integers(10, 60))):
        side = data.draw(st.integers(0, 1))
        party = parties[side]
        step = data.draw(steps)
        if step == "begin" and party.state is READY and not begun[side]:
            # Once, from one side or from both at the same time.
            if sealer_of(party)._cipher is first[side]:
                begun[side] = True
                tcp[side].extend(party.begin())
        elif step == "data":
            text = b"%d" % number
            udp[side].append((party.seal(0, text), text))
        elif step == "udp" and udp[1 - side]:
            wire, text = udp[1 - side].pop(0)
            assert party.receive(wire, over_tcp=False).record == (0, text)
        elif step == "tcp" and tcp[1 - side]:
            wire = tcp[1 - side].pop(0)
            tcp[side].extend(party.receive(wire, over_tcp=True).replies)
    while any(tcp):
        for side in (0, 1):
            if tcp[1 - side]:
                wire = tcp[1 - side].pop(0)
                tcp[side].extend(parties[side].receive(wire, over_tcp=True).replies)
    assert parties[0].state is parties[1].state is READY
    for side in (0, 1):
        for wire, text in udp[side]:
            assert parties[1 - side].receive(wire, over_tcp=False).record == (0, text)
        one, other = parties[side], parties[1 - side]
        assert other.receive(one.seal(0, b"end"), over_tcp=False).record == (0, b"end")
        assert incoming(other) == 1


@pytest.mark.parametrize("before_ack", [False, True])
def test_data_under_the_new_key_overtakes_the_ack(before_ack: bool) -> None:
    own, peer = ready()
    old = own.seal(0, b"old")
    older = own.seal(0, b"older")
    # KEX, KEX and SIG, SIG and ACK.
    (kex,) = own.begin()
    (peer_kex,) = peer.receive(kex, over_tcp=True).replies
    (sig,) = own.receive(peer_kex, over_tcp=True).replies
    peer_sig, peer_ack = peer.receive(sig, over_tcp=True).replies
    (ack,) = own.receive(peer_sig, over_tcp=True).replies
    new = own.seal(0, b"new")
    assert incoming(peer) == 2
    if before_ack:
        assert peer.receive(new, over_tcp=False).record == (0, b"new")
    assert peer.receive(old, over_tcp=False).record == (0, b"old")
    peer.receive(ack, over_tcp=True)
    own.receive(peer_ack, over_tcp=True)
    assert peer.state is own.state is READY
    assert peer.receive(older, over_tcp=False).record == (0, b"older")
    if not before_ack:
        assert peer.receive(new, over_tcp=False).record == (0, b"new")
    last = own.seal(0, b"last")
    assert peer.receive(last, over_tcp=False).record == (0, b"last")
    assert incoming(peer) == 1


@pytest.mark.parametrize("overtaken", [1, 127, 128, 129, 1000])
def test_handshake_records_that_data_overtakes(overtaken: int) -> None:
    own, peer = ready()
    (kex,) = own.begin()
    for _ in range(overtaken):
        peer.receive(own.seal(0, b""), over_tcp=False)
    before = snapshot(peer)
    if overtaken > 127:
        with pytest.raises(PeerError, match="late"):
            peer.receive(kex, over_tcp=False)
        assert snapshot(peer) == before
    replies = peer.receive(kex, over_tcp=True).replies
    for over_tcp in (False, True):
        with pytest.raises(PeerError, match="replayed"):
            peer.receive(kex, over_tcp=over_tcp)
    settle(peer, own, replies)
    assert own.state is peer.state is READY


def test_handshake_records_ahead_of_the_window() -> None:
    own, peer = ready()
    lost = [own.seal(0, b"") for _ in range(500)]
    settle(own, peer, own.begin())
    assert own.state is peer.state is READY
    # They have not moved the window, so what UDP still has is good.
    assert peer.receive(lost[0], over_tcp=False).record == (0, b"")


def test_data_over_tcp_has_no_such_right() -> None:
    own, peer = ready()
    late = own.seal(0, b"")
    for _ in range(200):
        peer.receive(own.seal(0, b""), over_tcp=True)
    with pytest.raises(PeerError, match="late"):
        peer.receive(late, over_tcp=True)


def test_before_keys_only_the_next_record_over_tcp() -> None:
    own, peer = pair()
    (kex,) = own.begin()
    peer.begin()
    before = snapshot(peer)
    for wire, over_tcp in (
        (kex, False),
        (b"", True),
        (kex[:4], True),
        (b"\0\0\0\1" + kex[4:], True),
        (b"\0\0\0\0\0" + kex[5:], True),
        (kex[:-1], True),
        (kex[:5] + b"\1" + kex[6:], True),
    ):
        with pytest.raises(PeerError):
            peer.receive(wire, over_tcp=over_tcp)
        assert snapshot(peer) == before
    peer.receive(kex, over_tcp=True)
    with pytest.raises(PeerError):
        peer.receive(kex, over_tcp=True)


def _sealed(session: DatagramSession, kind: int, data: bytes) -> bytes:
    datagram = sealer_of(session).seal(kind, data)
    assert datagram is not None
    return datagram


def test_junk() -> None:
    own, peer = ready()
    before = snapshot(peer)
    for size in range(80):
        with pytest.raises(PeerError):
            peer.receive(b"\0" * size, over_tcp=True)
    assert snapshot(peer) == before
    with pytest.raises(PeerError, match="kind 129"):
        peer.receive(_sealed(own, 129, b""), over_tcp=True)
    with pytest.raises(PeerError, match="record of 3 bytes"):
        peer.receive(_sealed(own, 128, b"abc"), over_tcp=True)
    assert peer.state is READY


def test_what_cannot_be_sealed() -> None:
    own, _peer = pair()
    with pytest.raises(ValueError, match="no keys"):
        own.seal(0, b"")
    own, _peer = ready()
    for kind in (-1, 128, 255):
        with pytest.raises(ValueError, match="no such records"):
            own.seal(kind, b"")


def test_numbers_end_long_before_they_wrap() -> None:
    own, peer = ready()
    sealer_of(own).number = WORN
    assert own.worn
    assert not peer.worn
    sealer_of(own).number = LIMIT - 1
    last = own.seal(0, b"")
    with pytest.raises(PeerError, match="used up"):
        own.seal(0, b"")
    with pytest.raises(PeerError, match="far ahead"):
        peer.receive(last, over_tcp=False)
    with pytest.raises(PeerError, match="forged"):
        peer.receive(LIMIT.to_bytes(4) + last[4:], over_tcp=False)
    opener_of(peer)._window.highest = WORN
    assert peer.worn
