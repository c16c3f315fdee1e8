"""A member gone bad: it proves its name like any node, and then says what it likes.

The protocol is our own MetaConnection, as the side that calls, with what it takes to
break the rules: other words in place of a request of the handshake, and raw bytes.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import select
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh
from conformance.harness.peer import CIPHER, OPTIONS, Target
from conformance.harness.waits import Failed
from tincd_compat.addresses import Subnet
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    Identity,
    MetaConnection,
    PacketsReceived,
    PeerIdentity,
    Role,
)
from tincd_compat.meta.messages import AddEdge, AddSubnet, Request
from tincd_compat.meta.output import MetaOutput
from tincd_compat.meta.stream import MetaStream
from tincd_compat.meta.wording import PeerLabel

_READ_SIZE: Final = 1 << 16
_LIMIT: Final = 30.0
#: C parks all but the first ten connections that it accepts within a second.
_APART: Final = 0.11


def calling(lab: Lab, mesh: Mesh, daemon: str, member: str) -> Target:
    """Let a node that is not started, and so is free to be played, call a daemon."""
    own, its = (list(mesh.nodes).index(name) for name in (member, daemon))
    keys = lab.keys
    namespace = mesh[member].namespace.name
    return Target.of(mesh[daemon], namespace, keys.pair(own), keys.pair(its))


class _FreeOutput(MetaOutput):
    """The sending half that has other words in place of some requests."""

    def __init__(
        self, stream: MetaStream, peer: PeerLabel, instead: Mapping[Request, bytes]
    ) -> None:
        super().__init__(stream, peer)
        self._bare = stream
        self._instead = instead
        self._mute = False

    def raw(self, data: bytes) -> bool:
        """Queue any bytes, encrypted if the stream is."""
        self._bare.send(data)
        return True

    def request(self, request: Request, line: bytes) -> bool:
        words = self._instead.get(request)
        self._mute = self._mute or words == b""
        if self._mute:
            return False
        return self.raw(words) if words else super().request(request, line)


class _Speaker(MetaConnection):
    """A connection that keeps what it hears, and need not say what it should."""

    def __init__(
        self,
        target: Target,
        identity: Identity,
        peer: PeerIdentity,
        instead: Mapping[Request, bytes],
    ) -> None:
        super().__init__(
            Role.INITIATOR,
            identity,
            lambda _: peer,
            now=time.monotonic(),
            random_bytes=secrets.token_bytes,
            peer_name=target.name,
            hostname=target.address,
        )
        self.heard: list[str] = []
        self.output = _FreeOutput(self._first_stream, self._label, instead)
        self._output = self.output

    def _process_line(self, line: bytes, now: float) -> None:
        self.heard.append(line.decode("latin-1"))
        super()._process_line(line, now)


class Member:
    """One connection to a daemon as the node ``name``.

    :param weight: what its ACK says, as ``options`` and ``port``
    :param instead: bytes to say in place of a request of the handshake; after an empty
        answer it says nothing at all
    """

    def __init__(
        self,
        target: Target,
        name: str,
        *,
        options: int = OPTIONS,
        weight: int = 10,
        port: str = "655",
        instead: Mapping[Request, bytes] | None = None,
    ) -> None:
        time.sleep(_APART)
        self.name = name
        self.daemon = target.name
        self._target = target
        identity = Identity(name, target.key, port, CIPHER, options)
        peer = PeerIdentity(target.daemon_key, weight, options)
        self._connection = _Speaker(target, identity, peer, instead or {})
        self._unsent = b""
        self._socket = target.open()
        #: The daemon's ACK, and what became of ours.
        self.ack: Activated | None = None
        #: Frames that came as PACKET.
        self.frames: list[bytes] = []
        #: The daemon has closed the connection.
        self.ended = False
        self._connection.start()

    @property
    def active(self) -> bool:
        return self.ack is not None

    @property
    def heard(self) -> list[str]:
        """The lines that came, from the first on."""
        return self._connection.heard

    @property
    def source_port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def connect(self) -> None:
        """Go through the handshake."""
        self.wait("handshake", lambda: self.active)
        self.send()

    def say(self, lines: Iterable[bytes]) -> None:
        """Queue lines, each with an LF, and send what can be sent."""
        self.say_raw(b"".join(line + b"\n" for line in lines))

    def say_raw(self, data: bytes) -> None:
        self._connection.output.raw(data)
        self.turn()

    def introduce(self, weight: int = 10) -> None:
        """Announce the edge to the daemon: now both are reachable to each other."""
        address = self._target.address
        nonce = secrets.randbits(31)
        edge = AddEdge(nonce, self.name, self.daemon, address, "655", OPTIONS, weight)
        self.say([edge.encode()])

    def own(self, *subnets: str) -> None:
        """Announce subnets of this member."""
        for text in subnets:
            subnet = Subnet.parse(text)
            assert subnet is not None
            line = AddSubnet(secrets.randbits(31), self.name, subnet).encode()
            self.say([line])

    def settle(self, limit: float = _LIMIT) -> None:
        """Wait until the daemon has handled all that was said before."""
        before = self.heard.count("9")
        self.say([b"8"])
        self.wait("PONG", lambda: self.heard.count("9") > before, limit)

    def wait_line(self, pattern: str, since: int = 0, limit: float = _LIMIT) -> str:
        """Wait for a line that matches from its begin to its end, and return it."""
        form = re.compile(pattern)
        found: list[str] = []

        def look() -> bool:
            found.extend(line for line in self.heard[since:] if form.fullmatch(line))
            return bool(found)

        self.wait(f"a line {pattern}", look, limit)
        return found[0]

    def wait(self, what: str, done: Callable[[], bool], limit: float = _LIMIT) -> None:
        """Send and receive until ``done``; Failed if that takes too long."""
        deadline = time.monotonic() + limit
        while not done():
            left = deadline - time.monotonic()
            if self.ended or left <= 0:
                why = "hung up" if self.ended else f"not within {limit:g} s"
                raise Failed(f"{self.name} at {self.daemon}, {what}: {why}")
            self.turn(min(left, 0.2))

    def turn(self, patience: float = 0.0) -> None:
        """Send and receive what is possible now, or within ``patience`` seconds."""
        if self.ended:
            return
        wanted = [self._socket] if self._unsent or self._connection.queued else []
        ready, writable, _ = select.select([self._socket], wanted, [], patience)
        try:
            if writable:
                self._write()
            if ready:
                self._read()
        except BlockingIOError:
            pass
        except (OSError, PeerError):
            self.ended = True

    def send(self) -> None:
        """Send what is possible now, and read nothing."""
        with contextlib.suppress(OSError):
            self._write()

    def close(self) -> None:
        self.ended = True
        self._socket.close()

    def _write(self) -> None:
        self._unsent += self._connection.data_to_send()
        while self._unsent:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def _read(self) -> None:
        data = self._socket.recv(_READ_SIZE)
        if not data:
            self.ended = True
            return
        self._connection.receive_data(data)
        while self._connection.process(time.monotonic()) or self._take_events():
            pass

    def _take_events(self) -> bool:
        """Act on what came; False if nothing did."""
        taken = False
        while (event := self._connection.next_event()) is not None:
            taken = True
            match event:
                case DecryptNeeded(ciphertext):
                    block = self._target.key.decrypt(ciphertext)
                    self._connection.decrypted(block, time.monotonic())
                case Activated():
                    self.ack = event
                case PacketsReceived(frames):
                    self.frames += frames
        return taken


def joined(target: Target, name: str) -> Member:
    """Return a member that the daemon can reach, and has answered."""
    member = Member(target, name)
    member.connect()
    member.introduce()
    member.settle()
    return member
