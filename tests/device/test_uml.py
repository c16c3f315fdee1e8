"""A User Mode Linux as the other side: how it connects, and its frames."""

from __future__ import annotations

import errno
import logging
import struct

import pytest

from tests.device.sockets import FakeSocket, SocketSystem
from tincd_compat.device.base import DeviceOptions, open_device
from tincd_compat.device.uml import Uml, open_uml
from tincd_compat.errors import DeviceError

PATH = "/run/tinc.vpn.umlsocket"
INFO = "UML network socket"
NAME = (b"\0abc" + b"guest").ljust(108, b"\0")
OWN = struct.pack("=4xII", 77, 0x12345678).ljust(108, b"\0")
FRAME = bytes.fromhex("020000000001 020000000002 0800") + bytes(46)


def request(
    magic: int = 0xFEEDFACE, version: int = 3, type_: int = 0, name: bytes = NAME
) -> bytes:
    return struct.pack("=IIIH108s2x", magic, version, type_, 1, name)


class Guest:
    """A device, and the sockets behind it."""

    def __init__(self, *, router: bool = False) -> None:
        self.system = SocketSystem()
        self.data, self.listener = self.system.sockets
        self.device: Uml = open_uml(
            None, PATH, None, self.system, (77, 0x12345678), router=router
        )

    def call(self, *said: bytes | int) -> FakeSocket:
        """Connect and say something."""
        stream = FakeSocket(20 + len(self.system.every))
        stream.arriving += said
        self.system.every.append(stream)
        self.listener.callers.append(stream)
        self.device.read_batch(64)
        self.device.read_batch(64)
        return stream

    def read(self, *frames: bytes) -> list[bytes]:
        self.data.arriving += frames
        return [bytes(frame) for frame in self.device.read_batch(64)]  # type: ignore[arg-type]


def test_the_sockets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        guest = Guest()
    assert guest.data.bound == [OWN]
    assert guest.listener.bound == [PATH]
    device = guest.device
    assert (device.path, device.interface, device.info) == (PATH, "", INFO)
    assert device.fileno() == 99
    assert caplog.messages == [f"{PATH} is a {INFO}"]
    device.close()
    assert device.fileno() == -1
    assert guest.system.removed == [PATH]
    assert guest.data.closed
    assert guest.listener.closed


def test_options() -> None:
    system = SocketSystem()
    options = DeviceOptions(device_type="UML", device="/tmp/uml", interface="mesh")
    device = open_device(options, system)
    assert (device.path, device.interface) == ("/tmp/uml", "mesh")
    # Out of reach after a change of user.
    system.failing["remove"] = errno.EACCES
    device.close()


class TestConnecting:
    def test_the_answer_is_our_address(self, caplog: pytest.LogCaptureFixture) -> None:
        guest = Guest()
        with caplog.at_level(logging.INFO):
            stream = guest.call(request())
        assert stream.sent == [struct.pack("=H108s", 1, OWN)]
        assert caplog.messages == ["Connection with UML established"]
        guest.device.write_batch([FRAME])
        assert (guest.data.sent, guest.data.targets) == ([FRAME], [NAME])
        assert guest.read(FRAME) == [FRAME]
        assert (guest.device.bytes_in, guest.device.bytes_out) == (60, 60)

    def test_a_request_in_pieces(self) -> None:
        guest = Guest()
        whole = request()
        stream = guest.call(whole[:50])
        stream.arriving = [errno.EAGAIN]
        guest.device.read_batch(64)
        assert stream.sent == []
        stream.arriving = [whole[50:] + b"more"]
        guest.device.read_batch(64)
        assert len(stream.sent) == 1
        stream.arriving = [b"talk"]
        guest.device.read_batch(64)
        assert not stream.closed

    def test_a_socket_in_the_file_system(self) -> None:
        guest = Guest()
        guest.call(request(name=b"/tmp/guest".ljust(108, b"\0")))
        guest.device.write_batch([FRAME])
        assert guest.data.targets == [b"/tmp/guest"]

    @pytest.mark.parametrize(
        "bad",
        [request(magic=0xDEADBEEF), request(version=2), request(type_=1), bytes(124)],
    )
    def test_a_bad_request(self, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
        guest = Guest()
        stream = guest.call(bad)
        assert stream.closed
        assert caplog.messages[-1].startswith("Unknown magic ")
        assert caplog.messages[-1].endswith(f"from {INFO} {PATH}")
        assert len(guest.call(request()).sent) == 1

    def test_only_one_at_a_time(self) -> None:
        guest = Guest()
        first = guest.call(request())
        second = guest.call(request(name=bytes(108)))
        assert second.closed
        assert not first.closed
        guest.device.write_batch([FRAME])
        assert guest.data.targets == [NAME]

    def test_a_silent_one_gives_way(self) -> None:
        guest = Guest()
        silent = guest.call()
        assert len(guest.call(request()).sent) == 1
        assert silent.closed

    @pytest.mark.parametrize("end", [b"", errno.ECONNRESET])
    def test_a_machine_that_starts_anew(self, end: bytes | int) -> None:
        guest = Guest()
        stream = guest.call(request())
        stream.arriving = [end]
        guest.device.read_batch(64)
        assert stream.closed
        # A hello is all that the stream is for.
        assert guest.read(FRAME) == [FRAME]
        again = guest.call(request(name=NAME[::-1]))
        assert len(again.sent) == 1
        guest.device.write_batch([FRAME])
        assert guest.data.targets == [NAME[::-1]]

    def test_a_caller_that_has_gone_again(self) -> None:
        guest = Guest()
        guest.listener.arriving = [b"readable"]
        assert guest.device.read_batch(64) == []


class TestBefore:
    def test_frames_are_dropped(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "tincd.traffic")
        guest = Guest()
        assert guest.read(FRAME) == []
        guest.device.write_batch([FRAME])
        assert guest.data.sent == []
        assert guest.device.bytes_out == 0
        assert caplog.messages == [
            f"Dropping packet of 60 bytes to {INFO}: not connected to UML yet"
        ]


class TestRouter:
    """Frames from tun devices have no MAC addresses."""

    def test_frames_are_addressed_to_the_machine(self) -> None:
        guest = Guest(router=True)
        guest.call(request())
        guest.device.write_batch([bytes(12) + FRAME[12:]])
        assert guest.data.sent[-1][:12].hex() == "fefd00000000" + "00" * 6
        arp = bytes(6) + bytes.fromhex("02aabbccddee 0806") + bytes(28)
        assert guest.read(arp, FRAME) == [arp, FRAME]
        guest.device.write_batch([bytes(12) + FRAME[12:]])
        assert guest.data.sent[-1][:12].hex() == "02aabbccddee" + "00" * 6


class TestStart:
    def test_what_a_killed_daemon_left(self) -> None:
        system = SocketSystem()
        system.stale = True
        system.sockets[1].bind_errors = [errno.EADDRINUSE]
        open_uml(None, PATH, None, system, (1, 2), router=False)
        assert system.removed == [PATH]
        assert system.sockets[1].bound == [PATH]

    @pytest.mark.parametrize("error", [errno.EADDRINUSE, errno.ENOENT])
    def test_a_place_that_is_taken(self, error: int) -> None:
        system = SocketSystem()
        system.sockets[1].bind_errors = [error]
        with pytest.raises(
            DeviceError, match=f"^Could not bind {INFO} to {PATH}: (Address|No such)"
        ):
            open_uml(None, PATH, None, system, (1, 2), router=False)
        assert all(sock.closed for sock in system.sockets)
        assert system.removed == []

    def test_no_sockets(self) -> None:
        system = SocketSystem()
        system.failing["socket"] = errno.EMFILE
        with pytest.raises(DeviceError, match=f"^Could not open {INFO}: "):
            open_uml(None, PATH, None, system, (1, 2), router=False)
