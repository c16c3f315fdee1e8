"""What an ACK says of the link, and what both ACKs make of it: bits, weight, port.

Each row is a configuration of the daemon, a host file of the peer, and the peer's ACK.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import ONE, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.member import Member, calling
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.peer import Target
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say

_TCP_SOURCE_PORT: Final = "source"


@dataclass(frozen=True, kw_only=True)
class Row:
    """``theirs`` is the peer's ACK, ``ours`` what ours must be, ``edge`` what follows.

    A weight of None is a measured one: small.
    """

    own: str = ""
    host: str = ""
    theirs: int = 0xC
    ours: int = 0xC
    edge: int = 0xC
    their_weight: int = 10
    our_weight: int | None = None
    edge_weight: int | None = None
    port: str = "655"
    edge_port: str = "655"
    mtu: int = 1518
    log: str = ""


_ROWS: Final = (
    Row(),
    Row(theirs=0x0, edge=0x8),
    Row(theirs=0x1, edge=0x9),
    Row(theirs=0x3, edge=0xB),
    Row(theirs=0x4, edge=0xC),
    Row(theirs=0xD, edge=0xD),
    Row(theirs=0xF, edge=0xF),
    Row(theirs=0x700000C, edge=0x700000C),
    Row(theirs=0xFFFFFFF3, edge=0xFFFFFFFB),
    Row(host="IndirectData = yes", ours=0xD, edge=0xD),
    Row(host="IndirectData = no", ours=0xC, edge=0xC),
    Row(host="TCPOnly = yes", ours=0xB, edge=0xB),
    Row(host="ClampMSS = no", ours=0x4, edge=0x4),
    Row(host="ClampMSS = no", theirs=0x8, ours=0x4, edge=0x0),
    Row(host="PMTUDiscovery = no"),
    Row(
        host="TCPOnly = maybe",
        log=r'"yes" or "no" expected for configuration variable TCPOnly in .* line \d+',
    ),
    Row(host="Weight = 33", our_weight=33, edge_weight=21),
    Row(host="Weight = 7", our_weight=7, their_weight=-20, edge_weight=-6),
    Row(host="Weight = -3", our_weight=-3, their_weight=3, edge_weight=0),
    Row(port="7001", edge_port="7001"),
    Row(port="0", edge_port=_TCP_SOURCE_PORT),
    Row(port="tinc", edge_port=_TCP_SOURCE_PORT),
    Row(own="IndirectData = yes", ours=0xD, edge=0xD),
    Row(own="IndirectData = yes", host="IndirectData = no", ours=0xD, edge=0xD),
    Row(own="TCPOnly = yes", ours=0xB, edge=0xB),
    Row(own="TCPOnly = yes", host="TCPOnly = no", theirs=0x0, ours=0xB, edge=0xB),
    Row(own="TCPOnly = yes\nPMTUDiscovery = yes", ours=0xB, edge=0xB),
    Row(own="PMTUDiscovery = no", ours=0x8, edge=0x8),
    Row(own="ClampMSS = no", ours=0x4, edge=0xC),
    Row(own="ClampMSS = no", theirs=0x4, ours=0x4, edge=0x4),
    Row(own="ClampMSS = no", host="ClampMSS = yes", theirs=0x4, ours=0xC, edge=0xC),
    # Weight belongs into the other's host file.
    Row(own="Weight = 4711"),
    Row(own="PMTU = 1300", mtu=1300),
    Row(own="PMTU = 1300", host="PMTU = 1400", mtu=1300),
    Row(own="PMTU = 1300", host="PMTU = 1200", mtu=1200),
)


def play(lab: Lab, placement: Placement) -> None:
    (kind,) = placement
    plans = [Plan(name="daemon", kind=kind), Plan(name="peer", kind=Kind.C)]
    mesh = Mesh(lab, plans)
    daemon, peer = mesh
    target = calling(lab, mesh, "daemon", "peer")
    main = daemon.etc / "tinc.conf"
    main_text = main.read_text()
    for own, rows in itertools.groupby(_ROWS, key=lambda row: row.own):
        main.write_text(f"{own}\n{main_text}")
        daemon.start()
        for row in rows:
            _check(target, daemon, peer, row)
        daemon.stop()
    _check_own_host_file(target, daemon, peer, main_text)


def _check_own_host_file(
    target: Target, daemon: TincNode, peer: TincNode, main_text: str
) -> None:
    """Our own options may as well be in our own host file."""
    (daemon.etc / "tinc.conf").write_text(main_text)
    path = daemon.etc / "hosts" / "daemon"
    path.write_text(f"IndirectData = yes\n{path.read_text()}")
    daemon.start()
    _check(target, daemon, peer, Row(ours=0xD, edge=0xD))


def _check(target: Target, daemon: TincNode, peer: TincNode, row: Row) -> None:
    path = daemon.etc / "hosts" / "peer"
    text = path.read_text()
    path.write_text(f"{row.host}\n{text}")
    mark = daemon.log.mark()
    member = Member(
        target, "peer", options=row.theirs, weight=row.their_weight, port=row.port
    )
    member.connect()
    path.write_text(text)
    edge = member.wait_line(r"12 [0-9a-f]+ daemon peer .*")
    port, options, weight = edge.split()[5:]
    what = f"{row.own!r}, {row.host!r}, {row.theirs:x}"
    assert member.ack is not None
    expect_equal(f"options said: {what}", f"{member.ack.options:x}", f"{row.ours:x}")
    expect_equal(f"options of the edge: {what}", options, f"{row.edge:x}")
    _expect_weight(f"weight said: {what}", member.ack.weight, row.our_weight)
    _expect_weight(f"weight of the edge: {what}", int(weight), row.edge_weight)
    wanted = member.source_port if row.edge_port is _TCP_SOURCE_PORT else row.edge_port
    expect_equal(f"port of the edge: {what}", port, str(wanted))
    expect_equal(f"address of the edge: {what}", edge.split()[4], peer.outer[0])
    dump = daemon.dump()
    links = [each.options for each in dump.connections if each.name == "peer"]
    expect_equal("options of connections with the peer", links, [row.edge])
    expect_equal(f"path MTU at first: {what}", dump.nodes["peer"].mtu, row.mtu)
    if row.log:
        expect(daemon.log.has(f"^{row.log}$", mark), f"not logged: {what}")
    member.close()
    daemon.log.wait(r"^Closing connection with peer ", 5, mark)
    say(f"          {what}: {re.sub(' [0-9a-f]+ ', ' # ', edge, count=1)}")


def _expect_weight(what: str, weight: int, wanted: int | None) -> None:
    if wanted is None:
        expect(0 <= weight < 1000, f"{what} is {weight}")
    else:
        expect_equal(what, weight, wanted)


SCENARIO = Scenario(
    name="options",
    summary="ACK: option bits, weight and port of a link",
    placements=ONE,
    play=play,
    seconds=15,
)
