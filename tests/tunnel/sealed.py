"""Nodes with sessions around the data plane under test, each with its far end.

The daemon under test is ``a``, which has minor version 4.  A session is that of a real
handshake, which is made for each node that :func:`open_session` is asked about.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.crypto.sptps.vectors import both_terms, offers
from tests.tunnel.world import DEFAULT, FakePorts, World
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.derivation import DIRECT, node_id
from tincd_compat.mesh.node import Node
from tincd_compat.options import with_minor
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import Delivery, DeliveryPolicy
from tincd_compat.tunnel.sessionpath import SessionPath
from tincd_compat.tunnel.sessionsealer import IDS_SIZE, SessionSealer
from tincd_compat.tunnel.sptpscodec import SptpsOpener, SptpsSealer, session_ends

#: Option bits of nodes with sessions.
SPEAKS = with_minor(DEFAULT, 4)


class Lines:
    """The control plane's part: lines with datagrams, and news of what did not open."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, bytes]] = []
        self.unopened_of: list[tuple[str, float]] = []
        self.room = True

    def send_datagram(self, author: Node, node: Node, datagram: bytes) -> bool:
        if self.room:
            self.lines.append((author.name, node.name, datagram))
        return self.room

    def unopened(self, node: Node, heard: float, now: float) -> None:
        self.unopened_of.append((node.name, heard))


class FarEnd:
    """The end of a session that is not ours."""

    def __init__(self, name: str, sealer: SptpsSealer, opener: SptpsOpener) -> None:
        self.name = name
        self.sealer = sealer
        self.opener = opener

    def seal(self, *frames: bytes | bytearray, to: str = "") -> list[bytes]:
        """Return datagrams for a, straight or by way of somebody."""
        first = node_id(to) if to else DIRECT
        return self.sealer.seal_train(frames, first + node_id(self.name))

    def open(self, *datagrams: bytes) -> list[bytes]:
        """Return the frames of datagrams without IDs."""
        found = self.opener.open_train(datagrams)
        assert all(each.drop is None for each in found)
        return [each.frame for each in found]


class SealedWorld:
    """A data plane whose node has an Ed25519 key."""

    def __init__(self, route: RouteOptions | None = None, own: int = SPEAKS) -> None:
        route = route or RouteOptions()
        self.world = World(DeliveryPolicy(options=own, route=route), route)
        self.lines = Lines()
        self.paths: list[SessionPath] = []
        self.switching = self.world.pipeline.flows.switching
        self.world.pipeline.attach_sessions(self._make(own))

    def _make(self, own: int) -> Callable[[Delivery], SessionPath]:
        def make(delivery: Delivery) -> SessionPath:
            path = SessionPath(
                self.world.mesh,
                self.world.tunnel,
                delivery,
                own_options=own,
                switching=self.switching,
                relays=True,
            )
            path.control = self.lines
            self.paths.append(path)
            return path

        return make

    @property
    def ports(self) -> FakePorts:
        return self.world.ports

    def open_session(self, name: str, *, carries: int = 0) -> FarEnd:
        """Give a node a session, and a path by UDP for so much data."""
        ends = session_ends(switching=self.switching)
        mine, his = both_terms()
        own = DatagramSession(mine, offers(b"own" + name.encode()), ends)
        other = DatagramSession(his, offers(name.encode()), ends)
        (kex,) = own.begin()
        (its,) = other.begin()
        other.receive(kex, over_tcp=True)
        (sig,) = own.receive(its, over_tcp=True).replies
        (answer,) = other.receive(sig, over_tcp=True).replies
        own.receive(answer, over_tcp=True)
        assert isinstance(own.sealer, SptpsSealer)
        assert isinstance(own.opener, SptpsOpener)
        assert isinstance(other.sealer, SptpsSealer)
        assert isinstance(other.opener, SptpsOpener)
        tunnel = self.world.tunnel(self.world.node(name))
        sealer = SessionSealer(own.sealer, node_id("a"), node_id(name))
        tunnel.use_session(sealer, own.opener)
        tunnel.pmtu.minmtu = carries
        return FarEnd(name, other.sealer, other.opener)

    def sent(self) -> list[tuple[str, bytes, bytes, bytes]]:
        """Return what left by UDP: to whom, destination, author, and the rest."""
        half = IDS_SIZE // 2
        return [
            (name, each[:half], each[half:IDS_SIZE], each[IDS_SIZE:])
            for name, train in self.ports.trains
            for each in train
        ]
