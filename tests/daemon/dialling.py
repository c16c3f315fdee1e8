"""A dialer with the network that it dials into, and links that are flags."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import cast

from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon.dialer import Dialer
from tincd_compat.daemon.link import End, Link
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.errors import ConfigError

ONE, TWO = SocketAddress("10.0.0.2", 655), SocketAddress("fd00::2", 655)


class FakeLink:
    """All of a link that concerns a dialer."""

    def __init__(self, outgoing: Outgoing | None) -> None:
        self.outgoing = outgoing
        self.ended = asyncio.Event()
        self.proven = False
        self.end: End | None = None

    def pong(self) -> None:
        self.proven = True
        assert self.outgoing is not None
        self.outgoing.rewind()


class World:
    """A dialer with its network; ``did`` is what it did, and when (from 0 on)."""

    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.start = loop.now
        self.did: list[str] = []
        self.settings = CurrentSettings(Settings(name="us", connect_to=("peer",)))
        self.hosts: dict[str, HostSettings | Exception] = {
            "peer": HostSettings(addresses=(("peer.example", None),))
        }
        self.names: dict[str, list[SocketAddress] | OSError] = {"peer.example": [ONE]}
        #: How connecting ends, by address; otherwise it fails.
        self.outcomes: dict[SocketAddress, Exception | None] = {}
        self.up: dict[str, FakeLink] = {}
        self.dialled_links: list[FakeLink] = []
        self.sockets: list[FakeSocket] = []
        self.hang: str | None = None
        #: Seconds until it is the turn of a link to be dialled.
        self.wait = 0.0
        #: What chance adds to a pause.
        self.jitter = 0.0
        self.dialer = Dialer(
            self.settings,
            cast(Links, self),
            UnexpectedErrors(),
            resolve=self.resolve,
            connect=self.connect,
            jitter=lambda: self.jitter,
            turn=self.turn,
        )

    def note(self, text: str) -> None:
        self.did.append(f"{self.loop.now - self.start:g} {text}")

    def take(self) -> list[str]:
        did, self.did = self.did, []
        return did

    # For the dialer.

    def link_to(self, name: str) -> Link | None:
        return cast("Link | None", self.up.get(name))

    def read_host(self, name: str) -> HostSettings:
        host = self.hosts.get(name, ConfigError(f"Cannot open config file {name}"))
        if isinstance(host, Exception):
            raise host
        return host

    def source_for(self, address: SocketAddress) -> SocketAddress | None:
        return None if address.is_ipv6 else SocketAddress("10.0.0.1", 655)

    def dialled(
        self,
        sock: socket.socket,
        address: SocketAddress,
        outgoing: Outgoing,
        started: float,
        *,
        proxied: object = None,
    ) -> Link:
        assert proxied is None
        self.note(f"begin {outgoing.name} {address.host} {started - self.start:g}")
        link = FakeLink(outgoing)
        self.dialled_links.append(link)
        return cast(Link, link)

    async def resolve(self, host: str, port: str, family: int) -> list[SocketAddress]:
        self.note(f"look up {host} {port}")
        if self.hang == "resolve":
            await asyncio.Event().wait()
        found = self.names[host]
        if isinstance(found, OSError):
            raise found
        return found

    async def connect(
        self,
        address: SocketAddress,
        *,
        interface: str | None,
        source: SocketAddress | None,
        patience: float,
    ) -> socket.socket:
        assert (interface, patience) == (self.settings.current.bind_to_interface, 5)
        self.note(f"connect {address.host} from {source.host if source else 'any'}")
        if self.hang == "connect":
            await asyncio.Event().wait()
        outcome = self.outcomes.get(address, oserror(errno.ECONNREFUSED))
        if outcome is not None:
            raise outcome
        sock = FakeSocket(self.loop.new_descriptor())
        self.sockets.append(sock)
        return sock.socket

    async def turn(self) -> float:
        if self.wait:
            await asyncio.sleep(self.wait)
        return self.wait

    # For tests.

    def go(self) -> None:
        self.loop.call(self.dialer.start)

    def end(self, link: FakeLink) -> None:
        link.ended.set()
        self.loop.settle()

    def attempts(self) -> list[float]:
        """Take the times at which names were looked up."""
        return [float(line.split()[0]) for line in self.take() if "look up" in line]
