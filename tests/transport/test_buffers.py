"""The receive buffer: narrow in a flood, and wide again only if that is possible."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

import pytest

from tests.transport.fakes import FakeSocket
from tincd_compat.transport.buffers import NARROW, PAUSE, ReceiveBuffer, granting
from tincd_compat.transport.udp_options import SO_RCVBUFFORCE

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

    def getsockopt(self, level: int, option: int) -> int:
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
    for now in (1.0, 1.5, 1.9):
        buffer.flooded(now)
        buffer.calm(now + 0.01)
        assert sock.size == NARROW
    buffer.calm(1.9 + PAUSE)
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
