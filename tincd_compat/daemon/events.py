"""Which script runs when the mesh changes, and with which variables.

A single line of a member can make ten thousand nodes come or go, each with subnets.  So
the events wait here until there is time to look for their scripts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.daemon.slices import Begin, at_once
from tincd_compat.mesh.node import Node
from tincd_compat.service.scripts import ScriptRunner, script_environment

#: Events that wait at most; nobody has that many scripts run.
MAX_WAITING: Final = 65_536


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
        self._waiting: deque[Callable[[], None]] = deque()
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

    def host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        """host-up and hosts/NAME-up, or their counterparts."""
        self._put((partial(self._host, node, up, address),))

    def subnets(
        self,
        node: Node,
        subnets: Iterable[Subnet],
        up: bool,
        address: SocketAddress | None,
    ) -> None:
        """subnet-up or subnet-down; subnets of ours have no remote address."""
        name = f"subnet-{_word(up)}"
        if self._runner.absent(name):
            return
        place = None if node.name == self._name else address
        about = {"node": node.name, "address": place}
        self._put(partial(self._run, name, **about, subnet=each) for each in subnets)

    def _put(self, events: Iterable[Callable[[], None]]) -> None:
        under_way = bool(self._waiting)
        for event in events:
            if len(self._waiting) >= MAX_WAITING:
                if not self._overflowed:
                    self._overflowed = True
                    logs.always.error("Too many scripts are waiting, leaving out some")
                break
            self._waiting.append(event)
        if not under_way:
            self._begin("scripts", self._work())

    def _work(self) -> Iterator[None]:
        while self._waiting:
            self._waiting.popleft()()
            yield
        self._overflowed = False

    def _host(self, node: Node, up: bool, address: SocketAddress | None) -> None:
        for name in (f"host-{_word(up)}", f"hosts/{node.name}-{_word(up)}"):
            self._run(name, node=node.name, address=address)

    def _run(self, name: str, **about: Any) -> None:
        if not self._runner.absent(name):
            self._runner.run(name, self._variables(**about))


def _word(up: bool) -> str:
    return "up" if up else "down"
