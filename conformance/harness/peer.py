"""A peer without a mesh: it speaks the meta protocol and says what it is told to.

The protocol is our own MetaConnection, as the side that calls.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from conformance.harness.daemon import TincNode
from conformance.harness.keys import KeyPair
from conformance.harness.netns import entered
from conformance.harness.waits import Failed
from tincd_compat.config.pem import read_private_pem, read_public_pem
from tincd_compat.crypto.rsa import PrivateKey, PublicKey
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import (
    Activated,
    DecryptNeeded,
    Identity,
    MetaConnection,
    PeerIdentity,
    Received,
    Role,
)
from tincd_compat.meta.messages import Message, Ping

#: What a node with no further settings says in its METAKEY and its ACK.
CIPHER: Final = 429
OPTIONS: Final = 0xC
_READ_SIZE: Final = 1 << 18
_HANDSHAKE_LIMIT: Final = 20.0


@dataclass(frozen=True)
class Target:
    """The daemon to be called, and the keys of both sides."""

    namespace: str
    address: str
    name: str
    key: PrivateKey
    daemon_key: PublicKey

    @classmethod
    def of(cls, daemon: TincNode, namespace: str, own: KeyPair, its: KeyPair) -> Target:
        """Call ``daemon`` from a namespace with the key pair ``own``."""
        key = read_private_pem(own.private.encode(), secrets.token_bytes)
        daemon_key = read_public_pem(its.public.encode())
        if daemon_key is None:
            raise Failed("the daemon's public key cannot be read")
        return cls(namespace, daemon.outer[0], daemon.name, key, daemon_key)

    def open(self) -> socket.socket:
        """Begin to connect, without waiting for the end of it."""
        with entered(self.namespace):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect((self.address, 655))
        return sock


class Peer:
    """One connection as node ``name``.  ``heard`` gets what the daemon says, in turn.

    Nothing waits in here but ``connect`` and ``exchange``; many peers can share a loop
    around ``readable`` and ``flush``.
    """

    #: What speaks the protocol.
    speaks: ClassVar[type[MetaConnection]] = MetaConnection

    def __init__(
        self, target: Target, name: str, heard: Callable[[Message, bytes], None]
    ) -> None:
        self._target = target
        self._heard = heard
        identity = PeerIdentity(target.daemon_key, None, OPTIONS)
        self._connection = self.speaks(
            Role.INITIATOR,
            Identity(name, target.key, "655", CIPHER, OPTIONS),
            lambda _: identity,
            now=time.monotonic(),
            random_bytes=secrets.token_bytes,
            peer_name=target.name,
            hostname=target.address,
        )
        self._unsent = memoryview(b"")
        self.socket = target.open()
        #: The daemon has closed the connection, or broken the protocol.
        self.ended = False
        self._connection.start()

    @property
    def active(self) -> bool:
        return self._connection.active

    @property
    def unsent(self) -> bool:
        return bool(self._unsent) or self._connection.queued > 0

    def close(self) -> None:
        self.ended = True
        self.socket.close()

    def say(self, lines: Iterable[bytes]) -> None:
        """Queue lines, encrypted at once."""
        for line in lines:
            self._connection.send_line(line)

    def ping(self) -> None:
        self._connection.send(Ping())

    def flush(self) -> None:
        """Send what the socket takes."""
        try:
            while self._unsent or self._connection.queued:
                if not self._unsent:
                    self._unsent = memoryview(self._connection.data_to_send())
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def readable(self) -> None:
        """Receive what has arrived and act on it."""
        try:
            data = self.socket.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.ended = True
            return
        try:
            self._connection.receive_data(data)
            while self._connection.process(time.monotonic()) or self._take_events():
                pass
        except PeerError as error:
            raise Failed(error.text(self._target.name)) from error

    def _take_events(self) -> bool:
        """Act on what came; False if nothing did."""
        taken = False
        while (event := self._connection.next_event()) is not None:
            taken = True
            match event:
                case DecryptNeeded(ciphertext):
                    block = self._target.key.decrypt(ciphertext)
                    self._connection.decrypted(block, time.monotonic())
                case Received(message, line):
                    self._heard(message, line)
                case Activated():
                    pass
        return taken

    def connect(self) -> None:
        """Go through the handshake; Failed if that takes too long."""
        self.exchange(lambda: self.active, "handshake", _HANDSHAKE_LIMIT)

    def exchange(self, done: Callable[[], bool], what: str, limit: float) -> None:
        """Send and receive until ``done``; Failed if that takes too long."""
        deadline = time.monotonic() + limit
        while not done():
            left = deadline - time.monotonic()
            if self.ended or left <= 0:
                why = "the daemon hung up" if self.ended else f"not within {limit:g} s"
                raise Failed(f"{what}: {why}")
            wanted = [self.socket] if self.unsent else []
            ready, writable, _ = select.select([self.socket], wanted, [], left)
            if writable:
                self.flush()
            if ready:
                self.readable()
