"""The mesh of the design page, as records: alpha and the 44 other nodes it knows."""

from __future__ import annotations

from typing import Any

MIB = 1 << 20
GIB = 1 << 30


def way(amount: float) -> dict[str, int]:
    return {"packets": int(amount) // 1000, "bytes": int(amount)}


def node(name: str, path: str | None = "udp", **fields: Any) -> dict[str, Any]:
    """Return the record of a node; what is not said is that of one three hops away."""
    record: dict[str, Any] = {
        "name": name,
        "self": False,
        "reachable": path != "none",
        "since": "2026-11-18T01:12:30Z",
        "path": path,
        "nexthop": name,
        "via": name,
        "distance": 3,
        "weight": 70,
        "address": {"host": "198.51.100.7", "port": 655, "from": "udp"},
        "mtu": 1451 if path == "udp" else None,
        "rtt_udp": None,
        "rtt_udp_last": None,
        "rtt_link": None,
        "rtt_link_last": None,
        "last_packet": None,
        "sent": None,
        "received": None,
        "key": None,
        "own_key_since": None,
        "own_suite": None,
        "probes": None,
        "options": ["pmtu_discovery", "clamp_mss"],
        "subnets": [],
        "subnet_count": 0,
        "connect_to": False,
        "linked": fields.get("distance") == 1,
        "changes": 1,
    }
    return {**record, **fields}


def problem(code: str, text: str, name: str | None = None, **more: Any) -> Any:
    record: dict[str, Any] = {
        "code": code,
        "severity": "warning",
        "node": name,
        "since": "2026-11-30T02:47:31Z",
        "text": text,
        "facts": {},
    }
    return {**record, **more}


ALPHA = node("alpha", "self", self=True, distance=0, weight=0, mtu=None)
BRAVO = node(
    "bravo",
    distance=1,
    weight=11,
    rtt_udp=0.0118,
    rtt_link=0.0121,
    sent=way(1.2 * GIB),
    received=way(884 * MIB),
    last_packet="2026-11-30T03:34:42Z",
    since="2026-11-18T01:12:30Z",
    connect_to=True,
    subnets=["10.0.2.0/24", "10.0.2.1/32"],
)
CHARLIE = node(
    "charlie",
    "tcp",
    distance=1,
    weight=12,
    rtt_link=0.048,
    sent=way(3.1 * MIB),
    received=way(2.9 * MIB),
    last_packet="2026-11-30T03:34:40Z",
    since="2026-11-30T02:47:31Z",
    connect_to=True,
    subnets=["10.0.3.0/24#10"],
)
DELTA = node(
    "delta",
    "relay_udp",
    distance=2,
    weight=61,
    nexthop="bravo",
    via="bravo",
    mtu=1419,
    sent=way(18 * MIB),
    received=way(220 * MIB),
    last_packet="2026-11-30T03:34:38Z",
    since="2026-11-27T02:00:00Z",
)
ECHO = node(
    "echo",
    "none",
    distance=None,
    weight=None,
    connect_to=True,
    last_packet="2026-11-30T01:30:00Z",
    since="2026-11-30T01:30:00Z",
    mtu=None,
)
FILL = [node(f"n{number:02}") for number in range(40)]
NODES = [ALPHA, BRAVO, CHARLIE, DELTA, ECHO, *FILL]

STATUS: dict[str, Any] = {
    "schema": 1,
    "net": "vpn",
    "name": "alpha",
    "version": "0.2.0",
    "pid": 812,
    "mode": "router",
    "data_plane": "compiled",
    "python_why": None,
    "started": "2026-11-18T01:12:09Z",
    "reloaded": "2026-11-28T03:00:01Z",
    "reload_ok": True,
    "reload_error": None,
    "interface": "vpn",
    "port": 655,
    "debug_level": 0,
    "suite": None,
    "rsa_bits": 2048,
    "strict_subnets": False,
    "tunnel_server": False,
    "nodes": {
        "known": 45,
        "udp": 40,
        "tcp": 1,
        "relay_udp": 1,
        "relay_tcp": 0,
        "none": 3,
        "idle": 0,
    },
    "connect_to": [],
    "problem_counts": {"data-over-tcp": 1, "connect-to-down": 1, "only-way": 1},
    "last_event": 812,
    "links": 3,
    "edges": 118,
    "subnets": 61,
    "problems": [
        problem(
            "data-over-tcp",
            "data over TCP for 47 min: no answer to UDP probes",
            "charlie",
        ),
        problem(
            "connect-to-down",
            "ConnectTo fails for 2 h: connection refused, next try in 9 min",
            "echo",
        ),
        problem("only-way", "bravo is the only way to 17 nodes"),
    ],
}
