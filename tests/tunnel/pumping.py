"""A daemon with compiled pumps, a device and UDP sockets for tests.

The system calls of the pumps are inside, so the device is one end of a socket pair and
datagrams cross the loopback interface.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

from tests.tunnel.nosockets import NoSockets
from tests.tunnel.world import World, ipv4
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.udp_options import IP_PKTINFO
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.pumps import Pumps

VNET = struct.Struct("=BBHHHH")
PLAIN = bytes(10)

_UDP_SEGMENT, _UDP_GRO = 103, 104
#: Datagrams in one message; kernels before 6.9 take half of that.
_MOST_IN_ONE = 128


@dataclass
class Device:
    fd: int
    tap: bool = False
    vnet: bool = True
    coalescing: bool = True
    coalescing_udp: bool = False
    bytes_in: int = 0
    bytes_out: int = 0
    failures: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)

    def fileno(self) -> int:
        return self.fd

    def moved(self, bytes_in: int, bytes_out: int) -> None:
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out

    def write_failed(self, error: int) -> None:
        self.failures.append(error)

    def pieces_refused(self, error: int) -> None:
        self.refusals.append(error)


@dataclass
class Sockets(NoSockets):
    udp: list[socket.socket]
    refusals: list[tuple[str, int]] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    #: Index of the socket, datagrams lost, and bytes sent before.
    filled: list[tuple[int, int, int]] = field(default_factory=list)

    def choose(self, address: SocketAddress, remembered: int) -> int | None:
        return None if address.is_ipv6 else remembered

    def full(self, index: int, lost: int, sent: int) -> tuple[int, int]:
        self.filled.append((index, lost, sent))
        return 3000, 500_000

    def endpoint(
        self, address: SocketAddress, remembered: int
    ) -> tuple[int, bool, str] | None:
        if address.is_ipv6:
            return None
        return self.udp[remembered].fileno(), True, address.local

    def descriptors(self) -> list[int]:
        return [udp.fileno() for udp in self.udp]

    def source(
        self, index: int, host: str, port: int, scope: int, local: str
    ) -> SocketAddress:
        return SocketAddress(host, port, scope, local=local).unmapped()

    def train_refused(
        self, address: SocketAddress | None, remembered: int, error: int
    ) -> None:
        self.stopped.append(error)

    def refused(self, peer: str, address: SocketAddress | None, error: int) -> None:
        self.refusals.append((peer, error))


class Lab:
    """Daemon a with pumps, and b and c, whose sockets are in ``far``.

    They send to ``host``, which is one of many if a is ``everywhere``.
    """

    def __init__(
        self,
        world: World,
        *,
        tap: bool = False,
        vnet: bool = True,
        everywhere: bool = False,
    ) -> None:
        self.world = world
        self.host = "127.0.0.1"
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
        self.ours, self.kernel = socket.socketpair(socket.AF_UNIX, kind)
        self.udp = datagram_socket("0.0.0.0" if everywhere else self.host)
        if everywhere:
            self.udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self.far = {name: datagram_socket() for name in ("b", "c")}
        self.device = Device(self.ours.fileno(), tap=tap, vnet=vnet)
        self.sockets = Sockets([self.udp])
        for name in self.far:
            world.link("a", name)
            self.place(name)
        world.ready("b", "c")
        started = pumps.start(self.device, world.pipeline, world.mesh, self.sockets)
        assert started is not None
        self.pumps: Pumps = started

    def place(self, name: str) -> None:
        """Let a node be where its socket is."""
        host, port = self.far[name].getsockname()
        self.world.mesh.set_address(self.world.node(name), SocketAddress(host, port))

    def add(self, name: str) -> None:
        """Let a further node have a socket, and be there."""
        if name not in self.far:
            self.far[name] = datagram_socket()
            self.place(name)

    def close(self) -> None:
        self.pumps.close()
        for sock in (self.ours, self.kernel, self.udp, *self.far.values()):
            sock.close()

    # The kernel's side of the device.

    def give(self, *frames: bytes | bytearray, header: bytes = PLAIN) -> None:
        """Let packets wait in the device."""
        for frame in frames:
            front = b"" if self.device.tap else b"\0\0" + frame[12:14]
            vnet = header if self.device.vnet else b""
            rest = frame if self.device.tap else frame[14:]
            self.kernel.send(front + vnet + rest)

    def out(self) -> None:
        assert self.pumps.from_device(self.world.now) is not Progress.REFUSED

    def waiting(self) -> list[bytes]:
        """Take what the device has and nobody has read."""
        return received(self.ours)

    def written(self) -> list[tuple[bytes, bytes]]:
        """Return header and frame of what was written to the device since."""
        found = []
        skip = 0 if self.device.tap else 4
        for data in received(self.kernel):
            header = data[skip : skip + 10] if self.device.vnet else b""
            rest = data[skip + len(header) :]
            found.append((header, rest if skip == 0 else bytes(12) + data[2:4] + rest))
        return found

    # The far side of the network.

    def arrived(self, name: str) -> list[bytes]:
        """Return the frames that the compiled way has brought to a node."""
        return self.world.peers[name].open(received(self.far[name]))

    def send(self, name: str, *frames: bytes | bytearray) -> None:
        """Let frames of a node wait in our socket."""
        self.send_raw(name, *self.world.peers[name].seal(*frames))

    def send_raw(self, name: str, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.far[name].sendto(datagram, (self.host, self.udp.getsockname()[1]))

    def send_trains(self, name: str, *frames: bytes) -> None:
        """Send frames of one length, as many in one message as the system takes."""
        self.udp.setsockopt(socket.SOL_UDP, _UDP_GRO, 1)
        wire = self.world.peers[name].seal(*frames)
        size = struct.pack("=H", len(wire[0]))
        control = [(socket.SOL_UDP, _UDP_SEGMENT, size)]
        most = _MOST_IN_ONE
        while wire:
            message = [b"".join(wire[:most])]
            try:
                self.far[name].sendmsg(message, control, 0, self.udp.getsockname())
            except OSError:
                assert most == _MOST_IN_ONE
                most //= 2
            else:
                del wire[:most]

    def receive(self) -> None:
        assert self.pumps.from_udp(0, self.world.now) is not Progress.REFUSED


def datagram_socket(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind((host, 0))
    return sock


def received(sock: socket.socket) -> list[bytes]:
    found = []
    try:
        while data := sock.recv(1 << 17):
            found.append(data)
    except BlockingIOError:
        pass
    return found


def packet(number: int, target: str = "10.0.2.1", source: str = "10.0.1.1") -> bytes:
    return bytes(ipv4(source, target, b"payload %4d" % number))
