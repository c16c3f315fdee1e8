"""Buffers: to receive, narrow in a flood; to send, as large as the network is fast."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

import pytest

from tests.transport.datagrams import FakeSocket as Udp
from tests.transport.fakes import FakeSocket
from tincd_compat.transport.buffers import (
    DELAY,
    LONGEST,
    MESSAGE,
    NARROW,
    PAUSE,
    SEND_BUFFER,
    SHORTEST,
    ReceiveBuffer,
    RunLimit,
    SendBuffer,
    granting,
)
from tincd_compat.transport.trains import MAX_RUN_BYTES
from tincd_compat.transport.udp_options import SO_RCVBUFFORCE, SO_SNDBUFFORCE

WIDE: Final = 2 << 20


class Sock(FakeSocket):
    """A socket that grants what is asked for; more than a limit is a privilege."""

    def __init__(self, wide: int = WIDE, limit: int = 4 << 20) -> None:
        super().__init__(7)
        self.size, self.limit, self.privileged = wide, limit, True
        self.asked: list[int] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert level == socket.SOL_SOCKET
        if option == SO_RCVBUFFORCE and not self.privileged:
            raise PermissionError
        self.asked.append(value)
        self.size = min(value, self.limit if option == socket.SO_RCVBUF else value)

    def getsockopt(self, level: int, option: int, _size: int = 0) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_RCVBUF)
        return 2 * self.size

    def granting(self, family: int, size: int) -> int | None:
        assert family == self.family
        if size <= self.limit:
            return socket.SO_RCVBUF
        return SO_RCVBUFFORCE if self.privileged else None

    def buffer(self, *, elastic: bool = True) -> ReceiveBuffer:
        return ReceiveBuffer(self.socket, elastic=elastic, granting=self.granting)


@pytest.mark.parametrize("limit", [4 << 20, NARROW])
def test_narrow_as_long_as_there_is_a_flood(limit: int) -> None:
    sock = Sock(limit=limit)
    buffer = sock.buffer()
    buffer.calm(1.0)
    assert sock.asked == []
    # The last of them comes after the pause that the first has begun.
    for now in (1.0, 1.5, 1.0 + 1.2 * PAUSE):
        buffer.flooded(now)
        buffer.calm(now + 0.01)
        assert sock.size == NARROW
    buffer.calm(1.0 + 2.2 * PAUSE)
    assert (sock.size, sock.asked) == (WIDE, [NARROW, WIDE])
    buffer.flooded(4.0)
    assert sock.size == NARROW


def test_what_could_not_be_widened_again_stays_wide() -> None:
    sock = Sock(limit=NARROW)
    buffer = sock.buffer()
    sock.privileged = False
    buffer.flooded(1.0)
    buffer.calm(9.0)
    assert (sock.size, sock.asked) == (WIDE, [])


def test_privileges_that_are_lost_in_a_flood() -> None:
    sock = Sock(limit=NARROW)
    buffer = sock.buffer()
    buffer.flooded(1.0)
    sock.privileged = False
    buffer.calm(9.0)
    assert sock.size == NARROW


def test_what_somebody_has_asked_for() -> None:
    sock = Sock()
    buffer = sock.buffer(elastic=False)
    buffer.flooded(1.0)
    assert sock.asked == []


def test_what_is_narrow_already() -> None:
    for wide in (0, NARROW):
        sock = Sock(wide)
        buffer = sock.buffer()
        buffer.flooded(1.0)
        buffer.calm(9.0)
        assert sock.asked == []


@pytest.mark.parametrize("privileged", [True, False])
def test_what_a_system_grants(
    privileged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Sock] = []

    def open_socket(family: int, kind: int) -> contextlib.closing[Sock]:
        if family != socket.AF_INET:
            raise OSError(errno.EAFNOSUPPORT, "no such family")
        assert kind == socket.SOCK_DGRAM
        made.append(Sock(limit=NARROW))
        made[-1].privileged = privileged
        return contextlib.closing(made[-1])

    monkeypatch.setattr(socket, "socket", open_socket)
    assert granting(socket.AF_INET, NARROW) == socket.SO_RCVBUF
    wide = granting(socket.AF_INET, WIDE)
    assert wide == (SO_RCVBUFFORCE if privileged else None)
    assert granting(socket.AF_INET6, NARROW) is None
    assert all(sock.closed for sock in made)


# To send.


class Uplink(Udp):
    """A socket whose kernel grants 208 KiB to everybody, and more to the privileged."""

    def __init__(self, *, privileged: bool = True) -> None:
        super().__init__()
        self.now, self.privileged = 100.0, privileged
        self.options[socket.SOL_SOCKET, socket.SO_SNDBUF] = 2 * NARROW

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        if option == SO_SNDBUFFORCE:
            if not self.privileged:
                raise PermissionError
        else:
            value = min(value, 2 * NARROW)
        super().setsockopt(level, socket.SO_SNDBUF, 2 * value)

    @property
    def size(self) -> int:
        return self.options[socket.SOL_SOCKET, socket.SO_SNDBUF] // 2

    def buffer(self, *, elastic: bool = True) -> SendBuffer:
        return SendBuffer(self, elastic=elastic, clock=lambda: self.now)

    def fill(self, buffer: SendBuffer, speed: int, *, seconds: float = 0.05) -> None:
        """Let the buffer be full again after a time in which so much has left."""
        self.now += seconds
        buffer.sent += round(seconds * speed)
        buffer.full(1)


def test_a_slow_uplink_has_no_more_than_the_system_gives() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for _ in range(100):
        sock.fill(buffer, 2_500_000)
    assert (sock.size, buffer.lost) == (NARROW, 100)


def test_a_fast_network_has_as_much_as_leaves_in_a_moment() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    sock.fill(buffer, 0)
    assert sock.size == NARROW
    for _ in range(2):
        sock.fill(buffer, 12_500_000)
    assert sock.size == round(12_500_000 * DELAY / 2)
    for _ in range(2):
        sock.fill(buffer, 1_250_000_000)
    assert sock.size == SEND_BUFFER
    # And by and by less, where it has become slow.
    for _ in range(2):
        sock.fill(buffer, 2_500_000)
    assert sock.size == SEND_BUFFER // 2
    for _ in range(5):
        sock.fill(buffer, 2_500_000)
    assert sock.size == NARROW


def test_a_speed_that_is_little_more_or_less_changes_nothing() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for speed in (0, *[12_500_000] * 2, *[14_000_000] * 2, *[11_000_000] * 2):
        sock.fill(buffer, speed)
    assert sock.size == round(12_500_000 * DELAY / 2)


def test_one_speed_that_is_another_changes_nothing() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for speed in (2_500_000, 2_500_000, 1_250_000_000, 2_500_000):
        sock.fill(buffer, speed)
        assert sock.size == NARROW
    for _ in range(3):
        sock.fill(buffer, 1_250_000_000)
    for speed in (2_500_000, 1_250_000_000, 2_500_000):
        sock.fill(buffer, speed)
        assert sock.size == SEND_BUFFER


def test_what_others_have_sent_counts() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for number in range(3):
        buffer.full(64, number * 125_000_000)
        sock.now += 0.1
    assert (sock.size, buffer.lost) == (SEND_BUFFER, 192)


@pytest.mark.parametrize("seconds", [SHORTEST / 4, LONGEST * 1.01])
def test_too_short_or_too_long_a_time_tells_no_speed(seconds: float) -> None:
    sock = Uplink()
    buffer = sock.buffer()
    buffer.full(1)
    for _ in range(3):
        sock.fill(buffer, 125_000_000, seconds=seconds)
    assert sock.size == NARROW


def test_a_speed_from_before_a_pause_agrees_with_nothing() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    buffer.full(1)
    for seconds in (SHORTEST, LONGEST * 1.01, SHORTEST):
        sock.fill(buffer, 125_000_000, seconds=seconds)
    assert sock.size == NARROW
    sock.fill(buffer, 125_000_000)
    assert sock.size == SEND_BUFFER


def test_short_times_add_up() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for _ in range(50):
        sock.fill(buffer, 125_000_000, seconds=0.001)
    assert sock.size == SEND_BUFFER


def test_without_privileges_it_grows_as_far_as_the_system_lets_it() -> None:
    sock = Uplink(privileged=False)
    buffer = sock.buffer()
    for _ in range(3):
        sock.fill(buffer, 125_000_000)
    assert sock.size == 2 * NARROW


def test_a_size_to_send_that_somebody_wants_stays() -> None:
    sock = Uplink()
    buffer = sock.buffer(elastic=False)
    for _ in range(3):
        sock.fill(buffer, 125_000_000)
    assert (sock.size, buffer.lost) == (NARROW, 3)


# What one message may carry.


@pytest.mark.parametrize("elastic", [True, False])
def test_before_a_slow_uplink_a_message_is_what_leaves_in_a_moment(
    elastic: bool,
) -> None:
    sock = Uplink()
    buffer = sock.buffer(elastic=elastic)
    speed = 10_000_000
    for _ in range(3):
        # One measurement alone may be that of a busy machine.
        assert buffer.longest_run == MAX_RUN_BYTES
        sock.fill(buffer, speed)
    assert buffer.longest_run == round(speed * MESSAGE)
    assert buffer.limit == RunLimit(buffer.longest_run, round(speed * LONGEST))


def test_the_limit_ends_with_what_leaves_before_a_speed_is_none() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for _ in range(3):
        sock.fill(buffer, 10_000_000)
    limit = buffer.limit
    buffer.sent += limit.lasts - 1
    assert buffer.longest_run == limit.longest
    buffer.sent += 1
    assert buffer.longest_run == MAX_RUN_BYTES


def test_in_a_fast_network_a_message_is_as_long_as_it_can_be() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for _ in range(3):
        sock.fill(buffer, 125_000_000)
    assert buffer.longest_run == MAX_RUN_BYTES


def test_of_two_speeds_the_faster_one_tells_how_long_a_message_is() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for speed in (1_000_000, 10_000_000, 1_000_000):
        sock.fill(buffer, speed)
    assert buffer.longest_run == round(10_000_000 * MESSAGE)
    sock.fill(buffer, 1_000_000)
    assert buffer.longest_run == round(1_000_000 * MESSAGE)


def test_a_pause_ends_the_limit() -> None:
    sock = Uplink()
    buffer = sock.buffer()
    for _ in range(3):
        sock.fill(buffer, 10_000_000)
    sock.fill(buffer, 0, seconds=LONGEST * 1.01)
    assert buffer.longest_run == MAX_RUN_BYTES
