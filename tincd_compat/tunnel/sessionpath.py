"""Packets of nodes that have sessions with us: sealed for their destination alone.

A frame for such a node is sealed under its session, wherever it passes on its way:

1. A neighbour gets it as PACKET while there is no session, or the path is not known to
   carry it by UDP: that link is encrypted, and nobody is between.
2. By UDP to the node itself, to the node that UDP reaches on the way (``via``) or to
   the next hop, whichever is known to carry it.  A relay reads the IDs, no more.
3. In a REQ_KEY over meta connections, which goes through every tinc.

Datagrams name their author and destination, so no tag is tried under other keys.  What
a neighbour sends for others is passed on in the same way, unread.  (protocol 17.7, tinc
1.1 behaviour)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Protocol

from tincd_compat import logs, options
from tincd_compat.crypto.sptps.derivation import DIRECT, NODE_ID_SIZE
from tincd_compat.crypto.sptps.records import SptpsRecord
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel.drops import Drop, Loss
from tincd_compat.tunnel.nodeids import NodeIds
from tincd_compat.tunnel.pmtu import is_probe
from tincd_compat.tunnel.sessionsealer import IDS_SIZE, data_length
from tincd_compat.tunnel.sptpspure import FRAME, OVERHEAD, PACKET, PROBE, frame_of
from tincd_compat.tunnel.tunnel import Tunnel

#: Kinds of records that hold a frame.
_FRAMES: Final = (PACKET, FRAME, PROBE)
_ETHERNET: Final = 14
#: The longest datagram that fits into a token of a line, as base64.
MAX_IN_LINE: Final = 1536


class SessionControl(Protocol):
    """The part of the control plane that packets of sessions need."""

    def send_datagram(self, author: Node, node: Node, datagram: bytes) -> bool:
        """Send a datagram in a REQ_KEY towards a node; False if there is no room."""

    def unopened(self, node: Node, heard: float, now: float) -> None:
        """Note a datagram of a node that no session opens; one was ``heard`` last."""


class SessionDelivery(Protocol):
    """The part of delivery that packets of sessions go through."""

    def lose(self, reason: Loss | Drop, count: int = 1) -> None: ...
    def drop(self, reason: Loss | Drop) -> None: ...
    def enqueue(self, node: Node, frame: bytes | bytearray, tos: int = 0) -> None: ...
    def pass_on(self, neighbour: Node, frames: Sequence[bytes | bytearray]) -> None: ...
    def ask_key(self, node: Node, tunnel: Tunnel, now: float) -> None: ...
    def send_datagrams(self, node: Node, train: list[bytes]) -> list[int]:
        """Send datagrams to a node's UDP address; return those the kernel refused."""


class SessionPath:
    """Sends and receives datagrams of sessions.

    ``relays`` tells whether packets of others are passed on.  ``control`` has to be set
    before the first packet.
    """

    control: SessionControl

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        delivery: SessionDelivery,
        *,
        own_options: int,
        switching: bool,
        relays: bool,
    ) -> None:
        self._mesh = mesh
        self._tunnels = tunnels
        self._delivery = delivery
        self._own_options = own_options
        self._switching = switching
        self._relays = relays
        self.ids = NodeIds(mesh)

    # Outward.

    def send(self, node: Node, frame: bytearray, now: float, tos: int = 0) -> None:
        """Send a frame to a reachable node that has sessions."""
        delivery, tunnel = self._delivery, self._tunnels(node)
        neighbour = node.nexthop is node
        bare = (self._own_options | node.options) & options.TCPONLY
        if neighbour and bare:
            delivery.pass_on(node, (frame,))
        elif not tunnel.valid_key:
            delivery.ask_key(node, tunnel, now)
            if neighbour:
                delivery.pass_on(node, (frame,))
            else:
                delivery.drop(Loss.NO_VALID_KEY)
        elif neighbour and len(frame) > tunnel.pmtu.minmtu:
            delivery.pass_on(node, (frame,))
        else:
            self._send_sealed(node, tunnel, frame, now, tos)

    def _send_sealed(
        self, node: Node, tunnel: Tunnel, frame: bytearray, now: float, tos: int
    ) -> None:
        length = self.length(frame)
        relay = self._next_by_udp(node, length, now)
        sealer = tunnel.session_sealer
        if relay is node:
            self._delivery.enqueue(node, frame, tos)
            return
        assert sealer is not None
        if relay is None:
            sealed = sealer.seal_bare([frame])
            for datagram in sealed:
                self._send_line(self._mesh.myself, node, datagram)
        else:
            sealed = sealer.seal_relayed([frame])
            self._send_datagrams(relay, sealed)
        if not sealed:
            self._delivery.lose(Loss.NO_VALID_KEY)
            tunnel.used_up()

    def length(self, frame: bytes | bytearray) -> int:
        """Return the length of a record's data that carries a frame."""
        whole = self._switching or is_probe(frame)
        return len(frame) if whole else len(frame) - _ETHERNET

    def _next_by_udp(self, node: Node, length: int, now: float) -> Node | None:
        """Return where a datagram with that much data goes by UDP; None for TCP.

        What may serve from now on is looked after: it gets a session of its own, and
        with that path MTU discovery.
        """
        myself, via = self._mesh.myself, node.via
        for stop in (via, node.nexthop):
            if stop is None or stop is myself or not self._takes_ids(stop):
                continue
            tunnel = self._tunnels(stop)
            if not tunnel.valid_key:
                self._delivery.ask_key(stop, tunnel, now)
            elif length <= tunnel.pmtu.minmtu:
                return stop
            elif stop is not node:
                self._narrow(node, tunnel)
        return None

    def _narrow(self, node: Node, relay: Tunnel) -> None:
        """Let no longer frames be made for a node than the relay on its way takes.

        A node that UDP does not reach finds no path MTU of its own, and each long frame
        would be a line.
        """
        known = relay.pmtu.minmtu
        if known and known == relay.pmtu.mtu:
            pmtu = self._tunnels(node).pmtu
            if not pmtu.minmtu and pmtu.mtu > known:
                pmtu.limit(known)

    def _takes_ids(self, node: Node) -> bool:
        """Tell whether a node may be sent datagrams with IDs in front."""
        if not node.reachable or not node.has_sessions:
            return False
        if options.minor(node.options) < options.Minor.NODE_IDS:
            return False
        return not (self._own_options | node.options) & options.TCPONLY

    def _send_datagrams(self, relay: Node, train: list[bytes]) -> None:
        for refused in self._delivery.send_datagrams(relay, train):
            self._delivery.lose(Loss.LARGER_THAN_MTU)
            self._tunnels(relay).pmtu.too_big(data_length(train[refused]))

    def _send_line(self, author: Node, node: Node, datagram: bytes) -> None:
        if len(datagram) > MAX_IN_LINE:
            self._delivery.lose(Loss.LARGER_THAN_MTU)
        elif not self.control.send_datagram(author, node, datagram):
            self._delivery.lose(Loss.META_FULL)

    # Inward.

    def take(
        self,
        group: list[bytes],
        owner: Node | None,
        now: float,
        heard: Callable[[Node], None],
    ) -> tuple[list[tuple[Node, list[bytes]]], list[bytes]]:
        """Open what sessions have sealed for us, and pass on what is for others.

        Returns frames by their authors, in order, and the datagrams that are not of
        sessions.  ``owner`` is whose the source address is; ``heard`` is called for a
        node that has sent a genuine datagram straight from there.
        """
        found: list[tuple[Node, list[bytes]]] = []
        rest: list[bytes] = []
        for ids, run in groupby(group, key=_ids_of):
            train = list(run)
            author = None if ids is None else self.ids.find(ids[NODE_ID_SIZE:])
            if ids is None or author is None or author is self._mesh.myself:
                rest += train
                continue
            if ids.startswith(DIRECT):
                frames, foreign = self._open(author, train, now)
                rest += foreign
                if frames:
                    heard(author)
            else:
                frames = self._relayed(ids, author, owner, train, now)
            if frames:
                found.append((author, frames))
        return found, rest

    def _relayed(
        self,
        ids: bytes,
        author: Node,
        owner: Node | None,
        train: list[bytes],
        now: float,
    ) -> list[bytes]:
        """Act on datagrams that somebody passes on; return the frames for us.

        Nobody but a node whose address that is may do so: the IDs prove nothing.
        """
        node = self.ids.find(ids[:NODE_ID_SIZE])
        if owner is None or not owner.has_sessions or node is None:
            self._delivery.lose(Loss.UNKNOWN_SOURCE, len(train))
            return []
        if node is self._mesh.myself:
            frames, foreign = self._open(author, train, now)
            self._delivery.lose(Drop.UNAUTHENTICATED, len(foreign))
            return frames
        self._pass_on(author, node, owner, train, now)
        return []

    def _pass_on(
        self, author: Node, node: Node, owner: Node, train: list[bytes], now: float
    ) -> None:
        """Pass datagrams on, unread, but not back to where they came from."""
        if not self._relays or not node.reachable or node.nexthop is owner:
            self._delivery.lose(Loss.UNREACHABLE, len(train))
            return
        longest = max(map(data_length, train))
        relay = self._next_by_udp(node, longest, now)
        if relay is owner:
            self._delivery.lose(Loss.UNREACHABLE, len(train))
        elif relay is not None:
            self._send_datagrams(relay, train)
        else:
            for datagram in train:
                self._send_line(author, node, datagram[IDS_SIZE:])

    def _open(
        self, node: Node, train: list[bytes], now: float
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the frames of datagrams, and those that no session has sealed."""
        tunnel = self._tunnels(node)
        opener = tunnel.session_opener
        if opener is None:
            self.control.unopened(node, 0.0, now)
            return [], train
        results = opener.open_train([datagram[IDS_SIZE:] for datagram in train])
        frames: list[bytes] = []
        foreign: list[bytes] = []
        for datagram, opened in zip(train, results, strict=True):
            if opened.drop is Drop.UNAUTHENTICATED:
                foreign.append(datagram)
            elif opened.drop is not None:
                self._delivery.lose(opened.drop)
            elif opened.kind in _FRAMES:
                frames.append(opened.frame)
            else:
                # Handshake records come over TCP, and nobody was asked to compress.
                self._delivery.lose(Drop.UNDECRYPTABLE)
        if frames:
            tunnel.session_heard = now
        elif foreign:
            self.control.unopened(node, tunnel.session_heard, now)
        return frames, foreign

    def frame(self, record: SptpsRecord) -> bytearray | None:
        """Return the frame of a record that came over TCP, where probes do not go."""
        frame = frame_of(record.kind, record.data, switching=self._switching)
        if frame is None or is_probe(frame):
            logs.traffic.debug("Got a record of kind %d over TCP", record.kind)
            return None
        return bytearray(frame)


def _ids_of(datagram: bytes) -> bytes | None:
    if len(datagram) < IDS_SIZE + OVERHEAD:
        return None
    return datagram[:IDS_SIZE]
