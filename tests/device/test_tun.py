"""tun and tap devices on a kernel made of lists."""

from __future__ import annotations

import errno
import logging

import pytest

from tests.device.fakes import FakeSystem
from tincd_compat.device.base import Device
from tincd_compat.device.system import SIOCGIFHWADDR, TUNSETIFF
from tincd_compat.device.tun import TunTap
from tincd_compat.device.vnet import OffloadWishes
from tincd_compat.errors import DeviceError
from tincd_compat.segments.offload import SuperPacket

IPV4 = bytes.fromhex("4500001c 12340000 4011a45a c0a80101 c0a80201 0001000200080000")
FRAME = bytes(12) + b"\x08\0" + IPV4
TAP_FRAME = bytes.fromhex("da6a088a21c6 da6a088a2139 0800") + IPV4
MAC = bytes.fromhex("527c4424d691")


#: Offloads have tests of their own.
NO_OFFLOADS = OffloadWishes(segmentation=False, coalescing=False)


def tun(system: FakeSystem) -> TunTap:
    return TunTap(None, "", tap=False, router=True, system=system, offloads=NO_OFFLOADS)


def tap(system: FakeSystem, *, router: bool) -> TunTap:
    system.name = b"tap0"
    return TunTap(
        None, "", tap=True, router=router, system=system, offloads=NO_OFFLOADS
    )


def read(device: Device, limit: int) -> list[bytearray]:
    frames = device.read_batch(limit)
    return [frame for frame in frames if not isinstance(frame, SuperPacket)]


class TestOpening:
    def test_tun(self, caplog: pytest.LogCaptureFixture) -> None:
        system = FakeSystem()
        with caplog.at_level(logging.INFO):
            device: Device = tun(system)
        ((request, argument),) = system.requests
        assert (request, argument[16:18]) == (TUNSETIFF, b"\1\0")
        assert system.offloads == [0]
        assert (device.interface, device.fileno()) == ("tun0", 5)
        assert caplog.record_tuples == [
            ("tincd", 20, "/dev/net/tun is a Linux tun/tap device (tun mode)")
        ]

    def test_tap(self) -> None:
        system = FakeSystem()
        device = tap(system, router=False)
        (request, argument), *_ = system.requests
        assert (request, argument[16:18]) == (TUNSETIFF, b"\2\x10")
        assert device.interface == "tap0"

    def test_tap_in_router_mode_learns_its_address(self) -> None:
        system = FakeSystem()
        tap(system, router=True)
        request, argument = system.requests[1]
        assert (request, argument) == (SIOCGIFHWADDR, b"tap0".ljust(40, b"\0"))

    @pytest.mark.parametrize(
        ("call", "code", "text"),
        [
            (
                "open",
                errno.ENOENT,
                "Could not open /dev/net/tun: No such file or directory"
                " (`modprobe tun' makes it; containers need it passed in)",
            ),
            (
                "open",
                errno.EACCES,
                "Could not open /dev/net/tun: Permission denied"
                " (start as root, or let this user open /dev/net/tun)",
            ),
            ("open", errno.EIO, "Could not open /dev/net/tun: Input/output error"),
            (
                "TUNSETIFF",
                errno.EPERM,
                "Error while trying to configure /dev/net/tun: Operation not permitted"
                " (interface vpn: it takes CAP_NET_ADMIN, or an interface made for"
                " this user with `ip tuntap add')",
            ),
            (
                "TUNSETIFF",
                errno.EBUSY,
                "Error while trying to configure /dev/net/tun: Device or resource busy"
                " (interface vpn: another process has it open)",
            ),
            (
                "TUNSETIFF",
                errno.EIO,
                "Error while trying to configure /dev/net/tun: Input/output error"
                " (interface vpn)",
            ),
        ],
    )
    def test_failure(self, call: str, code: int, text: str) -> None:
        system = FakeSystem()
        system.failing[call] = code
        with pytest.raises(DeviceError) as caught:
            TunTap(
                None,
                "vpn",
                tap=False,
                router=True,
                system=system,
                offloads=OffloadWishes(),
            )
        assert str(caught.value) == text
        assert system.closed == [5] * len(system.opened)

    @pytest.mark.parametrize(
        ("call", "code", "path", "interface", "advice"),
        [
            (
                "open",
                errno.ENOENT,
                "/dev/tap0",
                "",
                "there is no such file; /dev/net/tun is the usual device",
            ),
            (
                "open",
                errno.ENXIO,
                "/dev/tap0",
                "",
                "nothing in the kernel serves it; /dev/net/tun is the usual device",
            ),
            (
                "open",
                errno.ENXIO,
                "/dev/net/tun",
                "",
                "the kernel has no tun driver; `modprobe tun' loads it",
            ),
            (
                "TUNSETIFF",
                errno.EINVAL,
                "/dev/net/tun",
                "eth/0",
                "interface eth/0: the name of an interface has no slash, blank or"
                " colon",
            ),
            (
                "TUNSETIFF",
                errno.EINVAL,
                "/dev/net/tun",
                "br0",
                "interface br0: an interface of that name and of another kind exists",
            ),
        ],
    )
    def test_advice_is_true(
        self, call: str, code: int, path: str, interface: str, advice: str
    ) -> None:
        system = FakeSystem()
        system.failing[call] = code
        with pytest.raises(DeviceError) as caught:
            TunTap(
                path,
                interface,
                tap=False,
                router=True,
                system=system,
                offloads=OffloadWishes(),
            )
        assert str(caught.value).endswith(f" ({advice})")

    def test_failure_without_a_name(self) -> None:
        system = FakeSystem()
        system.failing["TUNSETIFF"] = errno.EPERM
        with pytest.raises(DeviceError, match=r"permitted \(it takes CAP"):
            tun(system)

    def test_a_kernel_without_offloads_will_do(self) -> None:
        system = FakeSystem()
        system.failing["TUNSETOFFLOAD"] = errno.EINVAL
        assert tun(system).interface == "tun0"

    def test_closing_twice(self) -> None:
        system = FakeSystem()
        device = tun(system)
        device.close()
        device.close()
        assert system.closed == [5]
        assert device.fileno() == -1


class TestReading:
    def test_tun(self) -> None:
        system = FakeSystem()
        system.to_read = [b"\0\0\x08\0" + IPV4, b"\0\0\x86\xdd" + bytes(40)]
        device = tun(system)
        frames = read(device, 64)
        assert frames == [FRAME, bytes(12) + b"\x86\xdd" + bytes(40)]
        assert device.bytes_in == len(FRAME) + 54
        assert device.read_pause == 0

    def test_flags_of_the_kernel_are_cleared(self) -> None:
        system = FakeSystem()
        system.to_read = [b"\1\x7f\x08\0" + IPV4]
        assert read(tun(system), 64) == [FRAME]

    def test_tap(self) -> None:
        system = FakeSystem()
        system.to_read = [TAP_FRAME]
        device = tap(system, router=False)
        assert read(device, 64) == [TAP_FRAME]
        assert device.bytes_in == len(TAP_FRAME)

    def test_frames_are_the_callers_own(self) -> None:
        system = FakeSystem()
        system.to_read = [b"\0\0\x08\0" + IPV4] * 2
        first, second = read(tun(system), 2)
        first[0:14] = bytes(13) + b"\xff"
        first += b"more"
        assert second == FRAME

    def test_limit(self) -> None:
        system = FakeSystem()
        system.to_read = [TAP_FRAME] * 5
        device = tap(system, router=False)
        assert [len(read(device, 2)) for _ in range(4)] == [2, 2, 1, 0]

    @pytest.mark.parametrize("is_tap", [False, True])
    def test_largest_packets_arrive_whole(self, is_tap: bool) -> None:
        system = FakeSystem()
        data = b"\0\0\x08\0" + bytes(65535) if not is_tap else bytes(18 + 65535)
        system.to_read = [data]
        device = tap(system, router=False) if is_tap else tun(system)
        (frame,) = read(device, 1)
        assert len(frame) == len(data) + (0 if is_tap else 10)

    def test_empty_reads_end_the_batch(self) -> None:
        system = FakeSystem()
        system.to_read = [TAP_FRAME, b"", TAP_FRAME]
        device = tap(system, router=False)
        assert len(read(device, 64)) == 1
        assert len(read(device, 64)) == 1

    def test_errors(self) -> None:
        system = FakeSystem()
        device = tun(system)
        system.to_read = [errno.EBADFD] * 10
        pauses = []
        for _ in range(10):
            assert read(device, 64) == []
            pauses.append(device.read_pause)
        assert pauses == pytest.approx([i * 0.05 for i in range(1, 11)])
        # No frame and no error: patience neither ends nor returns.
        assert read(device, 64) == []
        assert device.read_pause == 0
        system.to_read = [errno.EBADFD]
        with pytest.raises(DeviceError, match="Too many errors from /dev/net/tun"):
            read(device, 64)

    def test_an_error_keeps_the_frames_before_it(self) -> None:
        system = FakeSystem()
        device = tun(system)
        system.to_read = [errno.EIO] * 10
        for _ in range(10):
            read(device, 64)
        system.to_read = [b"\0\0\x08\0" + IPV4, errno.EIO, b"\0\0\x08\0" + IPV4]
        assert read(device, 64) == [FRAME]
        assert device.read_pause == pytest.approx(0.05)
        assert read(device, 64) == [FRAME]
        assert device.read_pause == 0

    def test_log(self, caplog: pytest.LogCaptureFixture) -> None:
        system = FakeSystem()
        device = tun(system)
        system.to_read = [b"\0\0\x08\0" + IPV4]
        with caplog.at_level(logging.DEBUG):
            read(device, 64)
        text = "Read packet of 42 bytes from Linux tun/tap device (tun mode)"
        assert caplog.record_tuples == [("tincd.traffic", 10, text)]


class TestWriting:
    @pytest.mark.parametrize("macs", [bytes(12), b"\x11" * 12])
    def test_tun(self, macs: bytes) -> None:
        system = FakeSystem()
        device = tun(system)
        frame = bytearray(macs + FRAME[12:])
        device.write_batch([frame])
        assert system.written == [b"\0\0\x08\0" + IPV4]
        assert frame == macs + FRAME[12:]
        assert device.bytes_out == len(FRAME)

    def test_tap(self) -> None:
        system = FakeSystem()
        tap(system, router=False).write_batch([bytearray(TAP_FRAME)])
        assert system.written == [TAP_FRAME]

    def test_tap_in_router_mode_addresses_the_kernel(self) -> None:
        system = FakeSystem()
        device = tap(system, router=True)
        frame = bytearray(FRAME)
        device.write_batch([frame, bytearray(TAP_FRAME)])
        assert system.written == [MAC + FRAME[6:], MAC + TAP_FRAME[6:]]
        assert frame == FRAME

    def test_address_that_cannot_be_asked_for(self) -> None:
        system = FakeSystem()
        system.failing["SIOCGIFHWADDR"] = errno.EINVAL
        tap(system, router=True).write_batch([bytearray(FRAME)])
        assert system.written[0][:6].hex() == "fefd00000000"

    @pytest.mark.parametrize(
        ("frame", "learns"),
        [
            (bytes(6) + b"\2" * 6 + b"\x08\x06" + bytes(28), True),
            (bytes(6) + b"\2" * 6 + b"\x08\x06" + bytes(27), False),
            (bytes(6) + b"\2" * 6 + b"\x08\0" + IPV4, False),
            (b"\2" * 12 + b"\x86\xdd" + bytes(6) + b"\x3a" + bytes(57), False),
            (
                b"\2" * 12
                + b"\x86\xdd"
                + bytes(6)
                + b"\x3a"
                + bytes(33)
                + b"\x87"
                + bytes(23),
                True,
            ),
            (
                b"\2" * 12
                + b"\x86\xdd"
                + bytes(6)
                + b"\x3a"
                + bytes(33)
                + b"\x87"
                + bytes(22),
                False,
            ),
            (
                b"\2" * 12
                + b"\x86\xdd"
                + bytes(6)
                + b"\x11"
                + bytes(33)
                + b"\x87"
                + bytes(23),
                False,
            ),
            (b"\2" * 13, False),
        ],
    )
    def test_address_is_learned_from_questions(
        self, frame: bytes, learns: bool
    ) -> None:
        system = FakeSystem()
        device = tap(system, router=True)
        system.to_read = [frame]
        assert read(device, 1) == [frame]
        device.write_batch([bytearray(FRAME)])
        assert system.written[0][:6] == (b"\2" * 6 if learns else MAC)

    def test_in_switch_mode_nothing_is_rewritten(self) -> None:
        system = FakeSystem()
        device = tap(system, router=False)
        system.to_read = [bytes(6) + b"\2" * 6 + b"\x08\x06" + bytes(28)]
        read(device, 1)
        device.write_batch([bytearray(TAP_FRAME)])
        assert system.written == [TAP_FRAME]

    def test_errors(self, caplog: pytest.LogCaptureFixture) -> None:
        system = FakeSystem()
        device = tun(system)
        system.write_errors = [errno.EIO, errno.EIO, 0, errno.EINVAL, errno.EIO]
        with caplog.at_level(logging.INFO):
            device.write_batch([bytearray(FRAME)] * 5)
        assert device.bytes_out == len(FRAME)
        assert device.failure is not None
        assert device.failure.endswith("Input/output error")
        device.moved(0, len(FRAME))
        assert device.failure is None
        head = "Can't write to Linux tun/tap device (tun mode) /dev/net/tun: "
        assert caplog.record_tuples == [
            ("tincd", 40, head + "Input/output error"),
            ("tincd", 40, head + "Invalid argument"),
        ]

    def test_log(self, caplog: pytest.LogCaptureFixture) -> None:
        device = tun(FakeSystem())
        with caplog.at_level(logging.DEBUG):
            device.write_batch([bytearray(FRAME)])
        text = "Writing packet of 42 bytes to Linux tun/tap device (tun mode)"
        assert caplog.record_tuples == [("tincd.traffic", 10, text)]
