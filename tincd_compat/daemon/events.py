"""Which script runs when the mesh changes, and with which variables.

A single line of a member can make ten thousand nodes come or go, each with subnets.  So
the events wait here until there is time to look for their scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.daemon.slices import Begin, at_once
from tincd_compat.mesh.graph import Change
from tincd_compat.mesh.node import Node
from tincd_compat.service.scripts import ScriptRunner, script_environment

#: Events that wait at most; nobody has that many scripts run.
MAX_WAITING: Final = 65_536
#: What waits: a node that came or went, or what runs one other script.
_Event: TypeAlias = Change | Callable[[], None]


class ScriptEvents:
    """Queues the scripts of tinc.conf(5) in the order of tinc 1.0.36.

    ``begin(subject, work)`` does what may take long, an iterator, in small steps.
    """

    def __init__(
        self,
        runner: ScriptRunner,
        *,
        netname: str | None,
        name: str,
        device: str,
        interface: str,
        begin: Begin = at_once,
    ) -> None:
        self._runner = runner
        self._name = name
        self._begin = begin
        self._waiting: deque[_Event] = deque()
        self._overflowed = False
        self._variables: Callable[..., dict[str, str]] = lambda **more: (
            script_environment(
                netname=netname, name=name, device=device, interface=interface, **more
            )
        )

    def device(self, up: bool) -> None:
        """tinc-up or tinc-down."""
        self.finish()
        self._run(f"tinc-{_word(up)}")

    def finish(self) -> None:
        """Hand over the scripts of all events so far, however long that takes."""
        deque(self._work(), maxlen=0)

    def nodes(
        self, changes: Sequence[Change], subnets: Callable[[Node], Iterable[Subnet]]
    ) -> None:
        """host-up and hosts/NAME-up, or their counterparts, for each that came or went.

        Before the next node come subnet-up or subnet-down for each of its ``subnets``.
        """
        wanted = {up for up in (True, False) if not self._runner.absent(_subnet(up))}
        if not wanted:
            self._put(changes)
            return
        events: list[_Event] = []
        for change in changes:
            events.append(change)
            if change.up in wanted:
                events += self._of_subnets(*change, subnets(change.node))
        self._put(events)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        """subnet-up or subnet-down; subnets of ours have no remote address."""
        if not self._runner.absent(_subnet(up)):
            self._put(list(self._of_subnets(node, up, address, subnets)))

    def _of_subnets(
        self,
        node: Node,
        up: bool,
        address: SocketAddress | None,
        subnets: Iterable[Subnet],
    ) -> Iterator[_Event]:
        place = None if node.name == self._name else address
        about = {"node": node.name, "address": place}
        for subnet in subnets:
            yield partial(self._run, _subnet(up), **about, subnet=subnet)

    def _put(self, events: Sequence[_Event]) -> None:
        under_way = bool(self._waiting)
        room = MAX_WAITING - len(self._waiting)
        if len(events) > room and not self._overflowed:
            self._overflowed = True
            logs.always.error("Too many scripts are waiting, leaving out some")
        self._waiting += events[:room]
        if not under_way:
            self._begin("scripts", self._work())

    def _work(self) -> Iterator[None]:
        while self._waiting:
            match self._waiting.popleft():
                case Change(node, up, address):
                    self._host(node, up, address)
                case run:
                    run()
            yield
        self._overflowed = False

    def _host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        for name in (f"host-{_word(up)}", f"hosts/{node.name}-{_word(up)}"):
            self._run(name, node=node.name, address=address)

    def _run(self, name: str, **about: Any) -> None:
        if not self._runner.absent(name):
            self._runner.run(name, self._variables(**about))


def _subnet(up: bool) -> str:
    return f"subnet-{_word(up)}"


def _word(up: bool) -> str:
    return "up" if up else "down"
