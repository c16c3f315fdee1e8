"""A whole daemon without a kernel whose tables somebody has filled.

``us`` has two neighbours: ``peer``, who says everything, and ``other``, who hears what
is passed on.  Both connections are clear text, and at debug level 0.
"""

from __future__ import annotations

import logging
from itertools import count
from pathlib import Path
from typing import Final, cast

import pytest

from tests.costs.counting import Name
from tests.daemon.fakes import Remote, World
from tests.daemon.life import Life
from tests.transport.fakes import FakeLoop, FakeSocket
from tests.tunnel.world import ipv4
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.meta.connection import Role

OPTIONS: Final = "c"
_KEY: Final = "5A" * 48


def _get_or_add(mesh: Mesh, name: str) -> Node:
    node = mesh.nodes.get(name)
    if node is None:
        name = Name(name)
        node = mesh.nodes[name] = Node(name)
    return node


class Crowded(Life):
    """The daemon; ``configuration`` are lines of its tinc.conf."""

    bypass_security = True

    def __init__(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, configuration: str = ""
    ) -> None:
        directory.mkdir()
        super().__init__(FakeLoop(), directory)
        self.surround(monkeypatch)
        monkeypatch.setattr(Mesh, "get_or_add", _get_or_add)
        for logger, threshold in logs.THRESHOLDS.items():
            logger.setLevel(logging.CRITICAL + 1 if threshold else logging.DEBUG)
        self._nonces = count(0x10000)
        self._hosts = count(1)
        self.configuration = configuration
        self.write(configuration)
        self.start(bypass_security=True)
        self.peer = self.connect("peer")
        self.other = self.connect("other")

    @property
    def links(self) -> object:
        return self.daemon.parts.links

    @property
    def mesh(self) -> Mesh:
        return self.daemon.parts.mesh

    def connect(self, name: str, *, introduce: bool = True) -> Remote:
        """Let a node connect and, if it introduces itself, become reachable."""
        remote = self.call_in(name)
        remote.shake_hands()
        # Without security nobody has looked into it, and a reload would end the link.
        remote.link.host = self.daemon.parts.files.read(name)
        if introduce:
            remote.say(self.edge(name, "us"))
        remote.sock.sent.clear()
        return remote

    def call_in(self, name: str) -> Remote:
        """Let a node connect; it has not said a word."""
        (self.directory / "hosts" / name).touch()
        sock = FakeSocket(self.loop.new_descriptor())
        place = SocketAddress(self.host(), 40000)
        self.loop.call(self.daemon.parts.links.accepted, sock.socket, place)
        return Remote(cast(World, self), name, sock, Role.INITIATOR)

    def host(self) -> str:
        """Return an address that nobody has had."""
        number = next(self._hosts)
        return f"10.200.{number >> 8}.{number & 0xFF}"

    def nonce(self) -> str:
        return f"{next(self._nonces):x}"

    # Lines that peer says.

    def edge(self, source: str, target: str, weight: int = 10) -> str:
        ends = f"{source} {target} {self.host()} 655"
        return f"12 {self.nonce()} {ends} {OPTIONS} {weight}"

    def no_edge(self, source: str, target: str) -> str:
        return f"13 {self.nonce()} {source} {target}"

    def both(self, first: str, second: str) -> list[str]:
        return [self.edge(first, second), self.edge(second, first)]

    def subnet(self, owner: str, text: str) -> str:
        return f"10 {self.nonce()} {owner} {text}"

    def no_subnet(self, owner: str, text: str) -> str:
        return f"11 {self.nonce()} {owner} {text}"

    def key_changed(self, name: str) -> str:
        return f"14 {self.nonce()} {name}"

    def key(self, name: str) -> str:
        """Return the key for packets to a node, as it tells us."""
        return f"16 {name} us {_KEY} 427 672 4 0"

    # What arrives.

    def hear(self, *lines: str) -> None:
        """Let peer say lines; nobody reads what is passed on."""
        self.arrive(self.peer.raw(*lines))

    def arrive(self, data: bytes, remote: Remote | None = None) -> None:
        """Let bytes of a neighbour arrive."""
        sock = (remote or self.peer).sock
        sock.incoming.append(data)
        while sock.incoming and sock.descriptor in self.loop.readers:
            self.loop.readable(sock.descriptor)

    def from_device(self, *frames: bytearray) -> None:
        self.device.frames += frames
        while self.device.frames:
            self.loop.readable(self.device.descriptor)

    def from_udp(self, host: str, *datagrams: bytes) -> None:
        self.udp.arriving += [(data, (host, 655)) for data in datagrams]
        while self.udp.arriving:
            self.loop.readable(self.udp.descriptor)

    def packet(self, target: str) -> bytearray:
        """Return a frame of a tun device to an IPv4 address."""
        return ipv4("10.1.0.1", target)

    def frame(self, source: str, target: str = "ff:ff:ff:ff:ff:ff") -> bytearray:
        """Return a frame from a station to another, by default to all."""
        places = (
            int(group, 16) for text in (target, source) for group in text.split(":")
        )
        return bytearray(bytes(places)) + self.packet("10.1.255.255")[12:]

    def calm_down(self) -> None:
        """Let the graph run, and what there is still to say be read."""
        self.loop.advance(0.25)
        for link in self.daemon.parts.links:
            cast(FakeSocket, link.socket._socket).sent.clear()
