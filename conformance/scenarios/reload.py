"""SIGHUP: what has changed is applied, and who is not concerned keeps its link.

Three things are asked of ours alone.  C ends when it cannot read its configuration, so
``reload-broken`` has no placement with C as the subject; it cuts off a peer whose host
file was only touched, and it does not read its own subnets again unless it is strict.
"""

from __future__ import annotations

import signal
import time
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.dumps import Dump
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import SteadyPing, expect_ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, holds, say, wait_for

#: Refused callers are left waiting for PingTimeout.
_SERVER: Final = ("PingTimeout = 2",)
#: Said by one side; the edge has the mean of it and what the other side measures.
_WEIGHT: Final = 1000


def play_hosts(lab: Lab, placement: Placement) -> None:
    """Change, touch, remove and restore host files of peers."""
    subject, near, guest = mesh = _mesh(lab, placement)
    mesh.start()
    mesh.wait_reachable()
    steady = SteadyPing(lab, guest, subject.address, count=9000, interval=0.02)

    say("  nothing has changed")
    mark = _hang_up(subject)
    subject.log.wait(r"^Already connected to near", 5, mark)
    expect_equal("closed", _closed(subject, mark), set())

    say("  near's file has changed")
    _next_second()
    _add_line(subject, "near", f"Weight = {_WEIGHT}")
    # C's clock is that of its last turn: as old as the file, or older, and the next
    # signal finds the file changed once more.
    _next_second()
    mark = _hang_up(subject)
    subject.log.wait(r"^Connection with near .* activated", 10, mark)
    expect_equal("closed", _closed(subject, mark), {"near"})
    near.wait_reachable("subject")
    edges = near.dump().edges
    (weight,) = (
        each.weight
        for each in edges
        if (each.source, each.target) == ("near", "subject")
    )
    expect(_WEIGHT / 2 <= weight < _WEIGHT, f"near's edge has weight {weight}")

    if subject.kind is Kind.OURS:
        say("  guest's file was touched")
        _next_second()
        (subject.etc / "hosts" / "guest").touch()
        mark = _hang_up(subject)
        subject.log.wait(r"^Already connected to near", 5, mark)
        expect_equal("closed", _closed(subject, mark), set())
    result = steady.finish()
    say(f"          steady ping guest > subject: {result}")
    expect_equal("pings lost by the guest meanwhile", result.lost, 0)

    say("  guest's file is away, and back again")
    path = subject.etc / "hosts" / "guest"
    text = path.read_text()
    path.unlink()
    mark = _hang_up(subject)
    subject.log.wait(r"^Closing connection with guest ", 5, mark)
    subject.log.wait(r"^Peer .* had unknown identity \(guest\)", 10, mark)
    expect(not subject.dump().nodes["guest"].reachable, "the guest is reachable")
    path.write_text(text)
    wait_ping(guest, subject.address, 10)
    expect("near" not in _closed(subject, mark), "near was cut off, too")


def play_connect_to(lab: Lab, placement: Placement) -> None:
    """Dial another peer, no more the first, then both."""
    subject, near, _ = mesh = _mesh(lab, placement, guest_dials=False)
    mesh.start()
    subject.wait_reachable("near")
    expect("guest" not in subject.dump().nodes, "the guest is known")

    say("  guest instead of near")
    _connect_to(subject, "guest")
    mark = _hang_up(subject)
    mesh.wait_reachable()
    expect_equal("connections", subject.dump().peers(), ["guest", "near"])
    expect_equal("closed", _closed(subject, mark), set())

    say("  near is gone, and nobody dials it")
    near.kill()
    subject.log.wait(r"^Closing connection with near ", 5, mark)
    holds(
        "near is not dialled",
        lambda: not subject.log.has(r"^Trying to connect to near ", mark),
        seconds=2,
    )
    near.start()
    _connect_to(subject, "guest", "near")
    mark = _hang_up(subject)
    mesh.wait_reachable()
    subject.log.wait(r"^Already connected to guest", 5, mark)
    expect_ping(subject, near.address, count=3)

    say("  a peer that cannot be dialled, and one that is no name")
    _connect_to(subject, "guest", "nobody", "no-name", "near")
    mark = _hang_up(subject)
    subject.log.wait(r"^Invalid name for outgoing connection in .* line \d+$", 5, mark)
    subject.log.wait(r"^Already connected to near", 5, mark)
    expect_equal("closed", _closed(subject, mark), set())


def play_broken(lab: Lab, placement: Placement) -> None:
    """A configuration that cannot be used changes nothing and is complained of."""
    subject, near, _ = mesh = _mesh(lab, placement, guest_dials=False)
    mesh.start()
    subject.wait_reachable("near")
    steady = SteadyPing(lab, near, subject.address, count=9000, interval=0.02)
    main = subject.etc / "tinc.conf"
    right = main.read_text()
    for what, text in (
        ("no value", f"{right}ConnectTo\n"),
        ("no Name", right.replace("Name = subject\n", "")),
        ("a bad Name", right.replace("subject", "no-name")),
        ("a bad Mode", f"Mode = route\n{right}"),
        ("a bad subnet", f"Subnet = 10.0.0.1/8\n{right}"),
        ("a bad time-out", f"MaxTimeout = 0\n{right}"),
        ("nothing", ""),
        ("no file", None),
    ):
        say(f"  {what}")
        main.unlink() if text is None else main.write_text(text)
        mark = _hang_up(subject)
        subject.log.wait(r"^Unable to reread configuration file, keeping ", 5, mark)
        expect_equal("closed", _closed(subject, mark), set())
        _expect_complaint(subject, mark)
    main.write_text(right)
    _connect_to(subject, "near", "guest")
    mark = _hang_up(subject)
    subject.wait_reachable("guest")
    expect_equal("closed", _closed(subject, mark), set())
    result = steady.finish()
    say(f"          steady ping near > subject: {result}")
    expect_equal("pings lost meanwhile", result.lost, 0)


def play_subnets(lab: Lab, placement: Placement) -> None:
    """Subnets of host files if the subject is strict, else its own."""
    _reload_strict(lab, placement)
    if placement[0] is Kind.OURS:
        _reload_own(lab, placement)


def _reload_strict(lab: Lab, placement: Placement) -> None:
    """A subnet that near announces all the time is believed once it is on file."""
    say("  StrictSubnets")
    strict = ("StrictSubnets = yes",)
    subject, near, guest = mesh = _mesh(lab, placement, server=strict, part="strict-")
    _add_line(near, "near", "Subnet = 10.81.0.0/16")
    ghost = subject.etc / "hosts" / "ghost"
    ghost.touch()
    mesh.start()
    mesh.wait_reachable()
    announced = "10.81.0.0/16#10", "near"
    expect(announced not in subject.dump().owned(), "the subject believes near")

    say("  more subnets on file")
    _next_second()
    _add_line(subject, "near", "Subnet = 10.81.0.0/16")
    ghost.write_text("Subnet = 10.82.0.0/16\n")
    mark = _hang_up(subject)
    _wait_owned(subject, announced, ("10.82.0.0/16#10", "ghost"))
    _wait_owned(guest, ("10.82.0.0/16#10", "ghost"))
    subject.log.wait(r"^Connection with near .* activated", 10, mark)
    expect_equal("closed", _closed(subject, mark), {"near"})
    near.wait_reachable("subject", "guest")
    expect(announced in subject.dump().owned(), "the subject has forgotten it again")

    for what, text, wanted in (
        ("another weight", "Subnet = 10.82.0.0/16#3\n", {"10.82.0.0/16#3"}),
        ("none any more", "", set()),
    ):
        say(f"  {what}")
        ghost.write_text(text)
        mark = _hang_up(subject)
        for node in mesh:
            _wait_exactly(node, "ghost", wanted)
    mesh.stop()


def _reload_own(lab: Lab, placement: Placement) -> None:
    say("  own subnets")
    subject, near, _ = mesh = _mesh(lab, placement, part="own-")
    mesh.start()
    mesh.wait_reachable()
    path = subject.etc / "hosts" / "subject"
    text = path.read_text()
    usual = {row.subnet for row in subject.dump().subnets if row.owner == "subject"}
    for what, line, further in (
        ("added", "Subnet = 10.83.0.0/16\n", {"10.83.0.0/16#10"}),
        ("another weight", "Subnet = 10.83.0.0/16#3\n", {"10.83.0.0/16#3"}),
        ("removed", "", set()),
    ):
        say(f"  {what}")
        path.write_text(line + text)
        mark = _hang_up(subject)
        for node in mesh:
            _wait_exactly(node, "subject", usual | further)
        expect_equal("closed", _closed(subject, mark), set())
    say("  a bad one changes nothing")
    path.write_text(f"Subnet = 10.83.0.1/16\n{text}")
    mark = _hang_up(subject)
    subject.log.wait(r"^Unable to reread configuration file, keeping ", 5, mark)
    _wait_exactly(near, "subject", usual)
    expect_ping(near, subject.address, count=3)


def _mesh(
    lab: Lab,
    placement: Placement,
    *,
    server: tuple[str, ...] = (),
    guest_dials: bool = True,
    part: str = "",
) -> Mesh:
    """The subject dials near; the guest, of near's kind, dials the subject."""
    kind_subject, kind_near = placement
    dials = ("subject",) if guest_dials else ()
    server = (*_SERVER, *server)
    plans = [
        Plan(name="subject", kind=kind_subject, connect_to=("near",), server=server),
        Plan(name="near", kind=kind_near),
        Plan(name="guest", kind=kind_near, connect_to=dials, server=_SERVER),
    ]
    return Mesh(lab, plans, part=part)


def _hang_up(node: TincNode) -> int:
    """Send HUP and wait until it is acted upon; return the log's end before."""
    mark = node.log.mark()
    node.signal(signal.SIGHUP)
    node.log.wait(r"^Got HUP signal$", 5, mark)
    return mark


def _closed(node: TincNode, mark: int) -> set[str]:
    """Return whose connections have been closed since; a dump has all done by then."""
    node.dump()
    lines = node.log.text(mark).splitlines()
    closing = "Closing connection with "
    names = (line.split()[3] for line in lines if line.startswith(closing))
    return {name for name in names if name != "<unknown>"}


def _expect_complaint(node: TincNode, mark: int) -> None:
    lines = node.log.text(mark).splitlines()
    at = lines.index("Got HUP signal")
    expect(
        not lines[at + 1].startswith("Unable to reread"), "no word about what is wrong"
    )


def _next_second() -> None:
    """C compares times of files in whole seconds."""
    now = int(time.time())
    wait_for("another second", lambda: int(time.time()) > now, 2)


def _add_line(node: TincNode, name: str, line: str) -> None:
    path = node.etc / "hosts" / name
    path.write_text(f"{line}\n{path.read_text()}")


def _connect_to(node: TincNode, *names: str) -> None:
    path = node.etc / "tinc.conf"
    lines = path.read_text().splitlines()
    lines = [line for line in lines if not line.startswith("ConnectTo")]
    lines += [f"ConnectTo = {name}" for name in names]
    path.write_text("\n".join(lines) + "\n")


def _wait_owned(node: TincNode, *wanted: tuple[str, str]) -> None:
    what = ", ".join(subnet for subnet, _ in wanted)
    node.wait_dump(what, lambda dump: set(wanted) <= dump.owned(), SOON)


def _wait_exactly(node: TincNode, owner: str, wanted: set[str]) -> None:
    """Wait until a node knows these subnets of an owner, and no others."""

    def exactly(dump: Dump) -> bool:
        return {row.subnet for row in dump.subnets if row.owner == owner} == wanted

    node.wait_dump(f"of {owner}: {sorted(wanted)}", exactly, SOON)


HOSTS = Scenario(
    name="reload-hosts",
    summary="HUP: changed, removed and restored host files",
    placements=TWO,
    play=play_hosts,
)
CONNECT_TO = Scenario(
    name="reload-connectto",
    summary="HUP: other peers to dial, links that are up stay",
    placements=TWO,
    play=play_connect_to,
    seconds=5,
)
BROKEN = Scenario(
    name="reload-broken",
    summary="HUP: a configuration that cannot be used changes nothing",
    placements=((Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS)),
    play=play_broken,
    seconds=5,
)
SUBNETS = Scenario(
    name="reload-subnets",
    summary="HUP: subnets of host files if strict, else our own",
    placements=TWO,
    play=play_subnets,
    seconds=5,
)
