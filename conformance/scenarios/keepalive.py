"""An idle node behind an address translation that forgets: packets to it go on.

C tincd has no remedy but a PingInterval that is shorter than the translation's memory.

A case waits for silences that are longer than the translation remembers, and where C is
to notice that datagrams are lost, for its PingInterval and PingTimeout.
"""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect_between, expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.nat import Nat
from conformance.harness.probes import ping, wait_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import holds, wait_for

#: Seconds after which the translation forgets, and of a silence in which C is silent.
_FORGETS: Final = 8
_SILENCE: Final = 14
#: The same where nothing is configured.
_LATE: Final = 20
_LONG_SILENCE: Final = 28
_CONFIGURED: Final = "UDPKeepalive = 5"
#: C: the least that its own probes are apart, shorter than the translation remembers.
_OFTEN: Final = ("PingInterval = 5", "PingTimeout = 2")
_PROBE: Final = r"^Sending MTU probe length 64 to server "
#: Seconds until C notices that its datagrams are lost: PingInterval, PingTimeout.
_NOTICED: Final = 90.0


def configured(lab: Lab, placement: Placement) -> None:
    """The client keeps the translation in mind; C has to probe all the time."""
    kind = placement[0]
    server = (_CONFIGURED,) if kind is Kind.OURS else _OFTEN
    mesh = _mesh(lab, placement, server, _FORGETS)
    client, host = mesh
    for _ in range(2):
        holds("silence", lambda: client.alive, _SILENCE)
        result = ping(host, client.address, count=5, interval=0.2)
        expect_equal("pings lost after a silence", result.lost, 0)
    if kind is Kind.OURS:
        sent = client.log.count(_PROBE)
        expect_between("signs of life", sent, 3, _SILENCE)


def seen(lab: Lab, placement: Placement) -> None:
    """Nothing is configured: the first loss is the last."""
    mesh = _mesh(lab, placement, (), _LATE)
    client, host = mesh
    holds("silence", lambda: client.alive, _LONG_SILENCE)
    result = ping(host, client.address, count=3, interval=0.2)
    expect_equal("pings answered after the first silence", result.received, 0)
    wait_ping(host, client.address, _NOTICED)
    wait_for("UDP again", lambda: _by_udp(mesh), _NOTICED, every=0.5)
    holds("silence", lambda: client.alive, _LONG_SILENCE)
    result = ping(host, client.address, count=5, interval=0.2)
    expect_equal("pings lost after a later silence", result.lost, 0)


def _by_udp(mesh: Mesh) -> bool:
    row = mesh["server"].row("client")
    return row is not None and row.mtu_fixed


def _mesh(
    lab: Lab, placement: Placement, server: tuple[str, ...], forgets: int
) -> Mesh:
    """Start both, and wait for UDP between them; the client is behind a translation."""
    kind_client, kind_server = placement
    inner, public = lab.lan(1), lab.lan(2)
    translation = lab.nat(inner, public, 101, first_port=20000)
    plans = [
        Plan(
            name="client",
            kind=kind_client,
            connect_to=("server",),
            server=server,
            debug=5,
        ),
        Plan(name="server", kind=kind_server),
    ]
    mesh = Mesh(lab, plans, lans={"client": [inner], "server": [public]})
    client, host = mesh
    client.namespace.add_route("default", inner.address(Nat.INSIDE))
    mesh.start()
    mesh.wait_reachable()
    client.wait_pmtu("server")
    host.wait_pmtu("client")
    translation.forget_after(forgets)
    wait_ping(host, client.address)
    return mesh


CONFIGURED = Scenario(
    name="keepalive",
    summary="an idle node behind a translation that forgets stays reachable",
    placements=((Kind.C, Kind.C), (Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS)),
    play=configured,
    seconds=35,
)
SEEN = Scenario(
    name="keepalive-seen",
    summary="a translation that was seen to forget is reminded from then on",
    placements=((Kind.OURS, Kind.C), (Kind.OURS, Kind.OURS)),
    play=seen,
    limit=300,
    seconds=80,
)
