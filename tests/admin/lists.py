"""Records of a played mesh for every verb, and the stage on which a verb is called."""

from __future__ import annotations

from typing import Any

from tests.admin import mesh
from tests.admin.played import Stage, client, daemon
from tincd_compat.admin.text import PLAIN, Style

FINE = {**mesh.STATUS, "problems": []}

CRITICAL = mesh.problem("no-link", "no link to anybody", severity="critical")

LINK = {
    **{"name": "bravo", "opened": "us", "connect_to": True, "active": True},
    "address": {"host": "192.0.2.7", "port": 655, "from": "dialled"},
    **{"since": None, "rtt": 0.0118, "rtt_last": None, "weight": 11, "options": []},
    **{"own_options": None, "peer_options": None, "queued": 0, "queued_most": 0},
    **{"blocked_since": None, "sent": None, "received": None, "meta_sent": None},
    **{"meta_received": None, "broadcast": True, "rsa_bits": 2048},
    "protocol": "17.0",
    **{"cipher": "aes-256-cfb", "peer_cipher": "aes-256-cfb", "digest": "sha256"},
}

EDGES = [
    {
        **{"from": one, "to": other, "weight": 10, "options": [], "both": True},
        "address": {"host": "192.0.2.7", "port": 655, "from": None},
    }
    for pair in (("alpha", "bravo"), ("alpha", "charlie"), ("bravo", "delta"))
    for one, other in (pair, pair[::-1])
]

EVENTS: list[dict[str, Any]] = [
    {
        **{"seq": 1, "at": "2026-11-30T02:47:31Z", "kind": "path", "node": "charlie"},
        **{"reason": "no-answer"},
        "facts": {"before": "udp", "now": "tcp", "via": None, "nexthop": "charlie"},
        "text": "udp → tcp: no answer for 5 s",
    },
    {
        **{"seq": 2, "at": "2026-11-30T02:48:31Z", "kind": "link-down"},
        **{"node": "bravo", "reason": "reset"},
        "facts": {
            **{"host": "192.0.2.7", "port": 655, "opened": "us", "active": True},
            **{"seconds": 3.5, "words": "Connection reset by peer"},
        },
        "text": "bravo: the connection was reset",
    },
    {
        **{"seq": 3, "at": "2025-11-30T02:48:31Z", "kind": "start", "node": None},
        **{"reason": None, "facts": {"version": "0.2.0", "pid": 812}},
        "text": "the daemon started",
    },
]

COUNTERS: dict[str, Any] = {
    "schema": 1,
    "at": "2026-11-30T03:34:42Z",
    "started": "2026-11-18T01:12:09Z",
    "dropped": {"unknown-destination": 3, "late-or-replayed": 0},
    "meta_messages": {"sent": {"PING": 4}, "received": {"PONG": 4}},
    "meta_bytes": {"sent": 100, "received": 200},
    **{"meta_duplicates": 5, "graph_runs": 6, "graph_runs_deferred": 0},
    **{"queue_bytes": 7, "queue_bytes_most": 8},
    "loop_lag": {"bounds": [0.001, 1], "counts": [1, 2, 3], "sum": 4.5},
    "script_runs": [{"script": "host-up", "result": "ok", "count": 9}],
    "connect_attempts": [{"node": "echo", "result": "refused", "count": 12}],
    "data_bytes": {"sent": {"udp": 10, "tcp": 11}, "received": {"udp": 1, "tcp": 2}},
    "data_packets": {"sent": {"udp": 1, "tcp": 1}, "received": {"udp": 1, "tcp": 1}},
    "device": {"sent": mesh.way(0), "received": mesh.way(0)},
    **{"failed_handshakes": {}, "log_suppressed": 0, "reload_ok": True},
    "process": {
        **{"cpu_seconds": 1.5, "resident_bytes": 42 << 20, "virtual_bytes": None},
        **{"open_fds": 12, "max_fds": 1024},
    },
}

SUITE: dict[str, Any] = {
    "cipher": "aes-256-cbc",
    "digest": "sha256",
    "mac_length": 4,
    "compression": 0,
}

KEY = {**SUITE, "since": "2026-11-30T03:03:10Z"}

WEAK = {**KEY, "cipher": "bf-cbc", "digest": "sha1"}

PLAINTEXT = {**KEY, "cipher": "none", "digest": "none", "mac_length": 0}

NODES = [
    mesh.ALPHA,
    {**mesh.BRAVO, "key": KEY, "subnets": ["10.0.2.0/24#10", "10.0.2.1", "fd00::2"]},
    {**mesh.CHARLIE, "key": WEAK},
    {**mesh.DELTA, "key": PLAINTEXT},
    mesh.ECHO,
]

EXPLANATION: dict[str, Any] = {
    **{"schema": 1, "at": "2026-11-30T03:34:42Z", "name": "alpha", "to": "bravo"},
    **{"node": "bravo", "subnet": None, "path": "udp", "since": None, "rtt": None},
    **{"nexthop": "bravo", "via": "bravo", "way": ["alpha", "bravo"], "weight": 11},
    **{"checks": [], "cause": None, "command": None, "fallback": None, "events": []},
}

ANSWER = {"schema": 1, "done": "reload", "text": "The files were read.", "node": None}

PING = {
    **{"schema": 1, "at": "2026-11-30T03:34:42Z", "node": "bravo", "via": None},
    **{"result": "answered", "text": "bravo has answered", "path": "udp"},
    **{"carrier": "udp", "rtt": 0.0118, "address": None},
}

LISTS: dict[str, Any] = {
    "ping": PING,
    "status": FINE,
    "nodes": NODES,
    "links": [LINK],
    "edges": EDGES,
    "events": EVENTS,
    "counters": COUNTERS,
    "subnets": [],
    "explain": EXPLANATION,
    **dict.fromkeys(("reload", "retry", "purge", "disconnect", "log_level"), ANSWER),
}


def stage(style: Style = PLAIN, width: int | None = 80, **lists: Any) -> Stage:
    return Stage(client(daemon(**{**LISTS, **lists})), style=style, width=width)
