"""Sessions of nodes (protocol 17.7): straight, through tinc 1.0, by relay, by TCP."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Lan
from conformance.harness.probes import SteadyPing, expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import transfer
from conformance.harness.waits import say, wait_for
from conformance.scenarios.sptps import NEW, give_keys

_O: Final = Kind.OURS
_C: Final = Kind.C
_N: Final = Kind.C11
_LIMIT: Final = 40.0
_PAIRS: Final[tuple[Placement, ...]] = ((_O, _N), (_N, _O), (_O, _O))
#: The longest data of a record over Ethernet and IPv4, as tinc 1.1 finds it.
_PATH_MTU: Final = 1439
_READY: Final = r"SPTPS session with {} \(.*\) is ready"
_BY_TCP: Final = r"Sending REQ_KEY to .*: 15 \w+ \w+ 21 "
#: A ping of 700 bytes in a datagram: 28 bytes of its headers, 33 of the session, and 8.
_SEALED: Final = "udp[4:2] = 769"
_MEGABYTES: Final = 20
_KEY_EXPIRE: Final = 5
_RENEWALS: Final = 3


def play_udp(lab: Lab, placement: Placement) -> None:
    """Neighbours find the path MTU, and packets of that size go by UDP."""
    mesh = _chain(lab, placement)
    mesh.start()
    _wait_pings(mesh, "a", "b")
    for node, peer in (("a", "b"), ("b", "a")):
        if mesh[node].kind is _O:
            _expect_session(mesh[node], peer)
            mtu = mesh[node].wait_pmtu(peer)
            expect_equal(f"path MTU of {node} to {peer}", mtu, _PATH_MTU)
    capture = lab.capture(mesh["a"], "udp or tcp")
    for size in (100, 1000):
        expect_ping(mesh["a"], mesh["b"].address, count=10, size=size)
    capture.stop()
    expect_equal("large segments", capture.count("tcp and greater 1000"), 0)
    transfer(lab, mesh["a"], mesh["b"], _MEGABYTES)
    transfer(lab, mesh["b"], mesh["a"], _MEGABYTES)


def play_through_c(lab: Lab, placement: Placement) -> None:
    """The ends have a session by way of a tinc 1.0, and then direct UDP."""
    mesh = _chain(lab, placement)
    mesh.start()
    _wait_pings(mesh, "a", "c")
    _expect_ends(mesh)
    for node, peer in (("a", "c"), ("c", "a")):
        if mesh[node].kind is _O:
            mesh[node].wait_pmtu(peer)
    if _N in placement:
        _wait_none_by_tcp(lab, mesh)
    capture = lab.capture(mesh["a"], "udp or tcp")
    sent = expect_ping(mesh["a"], mesh["c"].address, count=10, size=700).sent
    capture.stop()
    expect_equal("large segments at a", capture.count("tcp and greater 700"), 0)
    straight = capture.count(f"{_SEALED} and host {mesh['c'].outer[0]}")
    expect(straight >= 2 * sent, f"{straight} datagrams for {sent} pings")


def play_behind_c(lab: Lab, placement: Placement) -> None:
    """The ends cannot reach each other: all goes through a tinc 1.0, over TCP."""
    mesh = _chain(lab, placement, apart=True)
    mesh.start()
    _wait_pings(mesh, "a", "c")
    _expect_ends(mesh)
    mark = mesh["a"].log.mark()
    expect_ping(mesh["a"], mesh["c"].address, count=10, size=700)
    if mesh["a"].kind is _O:
        expect(mesh["a"].log.count(_BY_TCP, mark) >= 10, "a has not used REQ_KEY")


def play_relay(lab: Lab, placement: Placement) -> None:
    """The ends cannot reach each other: all goes over a relay by UDP, unread."""
    mesh = _chain(lab, placement, apart=True)
    mesh.start()
    _wait_pings(mesh, "a", "c")
    _expect_ends(mesh)
    for node, peer in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")):
        if mesh[node].kind is _O:
            mesh[node].wait_pmtu(peer)
    if _N in placement:
        _wait_none_by_tcp(lab, mesh)
    capture = lab.capture(mesh["b"], "udp or tcp")
    sent = expect_ping(mesh["a"], mesh["c"].address, count=20, size=700).sent
    capture.stop()
    expect_equal("large segments at b", capture.count("tcp and greater 700"), 0)
    # Each ping and its answer pass b on a's side.
    by_udp = capture.count(_SEALED)
    expect(by_udp >= 2 * sent, f"{by_udp} datagrams for {sent} pings")
    transfer(lab, mesh["a"], mesh["c"], _MEGABYTES)


def play_tcponly(lab: Lab, placement: Placement) -> None:
    """With TCPOnly neighbours have no session, and farther nodes one by TCP."""
    mesh = _chain(lab, placement, server=("TCPOnly = yes",))
    mesh.start()
    _wait_pings(mesh, "a", "b")
    _wait_pings(mesh, "a", "c")
    _expect_ends(mesh)
    capture = lab.capture(mesh["a"], "udp")
    expect_ping(mesh["a"], mesh["b"].address, count=5, size=700)
    expect_ping(mesh["a"], mesh["c"].address, count=5, size=700)
    capture.stop()
    expect_equal("datagrams", capture.count("udp"), 0)
    for name in ("a", "c"):
        if mesh[name].kind is _O:
            has = mesh[name].log.has(_READY.format("b"))
            expect(not has, f"{name} has a session with b")


def play_rekey(lab: Lab, placement: Placement) -> None:
    """Keys are renewed under steady traffic, of which ours lose nothing.

    A tinc 1.1 has one key at a time for what comes in: a packet under the new key that
    overtakes the ACK before it is lost there.
    """
    server = (f"KeyExpire = {_KEY_EXPIRE}", "PingTimeout = 2")
    mesh = _chain(lab, placement, server=server)
    mesh.start()
    _wait_pings(mesh, "a", "b")
    for node, peer in (("a", "b"), ("b", "a")):
        if mesh[node].kind is _O:
            mesh[node].wait_pmtu(peer)
    ours = [node for node in mesh if node.kind is _O]
    marks = {node.name: node.log.mark() for node in ours}
    steady = SteadyPing(lab, mesh["a"], mesh["b"].address, count=2000, interval=0.01)
    said = r"Sending ANS_KEY to "
    wait_for(
        f"keys are renewed {_RENEWALS} times",
        lambda: all(
            node.log.count(said, marks[node.name]) >= 2 * _RENEWALS for node in ours
        ),
        limit=_RENEWALS * (_KEY_EXPIRE + 5) + 10,
        every=0.2,
    )
    result = steady.finish()
    say(f"          steady ping: {result}")
    most = _RENEWALS if _N in placement else 0
    expect(result.lost <= most, f"{result.lost} pings lost, {most} may be")
    expect_equal("duplicate ping answers", result.duplicates, 0)
    for party in ours:
        begun = party.log.count(r"15 \w+ \w+ 15 ", marks[party.name])
        expect_equal(f"sessions begun anew at {party.name}", begun, 0)


def play_mixed(lab: Lab, placement: Placement) -> None:
    """Both generations in one mesh: each reaches each, whatever is between."""
    names = "abcde"
    plans = [
        _plan(name, kind, names[index - 1 : index] if index else "")
        for index, (name, kind) in enumerate(zip(names, placement, strict=True))
    ]
    mesh = Mesh(lab, plans)
    give_keys(mesh, everybody=True)
    mesh.start()
    for node in mesh:
        for other in mesh:
            if node is not other:
                _wait_pings(mesh, node.name, other.name)
    for node in mesh:
        for other in mesh:
            if node is not other:
                expect_ping(node, other.address, count=3)


def _wait_none_by_tcp(lab: Lab, mesh: Mesh) -> None:
    """Wait until pings of a to c go by UDP: a tinc 1.1 shows in no other way."""

    def none() -> bool:
        capture = lab.capture(mesh["b"], "tcp")
        expect_ping(mesh["a"], mesh["c"].address, count=3, size=700)
        capture.stop()
        return capture.count("tcp and greater 700") == 0

    wait_for("nothing large by TCP at b", none, _LIMIT, every=1)


def _chain(
    lab: Lab,
    placement: Placement,
    *,
    apart: bool = False,
    server: tuple[str, ...] = (),
) -> Mesh:
    """Return nodes that dial b, with Ed25519 keys that everybody knows.

    Nodes that are ``apart`` have no network in common but for b's.
    """
    plans = [
        _plan(name, kind, "" if name == "b" else "b", server)
        for name, kind in zip("abc", placement, strict=False)
    ]
    lans: Mapping[str, Sequence[Lan]] | None = None
    if apart:
        one, other = lab.lan(1), lab.lan(2)
        lans = {"a": [one], "b": [one, other], "c": [other]}
    mesh = Mesh(lab, plans, lans=lans)
    give_keys(mesh, everybody=True)
    return mesh


def _plan(name: str, kind: Kind, peer: str, server: tuple[str, ...] = ()) -> Plan:
    new = NEW if kind is _N else ()
    return Plan(
        name=name,
        kind=kind,
        connect_to=(peer,) if peer else (),
        server=(*server, *new),
        debug=4,
    )


def _expect_ends(mesh: Mesh) -> None:
    for node, peer in (("a", "c"), ("c", "a")):
        if mesh[node].kind is _O:
            _expect_session(mesh[node], peer)


def _expect_session(node: TincNode, peer: str) -> None:
    has = partial(node.log.has, _READY.format(peer))
    wait_for(f"{node.name} has a session with {peer}", has, _LIMIT)


def _wait_pings(mesh: Mesh, name: str, other: str) -> None:
    node, address = mesh[name], mesh[other].address

    def answered() -> bool:
        words = node.namespace.command("ping", "-c1", "-W1", address)
        return os.spawnvp(os.P_WAIT, words[0], words) == 0

    wait_for(f"{name} reaches {other}", answered, _LIMIT)


_THROUGH: Final[tuple[Placement, ...]] = (
    (_N, _C, _N),
    (_O, _C, _N),
    (_N, _C, _O),
    (_O, _C, _O),
)
_RELAYS: Final[tuple[Placement, ...]] = (
    (_N, _N, _N),
    (_O, _N, _N),
    (_O, _N, _O),
    (_N, _O, _N),
    (_O, _O, _O),
)

UDP = Scenario(
    name="sptps-udp",
    summary="sessions of neighbours: UDP, probes and the path MTU of 17.7",
    placements=_PAIRS,
    play=play_udp,
)
THROUGH_C = Scenario(
    name="sptps-through-c",
    summary="a session by way of tinc 1.0, then direct UDP",
    placements=_THROUGH[1:],
    play=play_through_c,
)
BEHIND_C = Scenario(
    name="sptps-behind-c",
    summary="a session whose packets go through tinc 1.0",
    placements=_THROUGH,
    play=play_behind_c,
)
RELAY = Scenario(
    name="sptps-relay",
    summary="a relay that cannot read passes datagrams on",
    placements=_RELAYS,
    play=play_relay,
)
TCPONLY = Scenario(
    name="sptps-tcponly",
    summary="sessions without a datagram",
    placements=((_O, _N, _O), (_N, _O, _N), (_O, _C, _O), (_O, _O, _O)),
    play=play_tcponly,
)
REKEY = Scenario(
    name="sptps-rekey",
    summary="sessions renew their keys and lose nothing",
    placements=_PAIRS,
    play=play_rekey,
)
MIXED = Scenario(
    name="sptps-mixed",
    summary="ours, tinc 1.0 and tinc 1.1 in one mesh",
    placements=((_O, _C, _N, _C, _O), (_N, _O, _C, _O, _N), (_O, _C, _O, _C, _O)),
    play=play_mixed,
)
