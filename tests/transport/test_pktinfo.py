"""Which of our addresses a datagram was for, and what is said of answers from there."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from tests.transport.datagrams import FakeSocket, make
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.pktinfo import MAX_SOURCES, SourceAddresses
from tincd_compat.transport.udp import UdpSockets
from tincd_compat.transport.udp_options import IP_PKTINFO, IPV6_PKTINFO

FIRST, SECOND = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
PEER = SocketAddress("10.0.0.2", 655, local="192.0.2.2")
PEER6 = SocketAddress("fd00::2", 655, local="fd00::9")
FROM_SECOND = (socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + SECOND + bytes(4))
FROM_NINTH = (
    *(socket.IPPROTO_IPV6, IPV6_PKTINFO),
    socket.inet_pton(socket.AF_INET6, "fd00::9") + bytes(4),
)


def first(_remote: bytes) -> bytes:
    """The choice of a routing table that knows one address."""
    return FIRST


def spoken(local: bytes) -> tuple[int, int, bytes]:
    """What a socket says of a datagram for an IPv4 address, or by broadcast there."""
    return (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i", 2) + local + b"\xff" * 4)


def test_answers_come_from_where_the_table_would_not_choose() -> None:
    sources = SourceAddresses(first)
    assert sources.of(PEER) == (FROM_SECOND,)
    assert sources.of(PEER6) == (FROM_NINTH,)
    assert sources.of(SocketAddress("10.0.0.2", 655, local="192.0.2.1")) == ()
    assert sources.of(SocketAddress("10.0.0.2", 655)) == ()


def test_the_table_is_asked_once_for_each_pair_and_after_a_change() -> None:
    asked: list[bytes] = []

    def route(remote: bytes) -> bytes | None:
        asked.append(remote)
        return None

    sources = SourceAddresses(route)
    for _ in range(3):
        assert sources.of(PEER) == sources.of(PEER.with_port(9)) == (FROM_SECOND,)
    assert asked == [PEER.packed]
    sources.forget()
    assert sources.of(PEER) == (FROM_SECOND,)
    assert len(asked) == 2
    for number in range(MAX_SOURCES + 1):
        host = socket.inet_ntoa(struct.pack(">I", number))
        sources.of(SocketAddress(host, 655, local="192.0.2.2"))
    sources.of(PEER)
    assert len(asked) == MAX_SOURCES + 4


def test_an_address_that_is_gone_is_no_source() -> None:
    sockets = UdpSockets([make(FakeSocket())], route=first)
    changed: list[str | None] = []
    sockets.sources_changed = changed.append
    sockets.refused("b", SocketAddress("10.0.0.2", 655), errno.EINVAL)
    sockets.refused("b", PEER, errno.EPERM)
    assert sockets.endpoint(PEER, 0) == (7, True, "192.0.2.2")
    assert changed == []
    sockets.refused("b", PEER, errno.EINVAL)
    assert sockets.endpoint(PEER, 0) == (7, True, "")
    sockets.refused("b", PEER, errno.EINVAL)
    assert changed == [PEER.host]
    sockets.routes_changed()
    assert changed == [PEER.host, None]
    assert sockets.endpoint(PEER, 0) == (7, True, "192.0.2.2")


def test_python_reads_and_answers() -> None:
    fake = FakeSocket()
    sockets = UdpSockets([make(fake)], route=first)
    for local in (SECOND, FIRST):
        fake.said = spoken(local)
        fake.incoming.append((b"datagram", 0, ("10.0.0.2", 655)))
        ((data, address, index),) = sockets.recv_batch(0)
        assert (data, index, address.local) == (b"datagram", 0, socket.inet_ntoa(local))
        assert address == SocketAddress("10.0.0.2", 655)
        extra = [FROM_SECOND] if local is SECOND else []
        assert sockets.send_train(address, [b"aa", b"aa"]) == []
        assert fake.extra.pop() == extra
        assert sockets.send_train(address, [b"aa"]) == []
        assert fake.extra.pop() == extra
        send = sockets.sender(address, 0)
        assert send is not None
        assert send(b"alone") is None
        assert fake.extra.pop() == extra
        fake.extra.clear()


@pytest.mark.parametrize(
    ("host", "local"),
    [("fd00::9", "fd00::9"), ("fe80::9", ""), ("ff02::1", ""), ("::1", "::1")],
)
def test_what_no_answer_can_come_from_is_left_out(host: str, local: str) -> None:
    fake = FakeSocket(socket.AF_INET6)
    packed = socket.inet_pton(socket.AF_INET6, host)
    fake.said = (socket.IPPROTO_IPV6, IPV6_PKTINFO, packed + struct.pack("=i", 4))
    fake.incoming.append((b"datagram", 0, ("fd00::2", 655, 0, 0)))
    sockets = UdpSockets([make(fake)], route=first)
    ((_, address, _),) = sockets.recv_batch(0)
    assert (address, address.local) == (SocketAddress("fd00::2", 655), local)


def test_a_pump_says_the_same() -> None:
    sockets = UdpSockets([make(FakeSocket()), make(FakeSocket(socket.AF_INET6))])
    address = sockets.source(0, "10.0.0.2", 655, 0, "192.0.2.2")
    assert (address, address.local) == (PEER, "192.0.2.2")
    address = sockets.source(1, "fe80::2", 655, 3, "")
    assert (address.scope, address.local) == (3, "")
    assert sockets.source(1, "fd00::2", 655, 0, "fd00::9").local == "fd00::9"
