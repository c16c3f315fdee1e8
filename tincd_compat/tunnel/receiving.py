"""Datagrams to frames: the sender of a datagram, its frames, the sender's new address.

An address names its node, but anybody can write an address, two nodes can be announced
at one, and a node moves: what counts is whose key fits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.compression import Decompressor
from tincd_compat.tunnel.delivery import Delivery, LossReason
from tincd_compat.tunnel.drops import Loss
from tincd_compat.tunnel.lookup import LogLimit, SenderLookup
from tincd_compat.tunnel.tunnel import Tunnel

if TYPE_CHECKING:
    from tincd_compat.tunnel.sessionpath import SessionPath

#: Largest datagram a tincd accepts (its MAXSIZE).
MAX_DATAGRAM: Final = 1661

#: The result for a datagram that is longer.
_CUT_OFF: Final = codec.Opened(b"", drop=codec.Drop.UNAUTHENTICATED)

#: Data, source address and index of the socket.
Received: TypeAlias = tuple[bytes, SocketAddress, int]


class Receiver:
    """Opens datagrams; ``tunnels`` returns the tunnel of any node but our own."""

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        delivery: Delivery,
    ) -> None:
        self._mesh = mesh
        self._tunnel = tunnels
        self._delivery = delivery
        self.lookup = SenderLookup(mesh, self._matches)
        #: What opens datagrams of sessions; None if there can be none.
        self.sessions: SessionPath | None = None
        self._empty = LogLimit(logs.always, logging.ERROR, 1)
        #: The number of datagrams that brought no frame.
        self.junk = 0

    def receive(
        self, datagrams: Sequence[Received], now: float
    ) -> Iterator[tuple[Node, list[bytes]]]:
        """Yield nodes and the frames that they sent, in order for each source.

        A datagram is opened only after the frames before it have been taken.
        """
        for source, (group, index) in self._by_source(datagrams, now).items():
            owner = self._mesh.node_by_address(source)
            if self.sessions is not None:
                heard = partial(self._heard, source=source, index=index)
                found, group = self.sessions.take(group, owner, now, heard)
                yield from found
                if not group:
                    continue
            if owner is not None:
                frames, group = self._open(owner, group, source, index, now)
                if frames:
                    yield owner, frames
            if group:
                yield from self._find(group, source, index, now, owner)

    def unpacked(self, bodies: Sequence[bytes], unpack: Decompressor) -> list[bytes]:
        """Return the frames of packed bodies, without those that are broken."""
        frames = [frame for body in bodies if (frame := unpack(body)) is not None]
        if len(frames) < len(bodies):
            broken = len(bodies) - len(frames)
            self._drop(codec.Drop.UNCOMPRESSABLE, broken)
        return frames

    def _by_source(
        self, datagrams: Sequence[Received], now: float
    ) -> dict[SocketAddress, tuple[list[bytes], int]]:
        """Return the datagrams of each source, and on which socket they came."""
        sources: dict[SocketAddress, tuple[list[bytes], int]] = {}
        last: SocketAddress | None = None
        group: list[bytes] = []
        for data, source, index in datagrams:
            if not data:
                self._empty.log(now, "Receiving packet with invalid size")
                self._drop(Loss.INVALID_SIZE)
            elif len(data) > MAX_DATAGRAM:
                self._drop_long(source, now)
            else:
                # Sockets hand out the same object for the same address.
                if source is not last:
                    group = sources.setdefault(source, ([], index))[0]
                    last = source
                group.append(data)
        return sources

    def _drop_long(self, source: SocketAddress, now: float) -> None:
        """Drop a datagram of which C tincd would read only the beginning.

        The line is that of C, which finds the MAC of it wrong.
        """
        owner = self._mesh.node_by_address(source)
        if owner is None:
            self._drop_foreign(None, source, 1, now)
            return
        self._drop(Loss.TOO_LONG)
        if not self._delivery.tracing:
            return
        if self._tunnel(owner).opener is None:
            self._tell_keyless(owner)
        else:
            codec.log_train([_CUT_OFF], self._mesh.label(owner))

    def _tell_keyless(self, node: Node) -> None:
        text = "Got packet from %s but he hasn't got our key yet"
        logs.traffic.debug(text, self._mesh.label(node))

    def _find(
        self,
        group: list[bytes],
        source: SocketAddress,
        index: int,
        now: float,
        owner: Node | None,
    ) -> Iterator[tuple[Node, list[bytes]]]:
        """Find the other nodes that sent datagrams from there, and open these.

        Two nodes can be announced at one address, and an address changes hands.
        """
        while group:
            vain = self.lookup.in_vain(source.host, now, owner)
            node = None if vain else self.lookup.find(group[0], source, now, owner)
            if node is not None:
                frames, group = self._open(node, group, source, index, now)
                yield node, frames
                continue
            count = len(group) if vain else 1
            group = group[count:]
            self._drop_foreign(owner, source, count, now)

    def _drop_foreign(
        self, owner: Node | None, source: SocketAddress, count: int, now: float
    ) -> None:
        """Count datagrams of an address that fit no node's key."""
        if owner is None:
            self.lookup.report(source, now, count)
            self._drop(Loss.UNKNOWN_SOURCE, count)
        elif self._tunnel(owner).opener is None:
            self._drop(Loss.NO_KEY_FROM_US, count)
        else:
            self._drop(codec.Drop.UNAUTHENTICATED, count)

    def _drop(self, reason: LossReason, count: int = 1) -> None:
        self._delivery.lose(reason, count)
        self.junk += count

    def _matches(self, node: Node, datagram: bytes) -> bool | None:
        return self._tunnel(node).openers.matches(datagram)

    def _open(
        self,
        node: Node,
        group: list[bytes],
        source: SocketAddress,
        index: int,
        now: float,
    ) -> tuple[list[bytes], list[bytes]]:
        """Open a train; return its frames, and the datagrams the node did not seal."""
        tracing = self._delivery.tracing
        openers = self._tunnel(node).openers
        before = openers.current
        if before is None:
            if tracing:
                self._tell_keyless(node)
            return [], group
        train = openers.open_train(group, now)
        if openers.current is not before:
            logs.scary.debug("%s seals with another of our keys", node.name)
        if tracing:
            codec.log_train(train, self._mesh.label(node))
        foreign: list[bytes] = []
        frames: list[bytes] = []
        for datagram, opened in zip(group, train, strict=True):
            if opened.drop is None:
                frames.append(opened.frame)
            elif opened.drop is codec.Drop.UNAUTHENTICATED:
                foreign.append(datagram)
            else:
                self._drop(opened.drop)
        if frames:
            self._heard(node, source, index)
        return frames, foreign

    def _heard(self, node: Node, source: SocketAddress, index: int) -> None:
        """Answer to this address and socket, from which a genuine datagram came."""
        tunnel = self._tunnel(node)
        tunnel.heard_on, tunnel.heard_from = index, source
        owner = self._mesh.node_by_address(source)
        if owner is node:
            # The interface or the address of ours that it speaks to may be another.
            if not source.agrees_with(node.address):
                self._mesh.set_address(node, source)
            return
        # The address is the node's from now on.  A former owner keeps it as the best
        # that is known of it, but datagrams from there are tried as the node's first.
        if owner is not None:
            self._mesh.set_address(owner, None)
        moved = node.address != source
        self._mesh.set_address(node, source)
        if owner is not None:
            self._mesh.set_address(owner, source)
        if moved:
            logs.protocol.debug("UDP address of %s set to %s", node.name, source)
