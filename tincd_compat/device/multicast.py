"""DeviceType = multicast: every datagram to a group is one bare Ethernet frame.

``Device = GROUP PORT [TTL]``.  The ``mcast`` networks of QEMU and UML speak the same.

What we write comes back to us, as it does to others on this machine, and must not be
taken for something new.  Two signs give it away: it is what was just written, byte for
byte; and, as tincd has it, its source is that of the last frame written, which also
stops what another tincd at the same group brings round.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections import Counter, deque
from typing import Final

from tincd_compat import logs
from tincd_compat.checksums import Buffer
from tincd_compat.device.sockets import MAX_FRAME, SocketDevice
from tincd_compat.device.system import Address, System
from tincd_compat.errors import DeviceError

_INFO: Final = "multicast socket"
_MAX_TTL: Final = 255
#: Frames written whose return is awaited: some bursts, in case none comes back.
_REMEMBERED: Final = 256


class Multicast(SocketDevice):
    """One group; ``group`` is where frames are sent."""

    def __init__(
        self, sock: socket.socket, path: str, interface: str, group: Address
    ) -> None:
        super().__init__(sock, path, interface, _INFO)
        self._group = group
        self._last_source = bytes(6)
        self._order: deque[int] = deque()
        self._awaited: Counter[int] = Counter()

    def _receive(self) -> bytearray:
        frame = bytearray(self._sock.recv(MAX_FRAME))
        if self._returned(frame) or frame[6:12] == self._last_source:
            text = "Ignoring loopback packet of %d bytes from %s"
            logs.scary.log(logging.DEBUG, text, len(frame), self.info)
            return bytearray()
        return frame

    def _send(self, frame: Buffer) -> None:
        self._sock.sendto(frame, self._group)
        self._last_source = bytes(frame[6:12])
        mark = hash(bytes(frame))
        self._order.append(mark)
        self._awaited[mark] += 1
        if len(self._order) > _REMEMBERED:
            self._forget(self._order.popleft())

    def _returned(self, frame: bytearray) -> bool:
        """Tell whether a frame is one of ours; each comes back once."""
        mark = hash(bytes(frame))
        if mark not in self._awaited:
            return False
        self._order.remove(mark)
        self._forget(mark)
        return True

    def _forget(self, mark: int) -> None:
        self._awaited[mark] -= 1
        if not self._awaited[mark]:
            del self._awaited[mark]


def open_multicast(
    device: str | None, interface: str | None, family: int, system: System
) -> Multicast:
    """Join the group that ``device`` names; DeviceError if that fails."""
    if not device:
        raise DeviceError(
            "Device variable required for multicast socket"
            " (write `Device = GROUP PORT [TTL]')"
        )
    host, port, ttl = _parts(device)
    try:
        family, group = system.lookup(host, port, family)
    except OSError as error:
        text = f"Error looking up {host} port {port}: {error.strerror}"
        raise DeviceError(text) from error
    try:
        sock = system.new_socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise DeviceError(f"Creating socket failed: {error.strerror}") from error
    try:
        _join(sock, family, group, device, ttl)
    except DeviceError:
        sock.close()
        raise
    return Multicast(sock, device, interface or "", group)


def _parts(device: str) -> tuple[str, str, int]:
    """Return group, port and TTL."""
    host, *rest = device.split()
    if not rest:
        raise DeviceError(
            "Port number required for multicast socket"
            f" (write `Device = {host} PORT [TTL]')"
        )
    if len(rest) == 1:
        return host, rest[0], 1
    if rest[1].isdecimal() and int(rest[1]) <= _MAX_TTL:
        return host, rest[0], int(rest[1])
    text = "TTL `%s' of the multicast socket is not a number from 0 to 255, using 1"
    logs.always.warning(text, rest[1])
    return host, rest[0], 1


def _join(
    sock: socket.socket, family: int, group: Address, device: str, ttl: int
) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(group)
    except OSError as error:
        raise DeviceError(f"Can't bind to {device}: {error.strerror}") from error
    try:
        join = _join_ipv6 if family == socket.AF_INET6 else _join_ipv4
        join(sock, group, ttl)
    except OSError as error:
        advice = ""
        if family == socket.AF_INET:
            advice = " (it takes an address of 224.0.0.0/4 and a route to it)"
        text = f"Cannot join multicast group {device}: {error.strerror}{advice}"
        raise DeviceError(text) from error


def _join_ipv4(sock: socket.socket, group: Address, ttl: int) -> None:
    request = socket.inet_aton(str(group[0])) + bytes(4)
    level = socket.IPPROTO_IP
    sock.setsockopt(level, socket.IP_ADD_MEMBERSHIP, request)
    sock.setsockopt(level, socket.IP_MULTICAST_LOOP, 1)
    sock.setsockopt(level, socket.IP_MULTICAST_TTL, ttl)


def _join_ipv6(sock: socket.socket, group: Address, ttl: int) -> None:
    host = str(group[0]).partition("%")[0]
    scope = group[3] if len(group) == 4 else 0
    request = socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", scope)
    level = socket.IPPROTO_IPV6
    sock.setsockopt(level, socket.IPV6_JOIN_GROUP, request)
    sock.setsockopt(level, socket.IPV6_MULTICAST_LOOP, 1)
    sock.setsockopt(level, socket.IPV6_MULTICAST_HOPS, ttl)
