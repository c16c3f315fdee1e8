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

from pyroute2 import netns

from conformance.harness.daemon import TincNode
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh

#: What a daemon must be configured with to take datagrams from here.
PLAIN: Final = ("Cipher = none", "Digest = none")

_PMTU_DISCOVERY: Final = 0x4
_PORT: Final = 655
_SIZE: Final = 2048
_SEQUENCE_NUMBER: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """What to play: ``host`` are lines of its host file at the daemon.

    ``says`` are requests and words of further announcements, their nonces still
    missing: ``("12", "y far 10.0.0.1 655 c 1")``.
    """

    name: str
    options: int = 0xC
    host: tuple[str, ...] = ()
    says: tuple[tuple[str, str], ...] = ()


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
            self._udp = _PlainUdp(mesh[plan.name], mesh[daemon])
            self._member.say([f"16 {plan.name} {daemon} 5A 0 0 4 0".encode()])
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
        """Take what has come, or comes within ``patience`` seconds by TCP."""
        self._member.turn(patience)
        if self._udp is not None:
            came = self._udp.receive()
            self.datagrams += len(came)
            self.frames.extend(came)

    @property
    def frames(self) -> list[bytes]:
        """What has come and was not removed from here."""
        return self._member.frames

    def close(self) -> None:
        self._member.close()
        if self._udp is not None:
            self._udp.close()


class _PlainUdp:
    """The UDP socket of a node, towards one daemon."""

    def __init__(self, own: TincNode, daemon: TincNode) -> None:
        netns.pushns(own.namespace.name)
        try:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((own.outer[0], _PORT))
        finally:
            netns.popns()
        self._socket.connect((daemon.outer[0], _PORT))
        self._socket.setblocking(False)
        self._sent = 0

    def send(self, frame: bytes) -> None:
        self._sent += 1
        self._socket.send(self._sent.to_bytes(_SEQUENCE_NUMBER, "big") + frame)

    def receive(self) -> list[bytes]:
        """Return the frames that have arrived."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(self._socket.recv(_SIZE)[_SEQUENCE_NUMBER:])
        return frames

    def close(self) -> None:
        self._socket.close()
