"""A machine without a kernel, run as a program of its own: ARP and pings as frames.

``multicast GROUP PORT TARGET COUNT`` and ``uml PATH TARGET COUNT`` ask for the MAC
address of TARGET, ping it, and print ``ANSWERS ECHOES``: how many pings were answered,
and how many of its own frames the other side sent back.  Then it stays until it is
killed.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import time
from typing import Protocol

_MAC = bytes.fromhex("02aabbccdd01")
_ADDRESS = bytes([172, 30, 9, 9])
_ALL = b"\xff" * 6
_PATIENCE = 15.0
_PAUSE = 0.3


class Wire(Protocol):
    def send(self, frame: bytes) -> None: ...

    def receive(self) -> bytes:
        """Return a frame; TimeoutError if none comes for a moment."""


class Multicast:
    """Every datagram of the group is a frame; our own do not come back to us."""

    def __init__(self, group: str, port: str) -> None:
        self._place = (group, int(port))
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.bind(self._place)
        request = socket.inet_aton(group) + bytes(4)
        self._in.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        self._in.settimeout(_PAUSE)

    def send(self, frame: bytes) -> None:
        self._out.sendto(frame, self._place)

    def receive(self) -> bytes:
        return self._in.recv(2000)


class Uml:
    """What a User Mode Linux says to its switch."""

    def __init__(self, path: str) -> None:
        own = b"\0guest%d" % os.getpid()
        name = own.ljust(108, b"\0")
        self._data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._data.bind(name)
        self._data.settimeout(_PAUSE)
        self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream.settimeout(5)
        self._stream.connect(path)
        head = struct.pack("=IIIH", 0xFEEDFACE, 3, 0, socket.AF_UNIX)
        self._stream.sendall(head + name + bytes(2))
        answer = self._stream.recv(110, socket.MSG_WAITALL)
        if len(answer) != 110 or answer[:2] != struct.pack("=H", socket.AF_UNIX):
            raise ConnectionError(f"a bad answer: {answer.hex()}")
        self._peer = answer[2:]

    def send(self, frame: bytes) -> None:
        self._data.sendto(frame, self._peer)

    def receive(self) -> bytes:
        return self._data.recv(2000)


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return struct.pack(">H", 0xFFFF - total)


def _ask(target: bytes) -> bytes:
    body = bytes.fromhex("0001080006040001") + _MAC + _ADDRESS + bytes(6) + target
    return _ALL + _MAC + b"\x08\x06" + body


def _echo(mac: bytes, target: bytes, number: int) -> bytes:
    data = struct.pack(">HH", 0x77, number) + b"ping" * 16
    icmp = b"\x08\0" + _checksum(b"\x08\0\0\0" + data) + data
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(icmp), number, 0, 64, 1)
    sums = _checksum(head + b"\0\0" + _ADDRESS + target)
    return mac + _MAC + b"\x08\0" + head + sums + _ADDRESS + target + icmp


class Guest:
    """Sends frames and waits for what answers them."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sent: set[bytes] = set()
        self.echoes = 0

    def ask(self, frame: bytes, kind: bytes, at: int, answer: bytes) -> bytes | None:
        """Send a frame until one of that kind has ``answer`` at ``at``; return it."""
        self._sent.add(frame)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            self._wire.send(frame)
            try:
                while True:
                    found = self._wire.receive()
                    self.echoes += found in self._sent
                    at_end = at + len(answer)
                    if found[12:14] == kind and found[at:at_end] == answer:
                        return found
            except TimeoutError:
                continue
        return None


def main(kind: str, *rest: str) -> None:
    *place, target, count = rest
    wire: Wire = Multicast(*place) if kind == "multicast" else Uml(*place)
    guest = Guest(wire)
    address = socket.inet_aton(target)
    found = guest.ask(_ask(address), b"\x08\x06", 20, b"\0\2")
    if found is None:
        sys.exit(f"no answer to ARP for {target}")
    answers = 0
    for number in range(int(count)):
        frame = _echo(found[22:28], address, number)
        expected = struct.pack(">HH", 0x77, number)
        reply = guest.ask(frame, b"\x08\0", 38, expected)
        answers += reply is not None and reply[34] == 0
    print(answers, guest.echoes, flush=True)
    # C tincd ends itself where its machine is away while there is a frame for it.
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
