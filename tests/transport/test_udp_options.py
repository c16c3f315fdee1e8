"""The options that a UDP socket of tincd has, set on a fake socket."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from tests.transport.datagrams import FakeSocket
from tincd_compat.transport.udp_options import (
    IP_MTU_DISCOVER,
    IPV6_MTU_DISCOVER,
    PMTUDISC_DO,
    RECEIVE_BUFFER,
    SO_RCVBUFFORCE,
    SO_SNDBUFFORCE,
    UdpOptions,
    configure,
    granted_buffers,
)

SOL = socket.SOL_SOCKET
LIMIT = 212992


class BufferSocket(FakeSocket):
    """Caps and doubles buffer sizes as the kernel does."""

    def __init__(
        self, family: int = socket.AF_INET, *, default: int = LIMIT, admin: bool = False
    ) -> None:
        super().__init__(family)
        self.admin = admin
        self.options[SOL, socket.SO_RCVBUF] = default
        self.options[SOL, socket.SO_SNDBUF] = default

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        if level == SOL and option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            value = 2 * min(value, LIMIT)
        elif level == SOL and option in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
            if not self.admin:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            receive = option == SO_RCVBUFFORCE
            option = socket.SO_RCVBUF if receive else socket.SO_SNDBUF
            value *= 2
        super().setsockopt(level, option, value)


def test_ipv4() -> None:
    fake = BufferSocket()
    configure(fake, UdpOptions())
    assert fake.options[SOL, socket.SO_REUSEADDR] == 1
    assert fake.options[SOL, socket.SO_BROADCAST] == 1
    assert fake.options[socket.IPPROTO_IP, IP_MTU_DISCOVER] == PMTUDISC_DO
    assert (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) not in fake.options


def test_ipv6() -> None:
    fake = BufferSocket(socket.AF_INET6)
    configure(fake, UdpOptions())
    assert fake.options[socket.IPPROTO_IPV6, socket.IPV6_V6ONLY] == 1
    assert fake.options[socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER] == PMTUDISC_DO


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_without_pmtu_discovery_the_kernel_may_fragment(family: int) -> None:
    fake = BufferSocket(family)
    configure(fake, UdpOptions(pmtu_discovery=False))
    assert not {IP_MTU_DISCOVER, IPV6_MTU_DISCOVER} & {
        option for level, option in fake.options if level != SOL
    }


@pytest.mark.parametrize(
    ("admin", "receive"), [(True, 2 * RECEIVE_BUFFER), (False, 2 * LIMIT)]
)
def test_default_buffers(admin: bool, receive: int) -> None:
    fake = BufferSocket(admin=admin)
    configure(fake, UdpOptions())
    assert fake.options[SOL, socket.SO_RCVBUF] == receive
    assert fake.options[SOL, socket.SO_SNDBUF] == LIMIT


def test_a_larger_system_default_stays() -> None:
    fake = BufferSocket(default=8 * RECEIVE_BUFFER)
    configure(fake, UdpOptions())
    assert fake.options[SOL, socket.SO_RCVBUF] == 8 * RECEIVE_BUFFER


def test_configured_buffers() -> None:
    fake = BufferSocket()
    configure(fake, UdpOptions(receive_buffer=4096, send_buffer=8192))
    assert fake.options[SOL, socket.SO_RCVBUF] == 8192
    assert fake.options[SOL, socket.SO_SNDBUF] == 16384


def test_granted_buffers() -> None:
    fake = BufferSocket()
    configure(fake, UdpOptions(receive_buffer=4096, send_buffer=1 << 22))
    assert granted_buffers(fake) == f"4096 bytes to receive, {LIMIT} bytes to send"


def test_a_refused_buffer_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(BufferSocket):
        def setsockopt(self, level: int, option: int, value: int, /) -> None:
            if option == socket.SO_RCVBUF:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            super().setsockopt(level, option, value)

    configure(Refusing(), UdpOptions(receive_buffer=4096))
    line = "Can't set UDP SO_RCVBUF to 4096: Cannot allocate memory"
    assert caplog.messages == [line]
