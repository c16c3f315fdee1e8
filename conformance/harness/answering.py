"""Many nodes that a daemon dials, played in one loop behind one address.

Each has a port of its own and, as tincd does, gives a caller up whose handshake takes
longer than PingTimeout.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
from collections.abc import Sequence
from typing import Final

from conformance.harness.netns import entered
from conformance.harness.peer import CIPHER, OPTIONS, Target
from tincd_compat.errors import PeerError
from tincd_compat.meta.connection import (
    DecryptNeeded,
    Identity,
    MetaConnection,
    PeerIdentity,
    Role,
)

_PING_TIMEOUT: Final = 5.0
_READ_SIZE: Final = 1 << 16
_TURN: Final = 0.1


class _Answering:
    """One node: its listener, and its connection with the daemon if there is one."""

    def __init__(self, target: Target, name: str, address: str, port: int) -> None:
        self.name = name
        #: Handshakes that took too long.
        self.given_up = 0
        self._target = target
        with entered(target.namespace):
            self.listener = socket.create_server((address, port))
        self.socket: socket.socket | None = None
        self._connection: MetaConnection
        self._accepted = 0.0

    @property
    def active(self) -> bool:
        return self.socket is not None and self._connection.active

    def accept(self) -> None:
        self.hang_up()
        self.socket, _ = self.listener.accept()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted = time.monotonic()
        identity = PeerIdentity(self._target.daemon_key, 10, OPTIONS)
        self._connection = MetaConnection(
            Role.RESPONDER,
            Identity(self.name, self._target.key, "655", CIPHER, OPTIONS),
            lambda _: identity,
            now=self._accepted,
            random_bytes=secrets.token_bytes,
        )

    def read(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(_READ_SIZE)
            if not data:
                self.hang_up()
                return
            self._take(data)
            self.socket.sendall(self._connection.data_to_send())
        except (OSError, PeerError):
            self.hang_up()

    def _take(self, data: bytes) -> None:
        connection = self._connection
        connection.receive_data(data)
        while connection.process(time.monotonic()) or self._take_events():
            pass

    def _take_events(self) -> bool:
        """Decrypt if that is asked for; False if nothing came."""
        connection, taken = self._connection, False
        while (event := connection.next_event()) is not None:
            taken = True
            if isinstance(event, DecryptNeeded):
                block = self._target.key.decrypt(event.ciphertext)
                connection.decrypted(block, time.monotonic())
        return taken

    def check(self, now: float) -> None:
        if self.socket is None or self.active:
            return
        if now - self._accepted >= _PING_TIMEOUT:
            self.given_up += 1
            self.hang_up()

    def hang_up(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def close(self) -> None:
        self.hang_up()
        self.listener.close()


class Answerers:
    """Nodes at ``address``, with the ports from ``first_port`` on.

    They share the key and the namespace of ``target``, which is the daemon that calls.
    """

    def __init__(
        self, target: Target, names: Sequence[str], address: str, first_port: int
    ) -> None:
        self._nodes = [
            _Answering(target, name, address, port)
            for port, name in enumerate(names, start=first_port)
        ]

    @property
    def active(self) -> int:
        return sum(node.active for node in self._nodes)

    @property
    def given_up(self) -> int:
        """Handshakes that took longer than tincd would wait."""
        return sum(node.given_up for node in self._nodes)

    def serve(self, limit: float) -> float:
        """Answer until all are connected; return how long, at most ``limit``."""
        started = time.monotonic()
        while (passed := time.monotonic() - started) < limit:
            if self.active == len(self._nodes):
                break
            self._turn()
        return passed

    def _turn(self) -> None:
        listeners = {node.listener: node for node in self._nodes}
        sockets = {node.socket: node for node in self._nodes if node.socket is not None}
        ready, _, _ = select.select([*listeners, *sockets], [], [], _TURN)
        for sock in ready:
            if sock in sockets:
                sockets[sock].read()
            else:
                listeners[sock].accept()
        now = time.monotonic()
        for node in self._nodes:
            node.check(now)

    def close(self) -> None:
        for node in self._nodes:
            node.close()
