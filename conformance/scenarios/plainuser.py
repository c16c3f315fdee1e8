"""What an ordinary user has: a handful of lines, two gateways, routes by weight."""

from __future__ import annotations

from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.transfers import serve_name, transfer, wait_name
from conformance.harness.waits import say

_USER: Final = "172.20.100.10"
_ELSEWHERE: Final = "198.51.100.7"
_OFFICE: Final = "10.77.1.1"

_USER_UP: Final = (
    f'ip addr add {_USER}/32 dev "$INTERFACE"',
    'ip link set "$INTERFACE" up',
    'ip route add 172.20.0.0/16 dev "$INTERFACE"',
    'ip route add 198.51.100.0/24 dev "$INTERFACE"',
    'ip route add 10.77.0.0/16 dev "$INTERFACE"',
)


def play(lab: Lab, placement: Placement) -> None:
    user_kind, one_kind, two_kind = placement
    plans = [
        Plan(
            name="user",
            kind=user_kind,
            connect_to=("gate_one", "gate_two"),
            server=("Mode = router",),
            port=8655,
            subnets=("0.0.0.0/0#50", f"{_USER}/32"),
            host=("Compression = 1",),
            address=_USER,
            up=_USER_UP,
        ),
        _gateway("gate_one", one_kind, 1, default_weight=10, office_weight=20),
        _gateway("gate_two", two_kind, 2, default_weight=30, office_weight=5),
    ]
    mesh = Mesh(lab, plans)
    user, one, two = mesh
    mesh.start()
    mesh.wait_reachable()
    expect(user.log.has(r"^Listening on 0\.0\.0\.0 port 8655$"), "another port")
    for gate in (one, two):
        # What comes in compressed proves less than was sent, so the user's own bounds
        # never meet, and its search ends only by time.
        user.wait_row(gate.name, "takes 1100 bytes", lambda row: row.minmtu >= 1100, 45)
        gate.wait_pmtu("user")
        row = gate.dump().nodes["user"]
        expect_equal("the user's address", row.host, f"{user.outer[0]} port 8655")
        expect_equal("the user's compression", row.compression, 1)
        expect_ping(user, gate.address, count=10, size=1000)
        expect_ping(gate, user.address, count=10, size=1000)
        serve_name(lab, gate)
    transfer(lab, user, one, 5)
    transfer(lab, one, user, 5)
    wait_name(user, _ELSEWHERE, "gate_one", why="0.0.0.0/0 of weight 10, not 30 or 50")
    wait_name(user, _OFFICE, "gate_two", why="10.77.0.0/16 of weight 5, not 20")
    say("  gate_one stops")
    one.stop()
    wait_name(user, _ELSEWHERE, "gate_two", why="0.0.0.0/0 of weight 30, not 50")
    say("  gate_one is back, gate_two stops")
    one.start()
    two.stop()
    wait_name(user, _OFFICE, "gate_one", why="10.77.0.0/16 of weight 20")
    wait_name(user, _ELSEWHERE, "gate_one", why="0.0.0.0/0 of weight 10")


def _gateway(
    name: str, kind: Kind, number: int, *, default_weight: int, office_weight: int
) -> Plan:
    address = f"172.20.{number}.1"
    return Plan(
        name=name,
        kind=kind,
        subnets=(
            f"{address}/32",
            f"0.0.0.0/0#{default_weight}",
            f"10.77.0.0/16#{office_weight}",
        ),
        address=address,
        up=(
            f'ip addr add {address}/32 dev "$INTERFACE"',
            f'ip addr add {_ELSEWHERE}/32 dev "$INTERFACE"',
            f'ip addr add {_OFFICE}/32 dev "$INTERFACE"',
            'ip link set "$INTERFACE" up',
            'ip route add 172.20.0.0/16 dev "$INTERFACE"',
        ),
    )


SCENARIO = Scenario(
    name="plainuser",
    summary="a plain user's configuration between two C gateways",
    placements=((Kind.C, Kind.C, Kind.C), (Kind.OURS, Kind.C, Kind.C)),
    play=play,
    seconds=15,
)
