"""Datagrams that a compiled pump drops unseen, since nobody would find their sender.

Junk comes back from the pump like a datagram of a node that has moved, and Python takes
longer over junk than the pump.  So once :class:`SenderLookup` would not look at more of
it in this turn, the pump ignores it: a source's datagrams are tested still, by both of
the node's keys, and a stranger's are not even that.  All ends with the turn, and when a
key or an address of any node changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh
from tincd_compat.tunnel.lookup import TURNS, SenderLookup
from tincd_compat.tunnel.tables import Place

if TYPE_CHECKING:
    from tincd_compat._fast._core import Pump


class Strangers:
    """Senders that one compiled pump ignores."""

    def __init__(self, pump: Pump, mesh: Mesh, lookup: SenderLookup) -> None:
        self._pump = pump
        self._mesh = mesh
        self._lookup = lookup
        #: When all strangers were ignored last.
        self._turn = -1

    def heed(self) -> None:
        """Ignore nobody: a datagram from anywhere may be of a node that has changed."""
        self._turn = -1
        self._pump.heed_strangers()

    def ignore(
        self, place: Place, address: SocketAddress, now: float, *, known: bool
    ) -> None:
        """Let the pump ignore what comes from a place if to look at it is in vain."""
        if known:
            owner = self._mesh.node_by_address(address)
            if owner is not None and owner.has_sessions:
                # What the node only passes on looks to the pump as if nobody had sealed
                # it, and names its author: no keys are tried for it.
                return
            if self._lookup.in_vain(address.host, now, owner):
                self._pump.ignore_source(*place)
        elif self._lookup.in_vain(address.host, now):
            self._pump.ignore_host(address.host)
            self._ignore_all(now)

    def _ignore_all(self, now: float) -> None:
        """Let the pump ignore all strangers, if to look at them is in vain."""
        turn = int(now * TURNS)
        wanted = self._lookup.wanted_hosts(now)
        if wanted is not None and turn != self._turn:
            self._turn = turn
            self._pump.ignore_strangers(wanted)
