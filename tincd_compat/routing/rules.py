"""What the modes of routing share: next stop, ageing, cutting, clamping, log lines."""

from __future__ import annotations

import logging

from tincd_compat import logs
from tincd_compat.mesh.node import MAX_MTU, Mesh, Node
from tincd_compat.options import CLAMP_MSS
from tincd_compat.routing import headers, mss
from tincd_compat.routing.fragments import fragment, stated_length
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.replies import ErrorReplies, IcmpError, LocalAddress
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Discard,
    Fragments,
    Reason,
    SendToAll,
    Verdict,
)


class Rules:
    """The rules that all modes share, with the count of errors sent."""

    def __init__(
        self, mesh: Mesh, options: RouteOptions, *, local_address: LocalAddress
    ) -> None:
        self._mesh = mesh
        self._options = options
        self._errors = ErrorReplies(local_address)

    def _owner(self, address: bytes) -> Node | None:
        found = self._mesh.subnets.lookup(address)
        return None if found is None else found[1]

    def _next_stop(self, owner: Node) -> Node:
        """Return who gets the packet next: ourselves if it is for us.

        Through a reachable node's ``via`` by UDP, unless no node on the way has any.
        """
        via = owner.nexthop if owner.via is self._mesh.myself else owner.via
        return owner if via is None else via

    def _age(
        self, frame: bytearray, source: Node, now: float
    ) -> AnswerFrames | Discard | None:
        """Lower the TTL if we are to; return a verdict if the packet dies of it."""
        if not self._options.decrement_ttl:
            return None
        alive = headers.decrement_ttl(frame)
        if alive is None:
            return self._too_short(source)
        if not alive:
            return self._errors.answer(frame, IcmpError.TTL_EXPIRED, now)
        return None

    def _broadcast(self, frame: bytearray, source: Node, now: float) -> Verdict:
        if len(frame) > MAX_MTU:
            # Our device's MTU is set too high, and no path carries this.
            return Discard(Reason.TOO_BIG)
        expired = None
        if source is not self._mesh.myself:
            expired = self._age(frame, source, now)
        return SendToAll(frame) if expired is None else expired

    def _fragment(
        self, frame: bytearray, ip: int, via: Node, limit: int, tos: int
    ) -> Verdict:
        """Cut the IPv4 packet at ``ip`` for the next stop."""
        pieces = fragment(frame, ip, limit)
        if pieces is Reason.BAD_LENGTH:
            self._log(
                logging.WARNING,
                "Length of packet (%d) doesn't match length in IPv4 header (%d)",
                len(frame),
                stated_length(frame, ip),
            )
        if isinstance(pieces, Reason):
            return Discard(pieces)
        text = "Fragmenting packet of %d bytes to %s"
        self._log(logging.INFO, text, len(frame), via)
        return Fragments(via, pieces, tos)

    def _clamp(self, frame: bytearray, source: Node, via: Node) -> None:
        """Lower the MSS to the way the packet came and the way it goes."""
        if not via.options & CLAMP_MSS:
            return
        # Our own mtu says nothing about a path.
        mtu = source.mtu
        if via is not self._mesh.myself:
            mtu = min(mtu, via.mtu)
        size = mss.clamp(frame, mtu)
        if size is not None:
            text = "Clamping MSS of packet from %s to %s to %d"
            self._log(logging.INFO, text, source.name, via.name, size)

    def _loop_back(self, source: Node) -> Discard:
        self._log(logging.WARNING, "Packet looping back to %s!", source)
        return Discard(Reason.LOOPING_BACK)

    def _too_short(self, source: Node) -> Discard:
        self._log(logging.WARNING, "Got too short packet from %s", source)
        return Discard(Reason.TOO_SHORT)

    def _log_too_large(self, frame: bytearray, owner: Node, via: Node) -> None:
        text = "Packet for %s length %d larger than MTU %d"
        self._log(logging.INFO, text, owner, len(frame), via.mtu)

    def _log(self, severity: int, text: str, *values: Node | str | int) -> None:
        """Log at the level of traffic; nodes become ``NODE (HOST)``."""
        if logs.traffic.isEnabledFor(severity):
            shown = (self._mesh.label(v) if isinstance(v, Node) else v for v in values)
            logs.traffic.log(severity, text, *shown)
