"""A multicast group as a device: its address, and frames that come back."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

import pytest

from tests.device.sockets import SocketSystem
from tincd_compat.device.base import Device, DeviceOptions, open_device
from tincd_compat.errors import DeviceError

GROUP = ("239.1.2.3", 7000)


def multicast(system: SocketSystem, device: str | None, **options: Any) -> Device:
    wishes = DeviceOptions(device_type="multicast", device=device, **options)
    return open_device(wishes, system)


def read(device: Device) -> list[bytes]:
    """Return what a batch has."""
    frames = device.read_batch(64)
    assert all(isinstance(each, bytearray) for each in frames)
    return [bytes(each) for each in frames if isinstance(each, bytearray)]


def frame(source: int, text: bytes = b"text") -> bytes:
    return bytes(6) + bytes([2, 0, 0, 0, 0, source]) + b"\x08\0" + text


@pytest.mark.parametrize(
    ("device", "port", "ttl"),
    [
        ("239.1.2.3 7000", "7000", 1),
        ("239.1.2.3  7000  5", "7000", 5),
        ("239.1.2.3 tinc 0", "tinc", 0),
    ],
)
def test_joining(
    device: str, port: str, ttl: int, caplog: pytest.LogCaptureFixture
) -> None:
    system = SocketSystem()
    with caplog.at_level(logging.INFO):
        opened = multicast(system, device, netname="vpn")
    sock = system.sockets[0]
    assert system.looked_up == [("239.1.2.3", port, socket.AF_UNSPEC)]
    assert sock.bound == [GROUP]
    assert (opened.path, opened.interface) == (device, "")
    level = socket.IPPROTO_IP
    assert sock.options == [
        (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        (level, socket.IP_ADD_MEMBERSHIP, bytes([239, 1, 2, 3, 0, 0, 0, 0])),
        (level, socket.IP_MULTICAST_LOOP, 1),
        (level, socket.IP_MULTICAST_TTL, ttl),
    ]
    assert caplog.messages == [f"{device} is a multicast socket"]


def test_joining_with_ipv6() -> None:
    system = SocketSystem()
    system.place = (socket.AF_INET6, ("ff02::5%veth1", 7000, 0, 5))
    opened = multicast(system, "ff02::5%veth1 7000 9", interface="mesh")
    assert opened.interface == "mesh"
    level = socket.IPPROTO_IPV6
    request = bytes.fromhex("ff02" + "00" * 13 + "05") + b"\5\0\0\0"
    assert system.sockets[0].options[1:] == [
        (level, socket.IPV6_JOIN_GROUP, request),
        (level, socket.IPV6_MULTICAST_LOOP, 1),
        (level, socket.IPV6_MULTICAST_HOPS, 9),
    ]


@pytest.mark.parametrize("ttl", ["x", "256", "-1"])
def test_a_ttl_that_is_none(ttl: str, caplog: pytest.LogCaptureFixture) -> None:
    system = SocketSystem()
    multicast(system, f"239.1.2.3 7000 {ttl}")
    assert system.sockets[0].options[-1][2] == 1
    assert f"TTL `{ttl}'" in caplog.messages[0]


@pytest.mark.parametrize(
    ("device", "text"),
    [
        (None, "Device variable required for multicast socket (write"),
        ("", "Device variable required for multicast socket (write"),
        ("239.1.2.3", "Port number required for multicast socket (write"),
    ],
)
def test_what_is_missing(device: str | None, text: str) -> None:
    with pytest.raises(DeviceError) as caught:
        multicast(SocketSystem(), device)
    assert str(caught.value).startswith(text)


def test_failures_of_the_system() -> None:
    system = SocketSystem()
    system.failing["lookup"] = errno.EADDRNOTAVAIL
    with pytest.raises(DeviceError, match=r"^Error looking up 239.1.2.3 port 7000: "):
        multicast(system, "239.1.2.3 7000")
    system = SocketSystem()
    system.failing["socket"] = errno.EMFILE
    with pytest.raises(DeviceError, match=r"^Creating socket failed: "):
        multicast(system, "239.1.2.3 7000")
    system = SocketSystem()
    system.sockets[0].bind_errors = [errno.EADDRINUSE]
    with pytest.raises(DeviceError, match=r"^Can't bind to 239.1.2.3 7000: Address"):
        multicast(system, "239.1.2.3 7000")
    assert system.sockets[0].closed
    system = SocketSystem()
    system.sockets[0].refused_options = {socket.IP_ADD_MEMBERSHIP}
    with pytest.raises(DeviceError, match=r"^Cannot join multicast group 239.1.2.3 70"):
        multicast(system, "239.1.2.3 7000")
    assert system.sockets[0].closed


class TestFrames:
    def test_one_datagram_each(self) -> None:
        system = SocketSystem()
        device = multicast(system, "239.1.2.3 7000")
        sock = system.sockets[0]
        sock.arriving = [frame(1), b"", frame(2)]
        assert read(device) == [frame(1), frame(2)]
        device.write_batch([frame(3), bytearray(frame(4))])
        assert sock.sent == [frame(3), frame(4)]
        assert sock.targets == [GROUP, GROUP]
        assert (device.bytes_in, device.bytes_out) == (36, 36)

    def test_what_was_written_is_not_read(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "tincd.scary")
        system = SocketSystem()
        device = multicast(system, "239.1.2.3 7000")
        burst = [frame(n) for n in range(1, 9)]
        device.write_batch(burst)
        system.sockets[0].arriving = [*burst, frame(20)]
        assert read(device) == [frame(20)]
        assert (
            caplog.messages
            == ["Ignoring loopback packet of 18 bytes from multicast socket"] * 8
        )
        # Each comes back once.
        system.sockets[0].arriving = [frame(1), frame(1)]
        assert read(device) == [frame(1), frame(1)]

    def test_the_source_of_the_last_one_is_not_listened_to(self) -> None:
        system = SocketSystem()
        device = multicast(system, "239.1.2.3 7000")
        # That of frames from tun devices, at first.
        system.sockets[0].arriving = [bytes(60)]
        assert read(device) == []
        device.write_batch([frame(1)])
        system.sockets[0].arriving = [frame(1, b"other"), bytes(60), frame(2)]
        assert read(device) == [bytes(60), frame(2)]

    def test_memory_is_bounded(self) -> None:
        system = SocketSystem()
        device = multicast(system, "239.1.2.3 7000")
        device.write_batch([frame(1, b"%d" % n) for n in range(300)])
        device.write_batch([frame(9)])
        system.sockets[0].arriving = [frame(1, b"0"), frame(1, b"299")]
        assert read(device) == [frame(1, b"0")]
