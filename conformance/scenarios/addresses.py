"""Which addresses are dialled, in which order, and from where: as C does it.

A case waits for the second try after each that failed, before which C pauses for whole
seconds.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from conformance.harness.checks import expect_same_text
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

#: Where the goal is.
_V4, _V6, _PORT = "10.99.1.2", "fd99:1::2", 7000
#: No host is there.
_NOWHERE = ("10.99.1.3", "fd99:1::3")
_SECOND_ADDRESS: Final = "10.99.1.101"
_HOSTS: Final = f"""\
127.0.0.1 localhost
{_NOWHERE[0]} goal.test
{_V4} goal.test
{_V6} both.test
{_V4} both.test
"""
_RESOLVER: Final = "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n"
#: Files of a machine's own, seen by the program alone.
_MOUNT: Final = """\
mount --bind "$0/hosts" /etc/hosts
mount --bind "$0/resolv.conf" /etc/resolv.conf
exec "$@"
"""
_SERVER: Final = ("PingTimeout = 2",)
_TOLD: Final = re.compile(
    r"^(?:Trying to (?:connect|re-establish)|Connected to|Error while connecting to"
    r"|Error looking up|Could not set up|Can't bind).*|^No address specified for \w+",
    re.M,
)
_GIVEN_UP: Final = "Trying to re-establish outgoing connection in 1 seconds"
_ACTIVATED: Final = r"^Connection with goal \(.+\) activated$"


class Row(NamedTuple):
    """Lines of the goal's host file, and of our tinc.conf."""

    goal: tuple[str, ...]
    own: tuple[str, ...] = ()


_ROWS: Final = (
    Row((f"Address = {_V4}", f"Port = {_PORT}")),
    Row((f"Address = {_V4} {_PORT}", "Port = 7")),
    Row((f"Address = {_V6} {_PORT}",)),
    Row((f"Address = {_V4}", f"Address = {_V6} {_PORT}")),
    # A refused port, an absent host, then the right ones.
    Row(
        (
            f"Address = {_V4} 7",
            f"Address = {_V6} 7",
            *(f"Address = {nowhere} {_PORT}" for nowhere in _NOWHERE),
            f"Address = {_V4} {_PORT}",
            f"Address = {_V6} {_PORT}",
        )
    ),
    # Names: of nobody, of several addresses; a service of no name.
    Row((f"Address = nobody.test {_PORT}", f"Address = {_V4} {_PORT}")),
    Row((f"Address = goal.test {_PORT}",)),
    Row((f"Address = both.test {_PORT}",)),
    Row(("Address = both.test 7", f"Address = both.test {_PORT}")),
    Row((f"Address = {_V4} nonsense", f"Address = {_V4} {_PORT}")),
    # One family alone.
    Row(
        (f"Address = {_V6} {_PORT}", f"Address = both.test {_PORT}"),
        ("AddressFamily = ipv4",),
    ),
    Row(
        (f"Address = {_V4} {_PORT}", f"Address = both.test {_PORT}"),
        ("AddressFamily = ipv6",),
    ),
    # Bound to the other address, and to both.
    Row((f"Address = {_V4} {_PORT}",), (f"BindToAddress = {_SECOND_ADDRESS}",)),
    Row((f"Address = {_V6} {_PORT}",), (f"BindToAddress = {_SECOND_ADDRESS}",)),
    Row(
        (f"Address = {_V4} {_PORT}",),
        ("BindToAddress = 10.99.1.1", f"BindToAddress = {_SECOND_ADDRESS} 8001"),
    ),
    Row((f"Address = {_V4} {_PORT}",), ("BindToInterface = eth0",)),
    # In vain: the whole list is gone through again.
    Row((f"Address = {_V4} 7", f"Address = {_V6} 9")),
    Row(("Port = 7",)),
)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    wanted = _record(lab, Kind.C, "ref-")
    say(wanted)
    actual = _record(lab, kind, "sub-")
    expect_same_text("what was dialled", actual, wanted)


def _record(lab: Lab, kind: Kind, part: str) -> str:
    """Return what the caller logged and where the goal was called from, by row."""
    goal_server = (f"BindToAddress = * {_PORT}",)
    plans = [
        Plan(name="caller", kind=kind, connect_to=("goal",), server=_SERVER, debug=1),
        Plan(name="goal", kind=Kind.C, server=goal_server, debug=1),
    ]
    mesh = Mesh(lab, plans, part=part)
    caller, goal = mesh
    caller.namespace.add_address("eth0", _SECOND_ADDRESS, 24)
    (caller.directory / "hosts").write_text(_HOSTS)
    (caller.directory / "resolv.conf").write_text(_RESOLVER)
    directory = str(caller.directory)
    caller.wrapper = ("unshare", "-m", "sh", "-ec", _MOUNT, directory)
    goal.start()
    main, host = caller.etc / "tinc.conf", caller.etc / "hosts" / "goal"
    texts = main.read_text(), _without(host.read_text(), "Address")
    told: list[str] = []
    for row in _ROWS:
        main.write_text("\n".join([*row.own, texts[0]]))
        host.write_text("\n".join([*row.goal, texts[1]]))
        told += ["", *row.goal, *row.own, _dial(caller, goal)]
    goal.stop()
    return "\n".join(told)


def _dial(caller: TincNode, goal: TincNode) -> str:
    """Start the caller, and stop it when it is connected or has failed twice."""
    mark, goal_mark = caller.log.mark(), goal.log.mark()
    caller.start()

    def done() -> bool:
        failures = caller.log.count(f"^{_GIVEN_UP}$", mark)
        return failures >= 2 or caller.log.has(_ACTIVATED, mark)

    wait_for("connected, or failed twice", done, 30)
    lines = _TOLD.findall(caller.log.text(mark))
    if caller.log.has(_ACTIVATED, mark):
        found = goal.log.wait(r"^Connection from (\S+) port \d+$", 5, goal_mark)
        lines.append(f"called from {found[1]}")
    else:
        del lines[_second_failure(lines) :]
    caller.stop()
    # Whether a host is absent or slow to answer is a matter of timing.
    hasty = tuple(f"Error while connecting to goal ({where}" for where in _NOWHERE)
    return "\n".join(line for line in lines if not line.startswith(hasty))


def _second_failure(lines: list[str]) -> int:
    first = lines.index(_GIVEN_UP)
    return lines.index(_GIVEN_UP, first + 1) + 1


def _without(text: str, variable: str) -> str:
    lines = text.splitlines()
    return "\n".join(line for line in lines if not line.startswith(variable)) + "\n"


SCENARIO = Scenario(
    name="addresses",
    summary="addresses, names and ports are dialled in the order of C",
    placements=ONE,
    play=play,
    seconds=25,
    needs_c=True,
)
