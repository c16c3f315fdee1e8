"""Which script runs when the mesh changes, and with which variables.

A single line of a member can make ten thousand nodes come or go, each with subnets.  So
the events wait here until there is time to look for their scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Final, Protocol, TypeAlias

from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.slices import LATER, Begin, at_once
from tincd_compat.mesh.graph import Change, Flips
from tincd_compat.mesh.node import Node
from tincd_compat.service.scripts import LeftOut, ScriptRunner, script_environment

#: Nodes and subnets that wait at most; nobody has that many scripts run.
MAX_WAITING: Final = 65_536
#: A node that came or went, or a subnet that it had then and that has another script.
_Event: TypeAlias = tuple[Change, Subnet | None]
#: A node that came or went, or all subnets that it had then.
_Group: TypeAlias = tuple[Change, list[Subnet] | None]


class MeshEvents(Protocol):
    """A listener to nodes and subnets that come and go: scripts, and the journal."""

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None: ...

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None: ...


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
        #: What each event of the mesh has brought; made as it is asked for.
        self._waiting: deque[Iterator[_Event]] = deque()
        #: How many nodes and subnets that is.
        self._count = 0
        self._left_out = LeftOut()
        self._variables: Callable[..., dict[str, str]] = lambda **more: (
            script_environment(
                netname=netname, name=name, device=device, interface=interface, **more
            )
        )

    def device(self, up: bool) -> None:
        """Queue tinc-up or tinc-down."""
        self.finish()
        self._run(f"tinc-{_word(up)}")

    def finish(self) -> None:
        """Hand over the scripts of all events so far, however long that takes."""
        deque(self._work(), maxlen=0)

    def nodes(self, flips: Flips, subnets: Callable[[Node], list[Subnet]]) -> None:
        """Queue host-up and hosts/NAME-up, or their counterparts, for each node.

        Before the next node come subnet-up or subnet-down for each of its ``subnets``.
        """
        wanted = {up for up in (True, False) if not self._runner.absent(_subnet(up))}
        if wanted.isdisjoint(flips.up):
            self._put(zip(flips, repeat(None)), len(flips))
            return
        owned = [
            subnets(node) if up in wanted else []
            for node, up in zip(flips.nodes, flips.up, strict=True)
        ]
        count = len(flips) + sum(map(len, owned))
        self._put(_with_subnets(flips, owned), count)

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        """Queue subnet-up or subnet-down; subnets of ours have no remote address."""
        if not self._runner.absent(_subnet(up)):
            every = [*subnets]
            self._put([(Change(node, up, address), every)], len(every))

    def _put(self, groups: Iterable[_Group], count: int) -> None:
        under_way = self._count > 0
        if self._count + count > MAX_WAITING:
            groups = list(self._as_there_is_room(groups))
            count = MAX_WAITING - self._count
        self._count += count
        self._waiting.append(_one_by_one(groups))
        if not under_way:
            self._begin("scripts", self._work())

    def _as_there_is_room(self, groups: Iterable[_Group]) -> Iterator[_Group]:
        room = MAX_WAITING - self._count
        for change, subnets in groups:
            if subnets is not None:
                first, rest = subnets[:room], subnets[room:]
                room -= len(first)
                self._left_out.add(_subnet(change.up), len(rest))
                yield change, first
            elif room:
                room -= 1
                yield change, None
            else:
                self._left_out.add(f"host-{_word(change.up)}")

    def _work(self) -> Iterator[float | None]:
        if self._count > MANY:
            # The turn in which so many come or go is long without that.
            yield LATER
        while self._waiting:
            event = next(self._waiting[0], None)
            if event is None:
                self._waiting.popleft()
                continue
            change, subnet = event
            self._count -= 1
            if subnet is None:
                self._of_host(*change)
            else:
                self._of_subnet(*change, subnet)
            yield None
        self._left_out.tell()

    def _of_host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        for name in (f"host-{_word(up)}", f"hosts/{node.name}-{_word(up)}"):
            self._run(name, node=node.name, address=address)

    def _of_subnet(
        self, node: Node, up: bool, address: SocketAddress | None, subnet: Subnet
    ) -> None:
        place = None if node.name == self._name else address
        self._run(_subnet(up), node=node.name, address=place, subnet=subnet)

    def _run(self, name: str, **about: Any) -> None:
        if not self._runner.absent(name):
            self._runner.run(name, self._variables(**about))


def _with_subnets(flips: Flips, owned: list[list[Subnet]]) -> Iterator[_Group]:
    for change, subnets in zip(flips, owned, strict=True):
        yield change, None
        yield change, subnets


def _one_by_one(groups: Iterable[_Group]) -> Iterator[_Event]:
    for change, subnets in groups:
        for subnet in (None,) if subnets is None else subnets:
            yield change, subnet


def _subnet(up: bool) -> str:
    return f"subnet-{_word(up)}"


def _word(up: bool) -> str:
    return "up" if up else "down"
