from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport import tcp
from tincd_compat.transport.local import IP_FREEBIND, IPV6_FREEBIND
from tincd_compat.transport.tcp import (
    EXHAUSTED_PAUSE,
    TARPIT_SLOTS,
    AcceptLimit,
    Listener,
    Tarpit,
    source_address,
)

PEER = SocketAddress("10.0.0.2", 40000)


pytestmark = pytest.mark.usefixtures("every_level")


class Sockets:
    """Stands for ``socket.socket``: makes fakes and remembers them."""

    def __init__(self) -> None:
        self.made: list[FakeSocket] = []
        self.failing: dict[str, Exception] = {}

    def __call__(self, family: int, kind: int) -> FakeSocket:
        if "socket" in self.failing:
            raise self.failing["socket"]
        made = FakeSocket(10 + len(self.made), family)
        made.failing = self.failing
        self.made.append(made)
        return made


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Sockets:
    sockets = Sockets()
    monkeypatch.setattr(socket, "socket", sockets)
    return sockets


V4, V4_OTHER = SocketAddress("10.0.0.1", 655), SocketAddress("10.1.0.1", 655)
V6 = SocketAddress("fd00::1", 655)


@pytest.mark.parametrize(
    ("listening", "ipv6", "expected"),
    [
        ([V4, V6], False, V4),
        ([V4, V6], True, V6),
        ([V4, V4_OTHER, V6], False, None),
        ([V4], True, None),
        ([], False, None),
    ],
)
def test_the_source_is_the_only_listener_of_the_family(
    listening: list[SocketAddress], ipv6: bool, expected: SocketAddress | None
) -> None:
    assert source_address(listening, ipv6) == expected


# Options and listening.


def test_meta_sockets_are_prompt() -> None:
    sock = FakeSocket(5)
    tcp.configure(sock.socket)
    assert not sock.blocking
    assert sock.options == {
        (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
        (socket.IPPROTO_IP, socket.IP_TOS): 0x10,
    }


def test_ipv6_has_a_traffic_class() -> None:
    sock = FakeSocket(5, socket.AF_INET6)
    tcp.configure(sock.socket)
    assert sock.options[socket.IPPROTO_IPV6, socket.IPV6_TCLASS] == 0x10


def test_a_socket_that_is_dead_already_may_refuse_options() -> None:
    sock = FakeSocket(5, socket.AF_INET6)
    sock.failing["setsockopt"] = oserror(errno.EINVAL)
    tcp.configure(sock.socket)
    assert not sock.blocking


def test_listening(sockets: Sockets) -> None:
    sock = tcp.open_listener(socket.AF_INET, ("10.0.0.1", 655), None)
    (made,) = sockets.made
    assert sock is made.socket
    assert made.options == {(socket.SOL_SOCKET, socket.SO_REUSEADDR): 1}
    assert (made.bound, made.backlog, made.blocking) == (("10.0.0.1", 655), 3, False)


def test_listening_on_ipv6_leaves_ipv4_alone(sockets: Sockets) -> None:
    tcp.open_listener(socket.AF_INET6, ("::", 655, 0, 0), "eth0")
    options = sockets.made[0].options
    assert options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] == 1
    assert options[socket.SOL_SOCKET, socket.SO_BINDTODEVICE] == b"eth0\0"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_listening_on_an_address_to_come(sockets: Sockets, family: int) -> None:
    place = ("10.0.0.1", 655) if family == socket.AF_INET else ("fd00::1", 655, 0, 0)
    tcp.open_listener(family, place, None, free_bind=True)
    free = {
        (socket.IPPROTO_IP, IP_FREEBIND),
        (socket.IPPROTO_IPV6, IPV6_FREEBIND),
    }
    assert len(free & sockets.made[0].options.keys()) == 1


TAKEN = "Address already in use (`ss -lntup' shows by whom)"


@pytest.mark.parametrize(
    ("failing", "line"),
    [
        ("socket", "Creating metasocket failed: Address already in use"),
        ("bind", f"Can't bind to 10.0.0.1 port 655/tcp: {TAKEN}"),
        ("listen", f"Can't bind to 10.0.0.1 port 655/tcp: {TAKEN}"),
    ],
)
def test_an_address_that_cannot_be_had(
    sockets: Sockets, failing: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    sockets.failing[failing] = oserror(errno.EADDRINUSE)
    assert tcp.open_listener(socket.AF_INET, ("10.0.0.1", 655), None) is None
    assert caplog.messages == [line]
    assert all(made.closed for made in sockets.made)


def test_an_interface_that_cannot_be_had(
    sockets: Sockets,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(sock: FakeSocket, level: int, option: int, value: Any) -> None:
        if option == socket.SO_BINDTODEVICE:
            raise oserror(errno.ENODEV)

    monkeypatch.setattr(FakeSocket, "setsockopt", refuse)
    assert tcp.open_listener(socket.AF_INET, ("10.0.0.1", 655), "eth9") is None
    assert caplog.messages == ["Can't bind to interface eth9: No such device"]
    assert sockets.made[0].closed


# Strangers.


def test_ten_connections_a_second(caplog: pytest.LogCaptureFixture) -> None:
    limit = AcceptLimit()
    admitted = [limit.admit(PEER, 7.0 + i / 20) for i in range(20)]
    assert admitted == [True] * 10 + [False] * 10
    assert caplog.messages == ["Throttling incoming connections"]
    assert limit.admit(PEER, 8.0)


def test_the_second_counts_not_the_pause_between_calls() -> None:
    limit = AcceptLimit()
    assert all(limit.admit(PEER, 7.9) for _ in range(10))
    assert not limit.admit(PEER, 7.99)
    assert limit.admit(PEER, 8.0)


def test_one_address_does_not_keep_others_out(caplog: pytest.LogCaptureFixture) -> None:
    limit = AcceptLimit()
    for second in (7.0, 8.0):
        for _ in range(100):
            limit.admit(PEER, second)
        others = [SocketAddress(f"10.0.1.{number}", 40000) for number in range(20)]
        admitted = [limit.admit(other, second) for other in others for _ in range(2)]
        assert admitted == [True, False] * 10 + [False] * 20
        assert caplog.messages == ["Throttling incoming connections"]
        caplog.clear()


@pytest.mark.parametrize(
    ("other", "admitted"),
    [
        ("10.0.0.3", True),
        ("fd00:0:0:2::1", True),
        ("fd00:0:0:1::99", False),
    ],
)
def test_a_network_of_ipv6_is_one_address(other: str, admitted: bool) -> None:
    limit = AcceptLimit()
    for number in range(10):
        limit.admit(SocketAddress(f"fd00:0:0:1::{number}", 40000), 7.0)
    assert limit.admit(SocketAddress(other, 40000), 7.0) is admitted


def test_who_was_among_the_ten_is_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Eleven callers from eleven places are as welcome as ten."""
    limit = AcceptLimit()
    places = [SocketAddress(f"10.0.1.{number}", 40000) for number in range(11)]
    assert all(limit.admit(place, 7.0) for place in places)
    assert caplog.messages == []
    assert not limit.admit(places[0], 7.0)
    assert caplog.messages == ["Throttling incoming connections"]


def test_the_tarpit_closes_the_oldest_for_one_more() -> None:
    tarpit = Tarpit()
    socks = [FakeSocket(number) for number in range(TARPIT_SLOTS + 2)]
    for sock in socks:
        tarpit.add(sock.socket)
    assert [sock.closed for sock in socks] == [True] * 2 + [False] * TARPIT_SLOTS
    assert len(tarpit) == TARPIT_SLOTS
    tarpit.close()
    assert all(sock.closed for sock in socks)
    assert len(tarpit) == 0


class Door:
    """A listener on a fake socket, and who came in."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.sock = FakeSocket(loop.new_descriptor())
        self.tarpit = Tarpit()
        self.accepted: list[tuple[socket.socket, SocketAddress]] = []
        self.listener = Listener(
            self.sock.socket,
            AcceptLimit(),
            self.tarpit,
            lambda sock, address: self.accepted.append((sock, address)),
            loop,
        )

    @property
    def open(self) -> bool:
        return self.sock.descriptor in self.loop.readers

    def call(self) -> FakeSocket:
        caller = FakeSocket(self.loop.new_descriptor())
        self.sock.callers.append((caller, ("::ffff:10.0.0.2", 40000, 0, 0)))
        return caller

    def fail(self, code: int) -> None:
        self.sock.callers.append(oserror(code))
        self.knock()

    def knock(self) -> None:
        self.loop.readable(self.sock.descriptor)


@pytest.fixture
def door(loop: FakeLoop) -> Door:
    return Door(loop)


def test_one_caller_each_turn(door: Door) -> None:
    first, second = door.call(), door.call()
    door.knock()
    assert door.accepted == [(first.socket, PEER)]
    assert not first.blocking
    door.knock()
    assert door.accepted[1:] == [(second.socket, PEER)]


@pytest.mark.parametrize(
    ("name", "local"),
    [("::ffff:10.0.0.9", "10.0.0.9"), ("10.0.0.9", "10.0.0.9"), ("fd00::9", "fd00::9")],
)
def test_the_address_that_was_dialled_is_known(
    door: Door, name: str, local: str
) -> None:
    door.call().name = (name, 655)
    door.knock()
    assert door.accepted[0][1].local == local
    door.call().failing["getsockname"] = oserror(errno.ENOTCONN)
    door.knock()
    assert door.accepted[1][1].local == ""


def test_too_many_callers_wait_in_silence(door: Door) -> None:
    callers = [door.call() for _ in range(12)]
    for _ in callers:
        door.knock()
    assert door.accepted == [(caller.socket, PEER) for caller in callers[:10]]
    assert len(door.tarpit) == 2
    assert not any(caller.closed for caller in callers)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EINTR, errno.ECONNABORTED])
def test_a_caller_that_has_gone_is_nothing(
    door: Door, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    door.fail(code)
    assert (door.accepted, door.open, caplog.messages) == ([], True, [])


def test_another_failure_is_told(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.fail(errno.EPROTO)
    assert caplog.messages == ["Accepting a new connection failed: Protocol error"]
    assert door.open


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_without_descriptors_accepting_pauses(
    loop: FakeLoop, door: Door, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        door.fail(code)
        assert not door.open
        loop.advance(EXHAUSTED_PAUSE)
        assert door.open
    # One line for the whole time of need.
    assert len(caplog.messages) == 1
    door.call()
    door.knock()
    assert len(door.accepted) == 1
    door.fail(code)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("paused", [False, True])
def test_closing_a_listener(loop: FakeLoop, door: Door, paused: bool) -> None:
    if paused:
        door.fail(errno.EMFILE)
    door.listener.close()
    loop.advance(2 * EXHAUSTED_PAUSE)
    assert not door.open
    assert door.sock.closed


# Connecting.


def dial(
    loop: FakeLoop,
    address: SocketAddress = PEER,
    interface: str | None = None,
    source: SocketAddress | None = None,
) -> socket.socket:
    return loop.run(
        tcp.connect(address, interface=interface, source=source, patience=5)
    )


def test_connecting(loop: FakeLoop, sockets: Sockets) -> None:
    sock = dial(loop, interface="eth0", source=V4)
    (made,) = sockets.made
    assert sock is made.socket
    assert loop.connected == [(made, ("10.0.0.2", 40000))]
    assert (made.bound, made.blocking) == (("10.0.0.1", 0), False)
    assert made.options[socket.SOL_SOCKET, socket.SO_BINDTODEVICE] == b"eth0\0"


def test_connecting_to_a_link_local_address(loop: FakeLoop, sockets: Sockets) -> None:
    dial(loop, SocketAddress("fe80::2", 655, 3))
    (made,) = sockets.made
    assert loop.connected == [(made, ("fe80::2", 655, 0, 3))]
    assert made.options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] == 1
    assert made.bound is None


def test_dialling_from_a_link_local_address(loop: FakeLoop, sockets: Sockets) -> None:
    dial(
        loop, SocketAddress("fe80::2", 655, 3), source=SocketAddress("fe80::1", 655, 3)
    )
    assert sockets.made[0].bound == ("fe80::1", 0, 0, 3)


def test_a_source_that_cannot_be_had_is_done_without(
    loop: FakeLoop, sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    sockets.failing["bind"] = oserror(errno.EADDRNOTAVAIL)
    assert dial(loop, source=V4) is sockets.made[0].socket
    assert caplog.messages == [
        "Can't bind to 10.0.0.1 port 655/tcp: Cannot assign requested address"
    ]


def test_a_refusal_leaves_no_socket(loop: FakeLoop, sockets: Sockets) -> None:
    loop.connecting["10.0.0.2"] = oserror(errno.ECONNREFUSED)
    with pytest.raises(ConnectionRefusedError):
        dial(loop)
    assert sockets.made[0].closed


def test_patience_ends(loop: FakeLoop, sockets: Sockets) -> None:
    loop.connecting["10.0.0.2"] = loop.create_future()
    with pytest.raises(TimeoutError):
        dial(loop)
    assert loop.now == 1005
    assert sockets.made[0].closed


def test_giving_up_leaves_no_socket(loop: FakeLoop, sockets: Sockets) -> None:
    loop.connecting["10.0.0.2"] = loop.create_future()
    task = loop.create_task(tcp.connect(PEER, interface=None, source=None, patience=5))
    loop.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert sockets.made[0].closed
