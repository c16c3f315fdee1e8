"""A change of the host's network: what had to wait is tried again at once.

C has to be told by SIGALRM; ours hears of it from the kernel.  What is only said again,
as a router advertisement does every few seconds, is no change.
"""

from __future__ import annotations

import re
import signal
from typing import Final

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import holds, wait_for

#: No pause, no PING and no probe that is due ends within a case.
_SECONDS: Final = 300
_SERVER: Final = (
    f"MinTimeout = {_SECONDS}",
    f"MaxTimeout = {3 * _SECONDS}",
    f"PingInterval = {_SECONDS}",
    # C's SIGALRM is a PING too, and the network may just have been away.
    "PingTimeout = 20",
)
_PAUSE: Final = r"^Trying to re-establish outgoing connection in (\d+) seconds$"
_NETWORK: Final = "10.99.1.0/24 dev eth0 proto kernel scope link src 10.99.1.1"
#: A link that goes down otherwise loses its IPv6 addresses for good.
_KEEP_IPV6: Final = "echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down"
#: The limit of a case: no pause is over before it.
_LIMIT: Final = 180
#: What takes the network away, and what brings it back.
_CHANGES: Final = {
    "address": ("addr del 10.99.1.1/24 dev eth0", "addr add 10.99.1.1/24 dev eth0"),
    "route": (f"route del {_NETWORK}", f"route add {_NETWORK}"),
    "link": ("link set eth0 down", "link set eth0 up"),
}
#: An address as a router gives it, and what says so again.
_ADDRESS: Final = "10.97.1.66/24 dev eth0"
_REFRESHED: Final = f"addr replace {_ADDRESS} valid_lft 600 preferred_lft 600"
_AGAIN: Final = (
    _REFRESHED,
    "link set eth0 promisc on",
    "link set eth0 promisc off",
)
_TIMES: Final = 15
#: Far below any pause, generous to a busy machine.
_AT_ONCE: Final = 20.0


def play(lab: Lab, placement: Placement) -> None:
    kind_caller, kind_goals = placement
    goals = tuple(_CHANGES)
    caller = Plan(
        name="caller", kind=kind_caller, connect_to=goals, server=_SERVER, debug=5
    )
    mesh = Mesh(lab, [caller, *(Plan(name=goal, kind=kind_goals) for goal in goals)])
    dialling = mesh["caller"]
    dialling.namespace.run("sh", "-ec", _KEEP_IPV6)
    dialling.start()
    _wait_pauses(dialling, 0, len(goals))
    _nothing_new(dialling, len(goals))
    for number, (goal, (away, back)) in enumerate(_CHANGES.items(), start=1):
        waiting = len(goals) - number
        _comes_back(dialling, mesh[goal], away, back, waiting)
    _probes(dialling, [mesh[goal] for goal in goals])


def _nothing_new(caller: TincNode, waiting: int) -> None:
    """Have the kernel say again what is known: nobody is dialled for that."""
    _change(caller, _REFRESHED, waiting)
    mark = caller.log.mark()
    for number in range(_TIMES):
        _ip(caller, _AGAIN[number % len(_AGAIN)])
        holds("nothing new", lambda: caller.alive, 0.3)
    holds("nothing new", lambda: caller.alive, 2.0)
    expect_equal("changes", caller.log.count("^The network of this host", mark), 0)
    expect_equal("calls", caller.log.count("^Trying to connect to ", mark), 0)
    _change(caller, f"addr del {_ADDRESS}", waiting)


def _change(caller: TincNode, command: str, waiting: int) -> None:
    """Change the network; ours calls all who are waiting, and waits again."""
    mark = caller.log.mark()
    _ip(caller, command)
    if caller.kind is Kind.OURS:
        _wait_pauses(caller, mark, waiting)


def _comes_back(
    caller: TincNode, goal: TincNode, away: str, back: str, waiting: int
) -> None:
    """Start a goal while the network is away; that being back, the goal is reached.

    ``waiting`` more goals are still to come.
    """
    mark = caller.log.mark()
    _ip(caller, away)
    if caller.kind is Kind.OURS:
        _wait_pauses(caller, mark, waiting + 1)
    goal.start()
    mark = caller.log.mark()
    _ip(caller, back)
    _tell(caller)
    _wait_pauses(caller, mark, waiting)
    caller.wait_reachable(goal.name, limit=_AT_ONCE)
    wait_ping(caller, goal.address)


def _wait_pauses(caller: TincNode, mark: int, count: int) -> None:
    """Wait until so many goals have failed, and will not be called again soon."""

    def all_failed() -> bool:
        pauses = re.findall(_PAUSE, caller.log.text(mark), re.M)
        for pause in pauses:
            least = _SECONDS - _LIMIT
            expect_between("seconds to wait", int(pause), least, 3 * _SECONDS)
        return len(pauses) >= count

    wait_for(f"{count} goals failed", all_failed, _AT_ONCE)


def _probes(caller: TincNode, goals: list[TincNode]) -> None:
    """A path that is known is probed again, long before that is due.

    C's SIGALRM leaves out the node whose probe was due last.
    """
    names = [goal.name for goal in goals]
    caller.wait_pmtu(*names)
    mark = caller.log.mark()
    _ip(caller, "addr add 10.99.1.77/24 dev eth0")
    _tell(caller)
    wanted = len(names) if caller.kind is Kind.OURS else 1

    def probed() -> bool:
        text = caller.log.text(mark)
        ways = re.findall(r"^(Sending|Got) MTU probe length \d+ \w+ (\w+) ", text, re.M)
        return all(
            len({name for way, name in ways if way == each}) >= wanted
            for each in ("Sending", "Got")
        )

    wait_for(f"{wanted} nodes probed again", probed, _AT_ONCE)
    for goal in goals:
        expect_ping(caller, goal.address)
    _ip(caller, "addr del 10.99.1.77/24 dev eth0")


def _tell(caller: TincNode) -> None:
    if caller.kind is Kind.C:
        caller.signal(signal.SIGALRM)


def _ip(node: TincNode, command: str) -> None:
    node.namespace.run("ip", *command.split())


SCENARIO = Scenario(
    name="netwatch",
    summary="address, route or link comes back: dialled and probed at once",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C)),
    play=play,
    limit=_LIMIT,
    seconds=25,
)
