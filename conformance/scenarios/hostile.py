"""A member that breaks every rule after its ACK; the others do not notice.

Each thing said wrong either ends that member's connection, in C's words, or is refused
or corrected.  What kills or blocks C tincd is in the scenario ``killers``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from conformance.harness.checks import expect
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import TWO, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, joined
from conformance.harness.peer import Target
from conformance.harness.scenario import Scenario
from conformance.harness.siege import siege
from conformance.harness.waits import SOON, say, wait_for
from conformance.scenarios.hostile_lines import (
    FATAL,
    HARMLESS,
    LONGEST,
    Line,
    bad_lines,
)

_CLOSED: Final = r"^Closing connection with member \("


def play(lab: Lab, placement: Placement) -> None:
    with siege(lab, placement) as scene:
        victim, witness, target = scene.victim, scene.witness, scene.target
        tables = _tables(witness)
        _say_harmless(target, victim)
        for line in (*FATAL, *bad_lines()):
            _say_fatal(target, victim, line)
        for what, data in _oversized():
            _say_too_much(target, victim, what, data)
        _say_packets(target, victim)
    wait_for("the witness knows what it knew", lambda: _tables(witness) == tables, SOON)


def _tables(node: TincNode) -> object:
    dump = node.dump()
    reached = {name for name, row in dump.nodes.items() if row.reachable}
    return reached, dump.edge_names(), dump.owned()


def _say_harmless(target: Target, victim: TincNode) -> None:
    member = joined(target, "member")
    for line in HARMLESS:
        mark, heard = victim.log.mark(), len(member.heard)
        member.say([_text(line)])
        if line.answer:
            member.wait_line(line.answer, heard)
        member.settle()
        if line.log:
            expect(victim.log.has(f"^{line.log}$", mark), f"not logged for: {line}")
    say(f"          {len(HARMLESS)} lines were refused or corrected")
    mark = victim.log.mark()
    member.close()
    victim.log.wait(_CLOSED, 5, mark)


def _say_fatal(target: Target, victim: TincNode, line: Line) -> None:
    member = Member(target, "member")
    member.connect()
    mark = victim.log.mark()
    member.say([_text(line)])
    _wait_closed(victim, mark, str(line))
    expect(victim.log.has(f"^{line.log}$", mark), f"not logged for: {line}")
    member.close()


def _say_too_much(target: Target, victim: TincNode, what: str, data: bytes) -> None:
    member = Member(target, "member")
    member.connect()
    mark = victim.log.mark()
    member.say_raw(data)
    _wait_closed(victim, mark, what)
    overflow = r"^Metadata read buffer overflow for member \("
    expect(victim.log.has(overflow, mark), f"not logged for: {what}")
    member.close()


def _oversized() -> Iterator[tuple[str, bytes]]:
    yield "a line without an end", b"8" * LONGEST
    yield "3000 bytes without an end", b"8 " + b"x" * 2998
    for length in (LONGEST + 1, 65535, -1):
        yield f"a packet of {length} bytes", _packet(length, 65535)
    # Only 16 bits of the length count.
    yield "a packet of 2**31 bytes", b"17 2147483648\n" + b"8" * LONGEST


def _say_packets(target: Target, victim: TincNode) -> None:
    """Too long for a packet, but not for the buffer: skipped (CVE-2013-1428)."""
    member = Member(target, "member")
    member.connect()
    for length in (0, 1, 13, 14, 1518, 1519, 1661, 1662, 1800, 2040, 2048, 2176):
        member.say_raw(_packet(length, length))
        member.settle()
    mark = victim.log.mark()
    member.close()
    victim.log.wait(_CLOSED, 5, mark)


def _packet(announced: int, length: int) -> bytes:
    return b"17 %d\n" % announced + bytes(length)


def _wait_closed(victim: TincNode, mark: int, what: str) -> None:
    wait_for(f"cut off: {what!r}", lambda: victim.log.has(_CLOSED, mark), 5, 0.01)


_NONCES: Final = itertools.count(1)


def _text(line: Line) -> bytes:
    return line.text.replace("{n}", f"{next(_NONCES):x}").encode("latin-1")


SCENARIO = Scenario(
    name="hostile",
    summary="a member that says everything wrong: cut off or corrected",
    placements=TWO,
    play=play,
    seconds=15,
)
