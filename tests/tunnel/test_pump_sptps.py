"""The compiled pumps with sessions of SPTPS, beside the Python codec."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from tests.tunnel.pumping import datagram_socket, packet, received
from tests.tunnel.samples import DEFAULT, KEY
from tincd_compat._fast import core
from tincd_compat.crypto.sptps.derivation import node_id
from tincd_compat.crypto.sptps.records import HANDSHAKE
from tincd_compat.tunnel.codec import DROPS, Opener, _suite_for_core
from tincd_compat.tunnel.drops import Drop
from tincd_compat.tunnel.pure import PureSealer
from tincd_compat.tunnel.sptpspure import (
    COMPRESSED,
    PureSptpsOpener,
    PureSptpsSealer,
)
from tincd_compat.tunnel.tables import Service

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

TO_US, TO_PEER, NEW = (bytes([first]) * 32 for first in (1, 2, 3))
NAME = "peer"
#: In front of what comes straight from the peer, and of what goes straight to it.
FROM_PEER = bytes(6) + node_id(NAME)
FROM_US = bytes(6) + node_id("us")
RELAYED = node_id("us") + node_id("third")
PROBE = bytes(14) + bytes(20)
MACS = bytes.fromhex("020000000001 020000000002")


class Bench:
    """A pump between a device without a kernel and two sockets of loopback."""

    def __init__(self, switching: bool) -> None:
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
        self.ours, self.kernel = socket.socketpair(socket.AF_UNIX, kind)
        self.udp, self.far = datagram_socket(), datagram_socket()
        fd = self.ours.fileno()
        self.pump = core.Pump(fd, True, False, switching, False, False, True)
        self.sealer = core.SptpsSealer(TO_PEER, switching)
        self.opener = core.SptpsOpener(TO_US, switching, 16)
        # What the peer does.
        self.seals = PureSptpsSealer(TO_US, switching)
        self.opens = PureSptpsOpener(TO_PEER, switching, 16)

    def close(self) -> None:
        for sock in (self.ours, self.kernel, self.udp, self.far):
            sock.close()

    def set_peer(self, ids: bytes = FROM_US) -> None:
        """Let the peer own 10.0.2.1 and the MAC address of our packets."""
        self._set_peer(self.sealer, ids)

    def _set_peer(self, sealer: core.Sealer | core.SptpsSealer, ids: bytes) -> None:
        host, port = self.far.getsockname()
        place = self.udp.fileno(), host, port, 0, True, ""
        self.pump.set_peer(1, NAME, sealer, *place, ids)
        self.pump.set_way(1, 1, 1, 1518)
        for key in (bytes((10, 0, 2, 1)), MACS[:6]):
            self.pump.add_destination(key, 1)
        self.pump.add_station(MACS[6:])

    def set_legacy_peer(self) -> None:
        self._set_peer(core.Sealer(*_suite_for_core(DEFAULT), KEY), b"")

    def set_source(self, service: Service = Service.MOVE, node: int = 7) -> None:
        """Let the peer be at the far socket, and 10.0.1.1 be ours."""
        host, port = self.far.getsockname()
        args = self.opener, 0, host, port, 0, None, service
        assert self.pump.add_source(NAME, node, *args)
        for key in (bytes((10, 0, 1, 1)), MACS[6:]):
            self.pump.add_own(key)

    def give(self, *frames: bytes) -> list[bytes]:
        """Move frames of the device; return what has arrived."""
        for frame in frames:
            self.kernel.send(frame)
        assert self.pump.out(128) is None
        return received(self.far)

    def send(self, *datagrams: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return the datagrams and the frames that came back."""
        for datagram in datagrams:
            self.far.sendto(datagram, self.udp.getsockname())
        outcome = self.pump.receive(self.udp.fileno(), 0, 16, 4000)
        if outcome is None:
            return [], []
        assert all(node == NAME for node, _ in outcome[2])
        return [item[0] for item in outcome[1]], [frame for _, frame in outcome[2]]

    def written(self) -> list[bytes]:
        return received(self.kernel)

    def drops(self) -> dict[Drop | None, int]:
        counts = zip(DROPS, self.pump.drops, strict=False)
        return {reason: count for reason, count in counts if count}


@pytest.fixture(params=[False, True], ids=["router", "switch"])
def switching(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def bench(switching: bool) -> Iterator[Bench]:
    made = Bench(switching)
    yield made
    made.close()


def outgoing(number: int) -> bytes:
    return MACS + packet(number)[12:]


def incoming(number: int) -> bytes:
    return MACS[6:] + MACS[:6] + packet(number, "10.0.1.1", "10.0.2.1")[12:]


def without_macs(frame: bytes, switching: bool) -> bytes:
    return frame if switching else bytes(12) + frame[12:]


@pytest.mark.parametrize("ids", [FROM_US, RELAYED, b""], ids=["direct", "relay", "old"])
def test_frames_leave_as_records(bench: Bench, switching: bool, ids: bytes) -> None:
    bench.set_peer(ids)
    frames = [outgoing(number) for number in range(20)]
    arrived = bench.give(*frames)
    wanted = PureSptpsSealer(TO_PEER, switching).seal_train(frames, ids)
    assert arrived == wanted
    opened = bench.opens.open_train([data[len(ids) :] for data in arrived])
    assert [o.frame for o in opened] == [without_macs(f, switching) for f in frames]
    assert (bench.sealer.number, bench.sealer.packets_sealed) == (22, 20)
    assert bench.sealer.bytes_sealed == sum(map(len, frames))


def test_frames_of_all_lengths(bench: Bench, switching: bool) -> None:
    bench.set_peer()
    chance = random.Random(1)
    lengths = [*chance.sample(range(60), 20), 1300, 1440, 1441, 1442, 1443]
    frames = [outgoing(0) + chance.randbytes(length) for length in lengths]
    wanted = PureSptpsSealer(TO_PEER, switching).seal_train(frames, FROM_US)
    assert bench.give(*frames) == wanted


def test_records_arrive_as_frames(bench: Bench, switching: bool) -> None:
    bench.set_source()
    frames = [incoming(number) for number in range(20)]
    assert bench.send(*bench.seals.seal_train(frames, FROM_PEER)) == ([], [])
    assert bench.written() == [without_macs(frame, switching) for frame in frames]
    assert bench.opener.packets_opened == 20
    assert bench.opener.bytes_opened == sum(map(len, frames))
    assert bench.opener.heard == 4000


def test_what_is_not_plain_comes_back_opened(bench: Bench, switching: bool) -> None:
    bench.set_source()
    elsewhere = without_macs(bytes(12) + packet(1, "10.9.9.9")[12:], switching)
    train = bench.seals.seal_train([PROBE, elsewhere, incoming(1)], FROM_PEER)
    assert bench.send(*train) == ([], [PROBE, elsewhere])
    assert bench.written() == [without_macs(incoming(1), switching)]


def test_a_relayed_datagram_comes_back_as_it_is(bench: Bench) -> None:
    bench.set_source()
    train = bench.seals.seal_train([incoming(1)] * 2, RELAYED)
    assert bench.send(*train) == (train, [])
    # The author of what comes straight is who is there, whatever its ID says.
    (direct,) = bench.seals.seal_train([incoming(1)], bytes(6) + b"x" * 6)
    assert bench.send(direct) == ([], [])
    assert len(bench.written()) == 1


def test_strangers_datagrams_come_back_as_they_are(bench: Bench) -> None:
    bench.set_source()
    (genuine,) = bench.seals.seal_train([incoming(1)], FROM_PEER)
    forged = genuine[:-1] + bytes([genuine[-1] ^ 1])
    short = genuine[:11]
    assert bench.send(forged, short) == ([forged, short], [])
    assert bench.opener.heard == 0
    host, port = bench.far.getsockname()
    bench.pump.ignore_source(0, host, port, 0)
    assert bench.send(forged, short) == ([], [])
    assert bench.drops() == {Drop.UNAUTHENTICATED: 2}
    assert bench.send(genuine) == ([], [])
    assert len(bench.written()) == 1


def test_what_is_refused_is_counted(bench: Bench) -> None:
    bench.set_source()
    (one,) = bench.seals.seal_train([incoming(1)], FROM_PEER)
    odd = [
        bench.seals.seal(kind, b"some data", FROM_PEER)
        for kind in (COMPRESSED, HANDSHAKE, 127)
    ]
    bench.seals.number += 1000
    (far,) = bench.seals.seal_train([incoming(1)], FROM_PEER)
    wire = [one, one, one[:32], far, *(data for data in odd if data)]
    assert bench.send(*wire) == ([], [])
    assert bench.drops() == {
        Drop.LATE: 1,
        Drop.TOO_SHORT: 1,
        Drop.FUTURE: 1,
        Drop.UNDECRYPTABLE: 3,
    }
    assert len(bench.written()) == 1


def test_service(bench: Bench, switching: bool) -> None:
    bench.set_source(Service.TEST)
    train = bench.seals.seal_train([incoming(1), PROBE], FROM_PEER)
    record = bench.seals.seal(COMPRESSED, b"data", FROM_PEER)
    assert record is not None
    wire = [*train, record]
    assert bench.send(*wire) == (wire, [])
    assert bench.opener.highest == 1
    bench.set_source(Service.UNSEAL)
    frames = [without_macs(incoming(1), switching), PROBE]
    assert bench.send(*train) == ([], frames)
    assert bench.written() == []


def test_a_rekey_needs_no_word_to_the_pumps(bench: Bench) -> None:
    bench.set_peer()
    bench.set_source()
    old = bench.seals.seal_train([incoming(1)] * 3, FROM_PEER)
    bench.seals.rekey(NEW)
    new = bench.seals.seal_train([incoming(2)] * 2, FROM_PEER)
    bench.opener.expect(NEW)
    assert bench.send(old[0], new[0], old[1]) == ([], [])
    bench.opener.change()
    assert bench.send(new[1], old[2]) == ([old[2]], [])
    assert len(bench.written()) == 4
    first = bench.give(outgoing(1))
    bench.sealer.rekey(NEW)
    bench.opens.expect(NEW)
    both = first + bench.give(outgoing(2))
    opened = bench.opens.open_train([data[12:] for data in both])
    assert [(o.drop, o.seqno) for o in opened] == [(None, 2), (None, 3)]


def test_frames_are_passed_on_between_both_worlds(
    bench: Bench, switching: bool
) -> None:
    frame = MACS + packet(1)[12:]
    bench.set_source()
    bench.set_legacy_peer()
    assert bench.send(*bench.seals.seal_train([frame], FROM_PEER)) == ([], [])
    (opened,) = Opener(DEFAULT, KEY).open_train(received(bench.far))
    assert opened.frame == without_macs(frame, switching)
    # And back again.
    host, port = bench.far.getsockname()
    opener = core.Opener(*_suite_for_core(DEFAULT), KEY, 16)
    bench.pump.add_source(NAME, 8, opener, 0, host, port, 0)
    bench.set_peer()
    assert bench.send(*PureSealer(DEFAULT, KEY).seal_train([frame])) == ([], [])
    (record,) = bench.opens.open_train([d[12:] for d in received(bench.far)])
    assert record.frame == without_macs(frame, switching)


def test_a_peer_that_is_forgotten_gets_nothing(bench: Bench) -> None:
    bench.set_peer()
    assert len(bench.give(outgoing(1))) == 1
    bench.pump.forget_peer(1)
    bench.kernel.send(outgoing(2))
    outcome = bench.pump.out(128)
    assert outcome is not None
    assert outcome[0] == [bytearray(outgoing(2))]


def test_nonsense_is_refused(bench: Bench) -> None:
    host, port = bench.far.getsockname()
    place = bench.udp.fileno(), host, port, 0, True, ""
    legacy = core.Sealer(*_suite_for_core(DEFAULT), KEY)
    for sealer, ids in ((bench.sealer, FROM_US[1:]), (legacy, FROM_US)):
        with pytest.raises(ValueError, match="12 bytes"):
            bench.pump.set_peer(1, NAME, sealer, *place, ids)
    with pytest.raises(TypeError, match="sealer"):
        bench.pump.set_peer(1, NAME, bench.opener, *place)  # type: ignore[arg-type]
    other = core.Opener(*_suite_for_core(DEFAULT), KEY, 16)
    with pytest.raises(ValueError, match="one opener"):
        bench.pump.add_source(NAME, 7, bench.opener, 0, host, port, 0, other)
    with pytest.raises(TypeError, match="opener"):
        bench.pump.add_source(NAME, 7, bench.sealer, 0, host, port, 0)  # type: ignore[arg-type]
