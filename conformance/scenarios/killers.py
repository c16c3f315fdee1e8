"""What kills, blocks or blinds C tincd 1.0.36; ours stands it and shields its peers.

There is no placement with C as the victim: it dies of 1024 colons, of a REQ_KEY from a
node that was never reachable and of an address that is not numeric, sleeps ten seconds
after contradicting edges, spins when it is out of descriptors, runs the handshake again
on an active connection, and sends datagrams in the clear to whoever asks for that.
"""

from __future__ import annotations

import resource
from typing import Final

from conformance.harness.checks import expect, expect_between, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, joined
from conformance.harness.peer import Target
from conformance.harness.scenario import Scenario
from conformance.harness.siege import siege
from conformance.harness.stranger import Stranger
from conformance.harness.usage import usage
from conformance.harness.waits import SOON, holds, wait_for

_CLOSED: Final = r"^Closing connection with member \("
_PAIRS: Final = 120
_NO_DESCRIPTORS_SECONDS: Final = 4.0
#: C: 100 % and a quarter of a million log lines in a second.
_MOST_CPU: Final = 0.05
_MOST_LOG_LINES: Final = 20


def play(lab: Lab, placement: Placement) -> None:
    with siege(lab, placement) as scene:
        victim, witness, target = scene.victim, scene.witness, scene.target
        _forbidden_lines(target, victim)
        _unreachable_origin(target, victim)
        _names_as_addresses(target, victim, witness)
        _heaviest_edges(target, witness)
        _contradictions(target, victim)
        _clear_text(lab, target, victim, scene.member)
        _no_descriptors(victim, scene.member)


def _leave(member: Member, victim: TincNode) -> None:
    mark = victim.log.mark()
    member.close()
    victim.log.wait(_CLOSED, 5, mark)


def _forbidden_lines(target: Target, victim: TincNode) -> None:
    colons = rb"10 1 member " + b":" * 1024, "Got bad ADD_SUBNET from member .*"
    unauthorized = r"Unauthorized request from member \(.+\)"
    again = [
        b"0 member 17",
        b"1 429 672 0 0 " + b"1A" * 256,
        b"2 " + b"1A" * 256,
        b"3 " + b"1A" * 32,
        b"4 655 1 c",
    ]
    for line, log in (colons, *((line, unauthorized) for line in again)):
        mark = victim.log.mark()
        member = Member(target, "member")
        member.connect()
        member.say([line])
        victim.log.wait(_CLOSED, 5, mark)
        expect(victim.log.has(f"^{log}$", mark), f"not logged for {line[:20]!r}")
        member.close()


def _unreachable_origin(target: Target, victim: TincNode) -> None:
    """REQ_KEY from a node that nobody ever reached, for the victim and for others."""
    member = Member(target, "member")
    member.connect()
    heard = len(member.heard)
    member.say([b"15 member victim", b"15 member witness"])
    member.say([b"12 a1 ghost member 10.99.1.3 655 c 1"])
    member.say([b"15 ghost victim", b"15 ghost witness"])
    member.settle()
    member.introduce()
    member.say([b"15 ghost victim", b"15 ghost witness"])
    member.settle()
    answers = [line for line in member.heard[heard:] if line.startswith("16 ")]
    for_ghost = [line for line in answers if line.split()[2] == "ghost"]
    expect(not for_ghost, "the victim made a key for a node out of reach")
    _leave(member, victim)


def _names_as_addresses(target: Target, victim: TincNode, witness: TincNode) -> None:
    """An edge without a numeric address is neither believed nor passed on."""
    member = joined(target, "member")
    mark = victim.log.mark()
    places = ("host.example 655", "10.0.0.1 http", "10.0.0.1 http;rm", "unknown 655")
    for number, place in enumerate(places):
        far = f"far{number}"
        there = f"12 b{number} member {far} {place} c 1"
        back = f"12 c{number} {far} member {place} c 1"
        member.say([there.encode(), back.encode()])
        member.say([f"10 d{number} {far} 10.77.{number}.0/24".encode()])
    member.settle()
    expect(victim.log.has(r"^Ignoring ADD_EDGE from member .* no numeric", mark), "log")
    for node in (victim, witness):
        ends = {end for edge in node.dump().edge_names() for end in edge}
        strange = {end for end in ends if end.startswith("far")}
        expect_equal(f"edges without address at {node.name}", strange, set())
    _leave(member, victim)


def _heaviest_edges(target: Target, witness: TincNode) -> None:
    member = joined(target, "member")
    for number, weight in enumerate((2**31 - 1, -(2**31), 2**31, 2**64)):
        there = f"12 e{number} member heavy{number} 10.0.0.1 655 c {weight}"
        back = f"12 f{number} heavy{number} member 10.0.0.1 655 ffffffff {weight}"
        member.say([there.encode(), back.encode()])
    member.settle()
    witness.wait_reachable("heavy0", "heavy1", limit=5)
    member.close()
    witness.wait_unreachable("heavy0", 5)


def _contradictions(target: Target, victim: TincNode) -> None:
    """Any member can send C to sleep; ours stops only what it dials and announces."""
    member = joined(target, "member")
    mark = victim.log.mark()
    for number in range(_PAIRS):
        wrong = f"12 1{number:x} victim nobody{number} 10.0.0.1 655 c 1"
        member.say([wrong.encode(), f"13 2{number:x} victim witness".encode()])
    victim.log.wait(r"^Possible node with same Name as us! Sleeping 10 sec", 10, mark)
    for _ in range(10):
        member.settle(limit=1)
    _leave(member, victim)


def _clear_text(lab: Lab, target: Target, victim: TincNode, player: TincNode) -> None:
    """Who asks for packets in the clear gets them, but not as datagrams."""
    member = joined(target, "member")
    member.own("172.30.3.0/24")
    member.say([b"16 member victim AB 0 0 0 0"])
    member.settle()
    capture = lab.capture(victim, f"udp and host {player.outer[0]}")
    victim.namespace.run(
        *("ping", "-n", "-q", "-c", "3", "-i", "0.1", "-W", "1", player.address),
        check=False,
    )
    member.wait("frames over TCP", lambda: len(member.frames) >= 3, 5)
    capture.stop()
    expect_equal("datagrams to the member", capture.count(), 0)
    _leave(member, victim)


def _no_descriptors(victim: TincNode, player: TincNode) -> None:
    """Out of descriptors, the daemon waits for one without spinning."""
    limits = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
    highest = victim.highest_descriptor()
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (highest + 2, limits[1]))
    mark, before = victim.log.mark(), usage(victim.pid).cpu
    crowd = [Stranger(player.namespace, victim.outer[0], hurry=True) for _ in range(5)]
    victim.log.wait(r"^Accepting a new connection failed: Too many open files", 5, mark)
    holds("out of descriptors", lambda: victim.alive, _NO_DESCRIPTORS_SECONDS)
    spent = usage(victim.pid).cpu - before
    expect_between("CPU seconds", spent, 0, _MOST_CPU * _NO_DESCRIPTORS_SECONDS)
    lines = victim.log.count("^Accepting a new connection failed", mark)
    expect_between("lines about it", lines, 1, _MOST_LOG_LINES)
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, limits)
    for each in crowd:
        each.close()
    late = Stranger(player.namespace, victim.outer[0], hurry=True)
    late.say(b"0 member 17\n")

    def answered() -> bool:
        late.turn()
        return late.received.startswith(b"0 victim 17\n")

    wait_for("accepting again", answered, SOON)
    late.close()


SCENARIO = Scenario(
    name="killers",
    summary="what kills or blocks C: ours stands it, and a C behind it too",
    placements=((Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS)),
    play=play,
)
