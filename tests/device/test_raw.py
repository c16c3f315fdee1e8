"""A raw socket on an interface: bare frames, and what the kernel left undone."""

from __future__ import annotations

import errno
import logging
import struct
from typing import Any

import pytest

from tests.device.sockets import SocketSystem
from tincd_compat.device.base import Device, DeviceOptions, open_device
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import TCPV4, SuperPacket

PLAIN = bytes(10)
FRAME = bytes.fromhex("020000000001 020000000002 0800") + bytes(46)
SOL_PACKET, AUXDATA, VNET_HDR = 263, 8, 15


def raw(system: SocketSystem, **options: Any) -> Device:
    return open_device(DeviceOptions(device_type="Raw_Socket", **options), system)


def auxdata(status: int, tag: int = 0, kind: int = 0) -> tuple[int, int, bytes]:
    data = struct.pack("=IIIHHHH", status, 60, 60, 0, 14, tag, kind)
    return SOL_PACKET, AUXDATA, data


@pytest.mark.parametrize(
    ("options", "path", "interface"),
    [
        ({}, "eth0", "eth0"),
        # The netname is not an interface to be found.
        ({"netname": "vpn"}, "eth0", "eth0"),
        ({"interface": "veth1"}, "veth1", "veth1"),
        ({"interface": "veth1", "device": "label"}, "label", "veth1"),
    ],
)
def test_names(
    options: dict[str, str],
    path: str,
    interface: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    system = SocketSystem()
    with caplog.at_level(logging.INFO):
        device = raw(system, **options)
    assert (device.path, device.interface, device.info) == (
        path,
        interface,
        "raw_socket",
    )
    assert system.made == [(17, 3)]
    assert system.sockets[0].bound == [(interface, 3)]
    assert caplog.messages == [f"{path} is a raw_socket"]
    assert device.fileno() == 10


def test_no_such_interface() -> None:
    with pytest.raises(
        DeviceError, match=r"^Can't find interface wlan9: No such device"
    ):
        raw(SocketSystem(), interface="wlan9")


def test_no_right() -> None:
    system = SocketSystem()
    system.failing["socket"] = errno.EPERM
    with pytest.raises(DeviceError, match=r"not permitted .it takes CAP_NET_RAW"):
        raw(system)


def test_a_bind_that_fails() -> None:
    system = SocketSystem()
    system.sockets[0].bind_errors = [errno.ENETDOWN]
    with pytest.raises(
        DeviceError, match=r"^Could not bind lab to eth0: Network is down"
    ):
        raw(system, device="lab")
    assert system.sockets[0].closed


class TestFrames:
    def test_as_they_are(self) -> None:
        system = SocketSystem()
        device = raw(system)
        system.sockets[0].arriving = [PLAIN + FRAME, PLAIN + FRAME[:20]]
        assert device.read_batch(64) == [bytearray(FRAME), bytearray(FRAME[:20])]
        assert device.bytes_in == 80
        device.write_batch([FRAME, bytearray(FRAME[:14])])
        assert system.sockets[0].sent == [PLAIN + FRAME, PLAIN + FRAME[:14]]
        assert device.bytes_out == 74
        device.close()
        assert system.sockets[0].closed

    def test_without_headers_of_the_kernel(self) -> None:
        system = SocketSystem()
        system.sockets[0].refused_options = {VNET_HDR, AUXDATA}
        device = raw(system)
        system.sockets[0].arriving = [FRAME]
        assert device.read_batch(64) == [bytearray(FRAME)]
        device.write_batch([FRAME])
        assert system.sockets[0].sent == [FRAME]

    def test_a_batch_has_a_limit(self) -> None:
        system = SocketSystem()
        device = raw(system)
        system.sockets[0].arriving = [PLAIN + FRAME, b"", PLAIN, *[PLAIN + FRAME] * 3]
        assert device.read_batch(4) == [bytearray(FRAME)] * 2
        assert device.read_batch(4) == [bytearray(FRAME)] * 2

    def test_a_checksum_that_a_card_would_fill_in(self) -> None:
        """The field has the sum of the pseudo header, and is covered itself."""
        frame = bytearray(FRAME)
        system = SocketSystem()
        device = raw(system)
        header = struct.pack("=BBHHHH", 1, 0, 0, 0, 34, 6)
        frame[34:] = bytes.fromhex("1000 2000 001a 1234") + bytes(18)
        system.sockets[0].arriving = [header + frame]
        (read,) = device.read_batch(64)
        assert isinstance(read, bytearray)
        total = 0x1000 + 0x2000 + 0x1A + 0x1234
        assert int.from_bytes(read[40:42]) == 0xFFFF - total

    def test_a_super_packet(self) -> None:
        system = SocketSystem()
        device = raw(system)
        header = struct.pack("=BBHHHH", 1, TCPV4, 54, 10, 34, 16)
        frame = FRAME[:54] + bytes(30)
        system.sockets[0].arriving = [header + frame]
        assert device.read_batch(64) == [SuperPacket(bytearray(frame), TCPV4, 10, 34)]

    @pytest.mark.parametrize(
        ("extra", "tag"),
        [
            ([], ""),
            ([auxdata(0, 7, 0x8100)], ""),
            ([(1, 2, b"x"), auxdata(0x10, 7)], "81000007"),
            ([auxdata(0x50, 0x2007, 0x88A8)], "88a82007"),
            ([(SOL_PACKET, AUXDATA, b"short")], ""),
        ],
    )
    def test_vlan_tags_are_put_back(
        self, extra: list[tuple[int, int, bytes]], tag: str
    ) -> None:
        system = SocketSystem()
        device = raw(system)
        system.sockets[0].arriving = [PLAIN + FRAME]
        system.sockets[0].extra = [extra]
        expected = FRAME[:12] + bytes.fromhex(tag) + FRAME[12:]
        assert device.read_batch(64) == [bytearray(expected)]

    def test_a_tag_in_a_super_packet(self) -> None:
        system = SocketSystem()
        device = raw(system)
        header = struct.pack("=BBHHHH", 1, TCPV4, 54, 10, 34, 16)
        frame = FRAME[:54] + bytes(30)
        system.sockets[0].arriving = [header + frame]
        system.sockets[0].extra = [[auxdata(0x50, 7, 0x8100)]]
        whole = bytearray(frame[:12] + b"\x81\0\0\7" + frame[12:])
        assert device.read_batch(64) == [SuperPacket(whole, TCPV4, 10, 38)]


class TestFailures:
    def test_reads(self, caplog: pytest.LogCaptureFixture) -> None:
        system = SocketSystem()
        device = raw(system)
        system.sockets[0].arriving = [PLAIN + FRAME, errno.ENETDOWN]
        assert device.read_batch(64) == [bytearray(FRAME)]
        assert device.read_pause == pytest.approx(0.05)
        assert caplog.messages == [
            "Error while reading from raw_socket eth0: Network is down"
        ]
        system.sockets[0].arriving = [PLAIN + FRAME]
        device.read_batch(64)
        assert device.read_pause == 0
        system.sockets[0].arriving = [errno.ENETDOWN] * 11
        for _ in range(10):
            assert device.read_batch(64) == []
        with pytest.raises(DeviceError, match="Too many errors from eth0, exiting!"):
            device.read_batch(64)

    def test_writes(self, caplog: pytest.LogCaptureFixture) -> None:
        system = SocketSystem()
        device = raw(system)
        system.sockets[0].send_errors = [errno.EMSGSIZE, 0, errno.EMSGSIZE]
        device.write_batch([FRAME] * 4)
        assert device.bytes_out == 120
        assert caplog.messages == ["Can't write to raw_socket eth0: Message too long"]
