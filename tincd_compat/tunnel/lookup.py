"""Whose datagram is this?  Finding a sender by its MAC when its address is new.

A datagram names nobody.  Normally its source address is some node's UDP address.  When
it is not - the node roams, sits behind another translation, or speaks for the first
time - the MAC is tried under the keys we handed out.  A stranger can ask for that with
every datagram, so the work is bounded by a number of tests a second: nodes known at the
source's host come first, then all others, unless a search for this host was already in
vain within the second.  Who is in a hurry asks whether a look would be in vain, and
spares it for the rest of a turn, an eighth of a second.

tinc 1.0.36 makes one search of all nodes a second, whoever asked for it; its own looped
back broadcast can use that up, and then a genuine newcomer goes unheard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node

#: MAC tests a second spent on searches of all nodes, unless a single search needs more.
MAX_TESTS: Final = 2000
#: MAC tests a turn spent on nodes known at the source's host: small portions, because
#: every packet behind them has to wait.
MAX_NEARBY_TESTS: Final = 250
#: Hosts remembered from where a look is in vain.
MAX_VAIN: Final = 4096
#: Turns in a second, and in the compiled half.
TURNS: Final = 8
#: Lines a second about datagrams from nobody.
MAX_LINES: Final = 3


class LogLimit:
    """Writes at most so many lines a second, and says how many were left out."""

    def __init__(self, logger: logging.Logger, level: int, per_second: int) -> None:
        self._logger = logger
        self._level = level
        self._per_second = per_second
        self._second = -1
        self._written = self._left_out = 0

    def log(self, now: float, message: str, *args: object) -> None:
        second = int(now)
        if second != self._second:
            if self._left_out > 0:
                suppressed = self._left_out
                self._logger.log(self._level, "... %d more suppressed", suppressed)
            self._second, self._written, self._left_out = second, 0, 0
        if self._written < self._per_second:
            self._written += 1
            self._logger.log(self._level, message, *args)
        else:
            self.left_out(1)

    def left_out(self, count: int) -> None:
        """Count lines that nobody has even tried to write."""
        self._left_out += count
        logs.suppressed.add(self._logger, self._level, count)


class SenderLookup:
    """Finds the node behind a datagram from an address that is not its own.

    ``matches(node, datagram)`` tests the MAC; None from it means that there is nothing
    to test, because we gave that node no key or use no MAC.
    """

    def __init__(
        self, mesh: Mesh, matches: Callable[[Node, bytes], bool | None]
    ) -> None:
        self._mesh = mesh
        self._matches = matches
        self._second = self._turn = -1
        self._tests = 0
        self._nearby_tests = 0
        self._searched: set[str] = set()
        #: From where, and beside whom, a look is in vain in this turn.
        self._vain: set[tuple[str, Node | None]] = set()
        self._by_host: dict[str, list[Node]] | None = None
        self._stale = True
        self._strangers = LogLimit(logs.protocol, logging.WARNING, MAX_LINES)

    def invalidate(self) -> None:
        """Nodes, edges or addresses changed."""
        self._stale = True
        self._vain.clear()

    def keys_changed(self) -> None:
        """A node that could not be found for want of a key may have one."""
        self._vain.clear()

    def find(
        self,
        datagram: bytes,
        source: SocketAddress,
        now: float,
        except_: Node | None = None,
    ) -> Node | None:
        """Return the node whose key made the datagram's MAC; ``except_`` was tried."""
        self._tell_time(now)
        if self._nearby_tests < MAX_NEARBY_TESTS:
            nearby = self._nearby(source.host)
            node, tests = self._try(datagram, nearby, except_)
            self._nearby_tests += tests
            if node is not None:
                return node
        if self._tests < MAX_TESTS and source.host not in self._searched:
            node, tests = self._try(datagram, self._mesh.nodes.values(), except_)
            # One at least, so that this second's set of hosts stays bounded too.
            self._tests += tests + 1
            if node is not None:
                # Not counted: what was found may be a replay, and the node be next.
                return node
            self._searched.add(source.host)
        return None

    def in_vain(self, host: str, now: float, except_: Node | None = None) -> bool:
        """Tell whether :meth:`find` would only return None for the rest of this turn.

        For any datagram from that host, of which ``except_`` was tried.
        """
        self._tell_time(now)
        if (host, except_) in self._vain:
            return True
        in_vain = self._has_come_to_an_end(host, except_)
        if in_vain:
            if len(self._vain) >= MAX_VAIN:
                self._vain.clear()
            self._vain.add((host, except_))
        return in_vain

    def _has_come_to_an_end(self, host: str, except_: Node | None) -> bool:
        if self._tests < MAX_TESTS and host not in self._searched:
            return False
        return self._nearby_tests >= MAX_NEARBY_TESTS or not any(
            # Nothing is to be tested by a key that there is not.
            self._may_be(node, except_) and self._matches(node, b"") is not None
            for node in self._nearby(host)
        )

    def wanted_hosts(self, now: float) -> list[str] | None:
        """Return the hosts from where datagrams may be looked at in this turn.

        None if that is everywhere.
        """
        self._tell_time(now)
        if self._tests < MAX_TESTS:
            return None
        if self._nearby_tests >= MAX_NEARBY_TESTS:
            return []
        return list(self._hosts())

    def report(self, source: SocketAddress, now: float, count: int = 1) -> None:
        """Log so many datagrams that nobody has sent."""
        written = min(count, MAX_LINES)
        for _ in range(written):
            line = "Received UDP packet from unknown source %s"
            self._strangers.log(now, line, source)
        self._strangers.left_out(count - written)

    def ignored(self, count: int) -> None:
        """Count datagrams that nobody has sent and that were not even looked at."""
        self._strangers.left_out(count)

    def _tell_time(self, now: float) -> None:
        """Begin a new turn or second, with new allowances."""
        turn = int(now * TURNS)
        if turn == self._turn:
            return
        self._turn = turn
        self._nearby_tests = 0
        self._vain.clear()
        if turn // TURNS == self._second:
            return
        self._second = turn // TURNS
        self._tests = 0
        self._searched.clear()
        if self._stale:
            # Only here: a storm of changes must not make strangers expensive.
            self._by_host = None
            self._stale = False

    def _nearby(self, host: str) -> Iterable[Node]:
        """Nodes that some edge, or their own UDP address, places at this host."""
        return self._hosts().get(host, ())

    def _hosts(self) -> dict[str, list[Node]]:
        if self._by_host is None:
            self._by_host = self._index()
        return self._by_host

    def _index(self) -> dict[str, list[Node]]:
        found: dict[str, dict[Node, None]] = {}
        for node in self._mesh.nodes.values():
            for edge in node.edges.values():
                found.setdefault(edge.address.host, {})[edge.target] = None
            if node.address is not None:
                found.setdefault(node.address.host, {})[node] = None
        return {host: list(nodes) for host, nodes in found.items()}

    def _try(
        self, datagram: bytes, nodes: Iterable[Node], except_: Node | None
    ) -> tuple[Node | None, int]:
        """Return the node that matches, if any, and the number of tests made."""
        tests = 0
        for node in nodes:
            if not self._may_be(node, except_):
                continue
            answer = self._matches(node, datagram)
            if answer is not None:
                tests += 1
                if answer:
                    return node, tests
        return None, tests

    def _may_be(self, node: Node, except_: Node | None) -> bool:
        return node is not except_ and node.reachable and node is not self._mesh.myself
