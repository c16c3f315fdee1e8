"""UDP sockets: batches in, trains out.

One socket is bound to each listening address and everything leaves through these, so
the source port is always the listening port.  Equal datagrams for one peer travel as
one message that the kernel cuts up (UDP_SEGMENT), and the kernel hands several
datagrams of one peer over in one piece (UDP_GRO).  Both are probed when the socket is
taken over, and both can be switched off.

Answers to the socket part of tincd's net_socket and net_packet; what the datagrams mean
is for :mod:`tincd_compat.tunnel` to know.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.buffers import RunLimit, SendBuffer
from tincd_compat.transport.local import from_sockaddr, local_address
from tincd_compat.transport.pktinfo import (
    PKTINFO_SPACE,
    Control,
    SourceAddresses,
    spoken_to,
)
from tincd_compat.transport.trains import Refusals, split_runs
from tincd_compat.transport.udp_options import DatagramSocket, to_sockaddr

#: A coalesced message may have this many bytes; a smaller buffer loses its tail.
MESSAGE_SIZE: Final = 1 << 16
#: Cached source addresses; a stranger who invents more only empties the cache.
MAX_KNOWN_ADDRESSES: Final = 1024

# Linux numbers that Python 3.11's socket module does not name.
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
# Members of modules are looked up slowly.
_SOL_UDP: Final = socket.SOL_UDP

_SEGMENT_SIZE = struct.Struct("=H")
_GRO_SIZE = struct.Struct("=i")
_CONTROL_SPACE: Final = socket.CMSG_SPACE(_GRO_SIZE.size) + PKTINFO_SPACE
#: The system has no room for a datagram at the moment.
_FULL: Final = frozenset({errno.EAGAIN, errno.EINTR, errno.ENOBUFS})

Datagram: TypeAlias = tuple[bytes, SocketAddress, int]
#: What one read brings: datagrams in one piece, the size of each (of the last, at
#: most), and where they came from: the socket's word, and behind it what it says of
#: the address of ours that they were for, if it does.
Message: TypeAlias = tuple[bytes, int, tuple[Any, ...]]


def segmentation_is_sound(release: str) -> bool:
    """Tell whether this kernel's UDP_SEGMENT can be trusted.

    Linux 7.0 to 7.1.4 send trains of equal datagrams with broken headers, and nothing
    at run time shows it.
    """
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    if match is None:
        return False
    version = tuple(int(number or 0) for number in match.groups())
    return not (7, 0, 0) <= version <= (7, 1, 4)


class UdpSocket:
    """One bound socket with what the kernel can do for it.

    ``segmentation`` and ``coalescing`` are wishes; the attributes of the same name say
    what is in use.  ``elastic`` lets the send buffer have the size that is good.
    """

    def __init__(
        self,
        sock: DatagramSocket,
        *,
        segmentation: bool = True,
        coalescing: bool = True,
        release: str | None = None,
        elastic: bool = False,
    ) -> None:
        self.sock = sock
        self.buffer = SendBuffer(sock, elastic=elastic)
        self.is_ipv6 = sock.family == socket.AF_INET6
        kernel = os.uname().release if release is None else release
        self.segmentation = (
            segmentation and segmentation_is_sound(kernel) and self._can_segment()
        )
        self.coalescing = coalescing and self._start_coalescing()
        self._refusals = Refusals()
        self._tos = 0
        self._buffer = memoryview(bytearray(MESSAGE_SIZE))
        self._addresses: dict[tuple[Any, ...], SocketAddress] = {}

    def _can_segment(self) -> bool:
        try:
            self.sock.getsockopt(socket.SOL_UDP, UDP_SEGMENT)
        except OSError:
            return False
        return True

    def _start_coalescing(self) -> bool:
        try:
            self.sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
            # Kernels too old to read it back are too old to be trusted with it.
            return self.sock.getsockopt(socket.SOL_UDP, UDP_GRO) == 1
        except OSError:
            return False

    def read(self) -> Message | None:
        """Read one message, None if there is none; OSError as from the socket."""
        try:
            # The buffer has room for a coalesced message in any case: it costs nothing.
            got = self.sock.recvmsg_into((self._buffer,), _CONTROL_SPACE)
        except (BlockingIOError, InterruptedError):
            return None
        length, ancillary, _flags, sockaddr = got
        size = 0
        for level, kind, data in ancillary:
            if level != _SOL_UDP:
                # What of it counts is found out once for each: in source().
                sockaddr = (*sockaddr, data)
            elif kind == UDP_GRO and len(data) >= _GRO_SIZE.size:
                size = max(_GRO_SIZE.unpack_from(data)[0], 0)
        return bytes(self._buffer[:length]), size or length, sockaddr

    def source(self, sockaddr: tuple[Any, ...]) -> SocketAddress:
        """Return the address of a received datagram, IPv4-mapped ones as IPv4."""
        address = self._addresses.get(sockaddr)
        if address is None:
            if len(self._addresses) >= MAX_KNOWN_ADDRESSES:
                self._addresses.clear()
            local = ""
            known = sockaddr
            if isinstance(sockaddr[-1], bytes):
                known, local = sockaddr[:-1], spoken_to(sockaddr[-1])
            elif len(sockaddr) in (3, 5):
                known, local = sockaddr[:-1], sockaddr[-1]
            address = self._addresses[sockaddr] = from_sockaddr(known, local)
        return address

    def set_tos(self, tos: int) -> None:
        """Give the datagrams that follow this type of service or traffic class."""
        if tos == self._tos:
            return
        family = "IPv6" if self.is_ipv6 else "IPv4"
        logs.traffic.debug("Setting %s outgoing packet priority to %d", family, tos)
        if self.is_ipv6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        self._tos = tos

    def send_one(
        self, sockaddr: tuple[Any, ...], source: Control, datagram: bytes
    ) -> OSError | None:
        """Send one datagram without a type of service; return why it is refused."""
        if self._tos:
            self.set_tos(0)
        try:
            if source:
                sent = self.sock.sendmsg((datagram,), source, 0, sockaddr)
            else:
                sent = self.sock.sendto(datagram, sockaddr)
            self.buffer.sent += sent
        except OSError as error:
            if error.errno not in _FULL:
                return error
            self.buffer.full(1)
        return None

    def send(
        self,
        train: Sequence[bytes],
        sockaddr: tuple[Any, ...],
        source: Control = (),
    ) -> list[tuple[int, OSError]]:
        """Send a train in its order; return the datagrams refused, and why.

        ``source`` names the address of ours that it comes from.

        A full socket buffer is only counted: the datagrams are lost, as on the way.
        """
        if not self.segmentation or len(train) == 1:
            return self._send_singly(train, 0, len(train), sockaddr, source)
        refused: list[tuple[int, OSError]] = []
        limits = self._refusals.shortest(sockaddr), self.buffer.longest_run
        for start, end in split_runs([len(each) for each in train], *limits):
            failure = self._send_run(train[start:end], sockaddr, source)
            if failure is None:
                continue
            singly = self._send_singly(train, start, end, sockaddr, source)
            refused += singly
            if failure.errno and _passes(singly, end - start):
                self.train_refused(sockaddr, failure.errno, len(train[start]))
        return refused

    def train_refused(
        self, sockaddr: tuple[Any, ...], error: int, length: int = 1
    ) -> None:
        """Note that the system takes these datagrams singly, but not as one message."""
        new = self._refusals.learn(sockaddr, error, length)
        if new and error != errno.EMSGSIZE:
            address, reason = from_sockaddr(sockaddr), os.strerror(error)
            logs.connections.info("No UDP segmentation to %s: %s", address, reason)

    def _send_run(
        self, run: Sequence[bytes], sockaddr: tuple[Any, ...], source: Control
    ) -> OSError | None:
        """Send a run as one message; an error if it has to go datagram by datagram.

        EMSGSIZE of a run says nothing about its datagrams: they are asked singly.
        """
        if len(run) == 1:
            return OSError()
        size = _SEGMENT_SIZE.pack(len(run[0]))
        ancillary = ((socket.SOL_UDP, UDP_SEGMENT, size), *source)
        try:
            self.buffer.sent += self.sock.sendmsg(run, ancillary, 0, sockaddr)
        except OSError as error:
            if error.errno not in _FULL:
                return error
            self.buffer.full(len(run))
        return None

    def _send_singly(
        self,
        train: Sequence[bytes],
        start: int,
        end: int,
        sockaddr: tuple[Any, ...],
        source: Control,
    ) -> list[tuple[int, OSError]]:
        sock, refused = self.sock, list[tuple[int, OSError]]()
        for index in range(start, end):
            try:
                if source:
                    sent = sock.sendmsg((train[index],), source, 0, sockaddr)
                else:
                    sent = sock.sendto(train[index], sockaddr)
                self.buffer.sent += sent
            except OSError as error:
                if error.errno in _FULL:
                    self.buffer.full(1)
                else:
                    refused.append((index, error))
        return refused


def _passes(refused: Sequence[tuple[int, OSError]], count: int) -> bool:
    """Tell whether a run was refused whose ``count`` datagrams pass singly.

    An interface without checksum offload, or a route with IPsec, says so only then.
    If all of them fail as well it is the address that the kernel dislikes.  If some are
    too long, that is what it said of the run, with EINVAL before Linux 6.14.
    """
    too_long = any(error.errno == errno.EMSGSIZE for _, error in refused)
    return len(refused) < count and not too_long


class UdpSockets:
    """All UDP sockets of the daemon, numbered as its listening addresses are."""

    def __init__(
        self,
        sockets: Sequence[UdpSocket],
        *,
        route: Callable[[bytes], bytes | None] = local_address,
    ) -> None:
        self.sockets = list(sockets)
        #: Where datagrams come from, if not from where the routing table says.
        self._sources = SourceAddresses(route)
        self._complained = -1.0
        #: Hears that datagrams to a host, None for all, leave from another address.
        self.sources_changed: Callable[[str | None], None] = lambda host: None

    def close(self) -> None:
        for udp in self.sockets:
            udp.sock.close()

    def choose(self, address: SocketAddress, remembered: int) -> int | None:
        """Return the index of the socket to send from, None if no family fits.

        The remembered one if it fits, else the first that does.
        """
        wanted, sockets = address.is_ipv6, self.sockets
        if 0 <= remembered < len(sockets) and sockets[remembered].is_ipv6 == wanted:
            return remembered
        fitting = (i for i, udp in enumerate(sockets) if udp.is_ipv6 == wanted)
        return next(fitting, None)

    def descriptors(self) -> list[int]:
        return [udp.sock.fileno() for udp in self.sockets]

    def source(
        self, index: int, host: str, port: int, scope: int, local: str
    ) -> SocketAddress:
        """Return the address of a datagram that was received on a socket elsewhere."""
        ipv6 = ":" in host
        sockaddr: tuple[Any, ...]
        sockaddr = (host, port, 0, scope) if ipv6 else (host, port)
        if local:
            sockaddr = (*sockaddr, local)
        return self.sockets[index].source(sockaddr)

    def routes_changed(self) -> None:
        """Our addresses or routes are others: those told may come from elsewhere."""
        self._sources.forget()
        self.sources_changed(None)

    def recv_batch(self, index: int, limit: int = 64) -> list[Datagram]:
        """Read until ``limit`` datagrams are there or none is left.

        A coalesced message is never split, so a few more than ``limit`` may come.
        """
        batch: list[Datagram] = []
        while len(batch) < limit and (message := self.read(index)) is not None:
            batch += self.cut(index, message)
        return batch

    def read(self, index: int) -> Message | None:
        """Read one message of a socket; None if there is none, or it failed."""
        try:
            return self.sockets[index].read()
        except OSError as error:
            self.read_failed(error)
            return None

    def read_failed(self, error: OSError) -> None:
        """Log that reading a socket failed; the next read may succeed."""
        if self._may_complain(logs.always, logging.ERROR):
            logs.always.error("Receiving packet failed: %s", error.strerror)

    def cut(self, index: int, message: Message) -> list[Datagram]:
        """Return the datagrams of a message that a socket received."""
        data, size, sockaddr = message
        address = self.sockets[index].source(sockaddr)
        if size >= len(data):
            return [(data, address, index)]
        return [
            (data[at : at + size], address, index) for at in range(0, len(data), size)
        ]

    def send_train(
        self,
        address: SocketAddress | None,
        train: Sequence[bytes],
        socket_index: int = 0,
        tos: int = 0,
        *,
        peer: str = "",
    ) -> list[int]:
        """Send datagrams to one address in order.

        Returns the indices that are too big for the path.  Other failures are logged
        with ``peer`` (the node's name) and forgotten.
        """
        index = None if address is None else self.choose(address, socket_index)
        if address is None or index is None:
            self._complain(peer, address, os.strerror(errno.EAFNOSUPPORT))
            return []
        udp = self.sockets[index]
        udp.set_tos(tos)
        too_big: list[int] = []
        source = self._sources.of(address)
        for position, refusal in udp.send(train, to_sockaddr(address), source):
            if refusal.errno == errno.EMSGSIZE:
                too_big.append(position)
            else:
                self.refused(peer, address, refusal.errno or 0)
        return too_big

    def broadcast(
        self, port: int, train: Sequence[bytes], socket_index: int, *, peer: str = ""
    ) -> list[int]:
        """Send datagrams to everybody on the local networks of one socket."""
        udp = self.sockets[socket_index]
        if udp.is_ipv6:
            scope: int = udp.sock.getsockname()[3]
            address = SocketAddress("ff02::1", port, scope)
        else:
            address = SocketAddress("255.255.255.255", port)
        return self.send_train(address, train, socket_index, peer=peer)

    def endpoint(
        self, address: SocketAddress, remembered: int
    ) -> tuple[int, bool, str] | None:
        """Return the socket that :meth:`choose` chooses, and whether it takes trains.

        Behind both is the address of ours to send from, "" if the system chooses it.
        """
        index = self.choose(address, remembered)
        if index is None:
            return None
        udp = self.sockets[index]
        local = address.local if self._sources.of(address) else ""
        return udp.sock.fileno(), udp.segmentation, local

    def sender(
        self, address: SocketAddress, remembered: int
    ) -> Callable[[bytes], OSError | None] | None:
        """Return what sends one datagram from the socket that :meth:`choose` chooses.

        It returns why the datagram is refused, as :meth:`UdpSocket.send_one` does.
        """
        index = self.choose(address, remembered)
        if index is None:
            return None
        source = self._sources.of(address)
        return partial(self.sockets[index].send_one, to_sockaddr(address), source)

    def train_refused(
        self, address: SocketAddress | None, remembered: int, error: int
    ) -> None:
        """Note that the system takes a train to there only datagram by datagram."""
        index = None if address is None else self.choose(address, remembered)
        if address is not None and index is not None:
            self.sockets[index].train_refused(to_sockaddr(address), error)

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        """The system has refused datagrams.

        An address of ours that it does not have any more is no place to come from.
        """
        self._complain(peer, address, os.strerror(error))
        if address is not None and self._sources.refused(address, error):
            self.sources_changed(address.host)

    def full(self, index: int, lost: int, sent: int) -> RunLimit:
        """So many datagrams of a compiled pump have found the buffer of a socket full.

        ``sent`` counts the bytes that the socket has ever taken from the pump, which is
        told how long its messages may be.
        """
        buffer = self.sockets[index].buffer
        buffer.full(lost, sent)
        return buffer.limit

    @property
    def lost(self) -> int:
        """The number of datagrams that have found the buffer of a socket full."""
        return sum(udp.buffer.lost for udp in self.sockets)

    def _complain(
        self, peer: str, address: SocketAddress | None, reason: str | None
    ) -> None:
        level = logging.WARNING
        if logs.traffic.isEnabledFor(level) and self._may_complain(logs.traffic, level):
            logs.traffic.warning(
                "Error sending packet to %s (%s): %s", peer, address, reason
            )

    def _may_complain(self, logger: logging.Logger, level: int) -> bool:
        """Allow one line a second: a failure mostly meets every datagram."""
        now = time.monotonic()
        if now - self._complained < 1:
            logs.suppressed.add(logger, level)
            return False
        self._complained = now
        return True
