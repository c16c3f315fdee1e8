"""The UDP sockets over a fake socket: batches, coalesced messages, single ones."""

from __future__ import annotations

import errno
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.datagrams import PEER, FakeSocket, failure, make
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.udp import (
    MAX_KNOWN_ADDRESSES,
    MESSAGE_SIZE,
    UDP_GRO,
    UdpSockets,
)


def test_a_batch_ends_when_the_socket_is_empty() -> None:
    fake = FakeSocket()
    fake.incoming += [(b"a", 0, ("10.0.0.2", 655)), (b"", 0, ("10.0.0.3", 1))]
    batch = UdpSockets([make(fake), make(fake)]).recv_batch(1)
    assert batch == [(b"a", PEER, 1), (b"", SocketAddress("10.0.0.3", 1), 1)]


def test_a_batch_ends_at_its_limit() -> None:
    fake = FakeSocket()
    fake.incoming += [(b"x", 0, ("10.0.0.2", 655))] * 70
    sockets = UdpSockets([make(fake)])
    assert len(sockets.recv_batch(0)) == 64
    assert len(sockets.recv_batch(0)) == 6


def test_no_coalesced_message_is_truncated() -> None:
    # The kernel cuts what does not fit, and says so only in a flag.
    assert MESSAGE_SIZE >= 65535
    fake = FakeSocket()
    fake.incoming.append((b"x" * 65507, 1461, ("10.0.0.2", 655)))
    batch = UdpSockets([make(fake)]).recv_batch(0)
    assert sum(len(data) for data, _, _ in batch) == 65507


def test_coalesced_datagrams_are_separated() -> None:
    fake = FakeSocket()
    fake.incoming.append((b"aaabbbc", 3, ("10.0.0.2", 655)))
    udp = make(fake)
    assert udp.coalescing
    batch = UdpSockets([udp]).recv_batch(0)
    assert batch == [(b"aaa", PEER, 0), (b"bbb", PEER, 0), (b"c", PEER, 0)]


@given(st.lists(st.binary(min_size=4, max_size=4)), st.binary(min_size=1, max_size=4))
def test_what_is_segmented_is_separated_again(equal: list[bytes], last: bytes) -> None:
    fake = FakeSocket()
    train = [*equal, last]
    size = len(train[0]) if equal else 0
    fake.incoming.append((b"".join(train), size, ("10.0.0.2", 655)))
    assert [data for data, _, _ in UdpSockets([make(fake)]).recv_batch(0)] == train


def test_coalescing_is_probed_and_optional() -> None:
    fake = FakeSocket()
    assert not make(fake, coalescing=False).coalescing
    assert fake.options[socket.SOL_UDP, UDP_GRO] == 0
    fake.unknown.add(UDP_GRO)
    assert not make(fake).coalescing


def test_a_receive_error_is_logged_and_ends_the_batch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeSocket()
    fake.incoming += [failure(errno.ENETDOWN), (b"a", 0, ("10.0.0.2", 655))]
    sockets = UdpSockets([make(fake)])
    assert sockets.recv_batch(0) == []
    assert caplog.messages == ["Receiving packet failed: Network is down"]
    assert sockets.recv_batch(0) == [(b"a", PEER, 0)]


def test_strangers_do_not_fill_the_address_cache() -> None:
    fake = FakeSocket()
    udp = make(fake)
    sockets = UdpSockets([udp])
    for port in range(MAX_KNOWN_ADDRESSES + 10):
        fake.incoming.append((b"x", 0, ("10.0.0.2", port)))
        assert sockets.recv_batch(0) == [(b"x", SocketAddress("10.0.0.2", port), 0)]
    assert len(udp._addresses) <= MAX_KNOWN_ADDRESSES


def test_one_message_is_read_as_it_came() -> None:
    fake = FakeSocket()
    fake.incoming += [
        (b"one", 0, ("10.0.0.2", 655)),
        (b"aaabb", 3, ("10.0.0.2", 655)),
        failure(errno.EINTR),
        failure(errno.ENETDOWN),
    ]
    sockets = UdpSockets([make(fake)])
    assert sockets.read(0) == (b"one", 3, ("10.0.0.2", 655))
    message = sockets.read(0)
    assert message == (b"aaabb", 3, ("10.0.0.2", 655))
    assert sockets.cut(0, message) == [(b"aaa", PEER, 0), (b"bb", PEER, 0)]
    assert [sockets.read(0) for _ in range(3)] == [None, None, None]
