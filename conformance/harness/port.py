"""The network behind a device: raw frames in, raw frames out, VLAN tags included."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final

from conformance.harness.checks import expect_equal
from conformance.harness.daemon import NETNAME, TincNode
from conformance.harness.packetsocket import open_packets, receive
from conformance.harness.waits import wait_for

#: A type for local experiments (IEEE 802): no kernel says or answers it.
EXPERIMENT: Final = b"\x88\xb5"
EVERYBODY: Final = b"\xff" * 6

_VLAN: Final = 0x8100
_LIMIT: Final = 30.0


def read(sock: socket.socket) -> tuple[bytes, int] | None:
    """Return the next frame that came out of the device, and its type; None if none."""
    while (packet := receive(sock)) is not None:
        if not packet.outgoing:
            return packet.data, packet.kind
    return None


def station(number: int) -> bytes:
    """Return the MAC address of a station of that number, which nobody else has."""
    return b"\x02\0\0\0\1" + bytes([number])


def frame(
    target: bytes, source: bytes, text: str, *, tag: int = 0, size: int = 60
) -> bytes:
    """Return a frame of that size with a text to know it by, in a VLAN if tagged."""
    vlan = struct.pack(">HH", _VLAN, tag) if tag else b""
    return (target + source + vlan + EXPERIMENT + text.encode()).ljust(size, b".")


class Port:
    """Stations behind the tap device of a node, which must be up."""

    def __init__(self, node: TincNode) -> None:
        self.node = node
        self._socket = open_packets(node.namespace, NETNAME)
        self._frames: list[bytes] = []

    @property
    def station(self) -> bytes:
        """The MAC address of a station that is only here."""
        return station(ord(self.node.name))

    def show(self) -> None:
        """Let the station be seen, so that the mesh learns it."""
        self.send(frame(EVERYBODY, self.station, "here I am"))

    def send(self, *frames: bytes) -> None:
        for data in frames:
            kind = int.from_bytes(data[12:14], "big")
            self._socket.sendto(data, (NETNAME, kind))

    def received(self) -> list[bytes]:
        """Return the frames of experiments that came since the last ``clear``."""
        while (found := read(self._socket)) is not None:
            if EXPERIMENT in (found[0][12:14], found[0][16:18]):
                self._frames.append(found[0])
        return list(self._frames)

    def clear(self) -> None:
        self.received()
        self._frames.clear()

    def close(self) -> None:
        self._socket.close()


def expect_frame(
    data: bytes, origin: Port, there: Sequence[Port], nowhere: Sequence[Port] = ()
) -> None:
    """Let a station send a frame, and demand it once at each of ``there`` only.

    Each of ``nowhere`` then gets a frame for itself alone: where that is, the first one
    would be too by now.
    """
    for port in (*there, *nowhere):
        port.clear()
    origin.send(data)
    name = origin.node.name
    shown = f"{data[12:40]!r} of {len(data)} bytes from {name}"
    for port in there:
        _wait_frame(data, shown, port)
    for port in nowhere:
        guard = frame(port.station, data[6:12], f"a guard for {port.node.name}")
        origin.send(guard)
        _wait_frame(guard, "a guard", port)
    for port in (*there, *nowhere):
        count = port.received().count(data)
        wanted = 1 if port in there else 0
        expect_equal(f"how often {shown} came to {port.node.name}", count, wanted)


def _wait_frame(data: bytes, shown: str, port: Port) -> None:
    what = f"{shown} reaches {port.node.name}"
    wait_for(what, lambda: data in port.received(), _LIMIT, every=0.01)
