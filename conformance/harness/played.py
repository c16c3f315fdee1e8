"""A neighbour that is played: what passes between it and a daemon are frames.

They go as PACKET over its meta connection, for it never gives a key; or as datagrams of
a sequence number and a frame, if the daemon uses neither cipher nor digest.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh
from conformance.harness.netns import Namespace

#: What a daemon must be configured with to take datagrams from here.
PLAIN: Final = ("Cipher = none", "Digest = none")

_PMTU_DISCOVERY: Final = 0x4
_PORT: Final = 655
_SIZE: Final = 2048
_SEQUENCE_NUMBER: Final = 4
_SPACE: Final = socket.CMSG_SPACE(4)
# Linux numbers that Python 3.11's socket module does not name: IP_RECVTOS.
_FAMILIES: Final = (
    (socket.AF_INET, socket.IPPROTO_IP, 13),
    (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What to play: ``host`` are lines of its host file at the daemon.

    ``says`` are requests and words of further announcements, their nonces still
    missing: ``("12", "y far 10.0.0.1 655 c 1")``. ``ipv6``: its datagrams travel so.
    """

    name: str
    options: int = 0xC
    host: tuple[str, ...] = ()
    says: tuple[tuple[str, str], ...] = ()
    ipv6: bool = False


class Played:
    """A neighbour that has joined, and owns the subnets of its number in the mesh.

    With ``datagrams`` it has no PMTU discovery: every size is sent at once.
    """

    def __init__(
        self, lab: Lab, mesh: Mesh, daemon: str, plan: Neighbour, *, datagrams: bool
    ) -> None:
        self.name = plan.name
        #: How many frames came by UDP.
        self.datagrams = 0
        self._came: list[tuple[str, bytes]] = []
        number = list(mesh.nodes).index(plan.name) + 1
        options = plan.options & ~(_PMTU_DISCOVERY if datagrams else 0)
        target = calling(lab, mesh, daemon, plan.name)
        self._member = Member(target, plan.name, options=options)
        self._member.connect()
        self._member.introduce()
        self._member.own(f"172.30.{number}.0/24", f"fd30:0:0:{number}:0:0:0:0/64")
        self._member.say(
            f"{request} {number}{index} {words}".encode()
            for index, (request, words) in enumerate(plan.says, start=100)
        )
        self._udp: _PlainUdp | None = None
        if datagrams:
            own, its = (_outer(mesh, name, plan.ipv6) for name in (plan.name, daemon))
            self._udp = _PlainUdp(mesh[plan.name].namespace, own, its)
            key = f"16 {plan.name} {daemon} 5A 0 0 4 0 {own} {_PORT}"
            self._member.say([key.encode()])
        self._member.settle()

    def put(self, frames: Iterable[bytes]) -> None:
        """Send frames at once, so that the daemon gets them in one turn."""
        if self._udp is not None:
            for frame in frames:
                self._udp.send(frame)
            return
        said = [b"17 %d\n%b" % (len(frame), frame) for frame in frames]
        self._member.say_raw(b"".join(said))

    def settle(self) -> None:
        """Wait until the daemon has handled what came over the meta connection."""
        self._member.settle()
        self.turn()

    def turn(self, patience: float = 0.0) -> None:
        """Receive what has come, or comes within ``patience`` seconds by TCP."""
        self._member.turn(patience)
        self._came += [(self.name, frame) for frame in self._member.frames]
        self._member.frames.clear()
        if self._udp is not None:
            for frame, tos in self._udp.receive():
                self.datagrams += 1
                where = f"{self.name} by TOS {tos:02x}" if tos else self.name
                self._came.append((where, frame))

    def take(self) -> list[tuple[str, bytes]]:
        """Return the frames that have come, and to whom: to this one, by which TOS."""
        came, self._came = self._came, []
        return came

    def take_one(self, payload: bytes) -> bool:
        """Take the one frame that ends so; False if it has not come."""
        for index, (_, frame) in enumerate(self._came):
            if frame.endswith(payload):
                del self._came[index]
                return True
        return False

    def close(self) -> None:
        self._member.close()
        if self._udp is not None:
            self._udp.close()


def _outer(mesh: Mesh, name: str, ipv6: bool) -> str:
    if not ipv6:
        return mesh[name].outer[0]
    return f"fd99:1::{list(mesh.nodes).index(name) + 1}"


class _PlainUdp:
    """The UDP socket of a node, towards one daemon."""

    def __init__(self, namespace: Namespace, own: str, daemon: str) -> None:
        family, level, option = _FAMILIES[":" in own]
        self._socket = namespace.open_socket(family, socket.SOCK_DGRAM)
        self._socket.bind((own, _PORT))
        self._socket.setsockopt(level, option, 1)
        self._socket.connect((daemon, _PORT))
        self._socket.setblocking(False)
        self._sent = 0

    def send(self, frame: bytes) -> None:
        self._sent += 1
        self._socket.send(self._sent.to_bytes(_SEQUENCE_NUMBER, "big") + frame)

    def receive(self) -> list[tuple[bytes, int]]:
        """Return the frames that have arrived, each with its datagram's TOS."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(_SIZE, _SPACE)
                tos = sum(value[0] for _, _, value in ancillary)
                frames.append((data[_SEQUENCE_NUMBER:], tos))
        return frames

    def close(self) -> None:
        self._socket.close()
