"""Frames as the kernel gives them, and as they were on the wire."""

from __future__ import annotations

import socket
import struct
from typing import cast

from conformance.harness.packetsocket import Packet, receive

_MACS = bytes(range(12))


class _Kernel:
    """Gives one frame and what the kernel says beside it."""

    def __init__(self, data: bytes, *extra: tuple[int, int, bytes], kind: int) -> None:
        self._answer = (data, extra, 0, ("eth0", 0x800, kind, 1, bytes(6)))

    def recvmsg(self, _size: int, _space: int) -> object:
        return self._answer


def _receive(kernel: _Kernel) -> Packet | None:
    return receive(cast("socket.socket", kernel))


def test_length_and_time_are_those_of_the_whole_packet() -> None:
    auxdata = struct.pack("IIIHHHH", 0, 1500, 256, 0, 0, 0, 0)
    time = struct.pack("=qq", 1_700_000_000, 5)
    kernel = _Kernel(bytes(256), (1, 29, time), (263, 8, auxdata), kind=4)
    packet = Packet(bytes(256), 0x800, True, 1500, (1_700_000_000, 5))
    assert _receive(kernel) == packet


def test_a_tag_that_the_kernel_took_off_is_put_back() -> None:
    auxdata = struct.pack("IIIHHHH", 0x10, 60, 60, 0, 0, 7, 0)
    kernel = _Kernel(_MACS + b"\x08\x06" + bytes(46), (263, 8, auxdata), kind=0)
    found = _receive(kernel)
    assert found is not None
    assert found.data[:16] == _MACS + b"\x81\x00\x00\x07"
    assert (found.length, found.outgoing) == (64, False)
