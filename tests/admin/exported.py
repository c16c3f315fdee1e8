"""What the exporter is asked with in tests: played daemons, and a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.admin import mesh
from tests.admin.lists import LISTS
from tests.admin.played import Daemon
from tincd_compat.admin import webserver
from tincd_compat.admin.asking import Asker
from tincd_compat.admin.client import Client
from tincd_compat.admin.replies import HttpReply
from tincd_compat.admin.website import Site

#: Each name that there is, to its labels besides ``net``, and to its kind.
NAMES = {
    "tinc_up": ("gauge", ()),
    "tinc_build_info": ("gauge", ("name", "version", "data_plane")),
    "tinc_start_time_seconds": ("gauge", ()),
    "tinc_config_last_reload_successful": ("gauge", ()),
    "tinc_problems": ("gauge", ("severity", "code")),
    "tinc_nodes": ("gauge", ("path",)),
    "tinc_edges": ("gauge", ()),
    "tinc_subnets": ("gauge", ()),
    "tinc_links": ("gauge", ("direction",)),
    "tinc_forward_secret_links": ("gauge", ()),
    "tinc_connect_to_up": ("gauge", ("node",)),
    "tinc_connect_attempts_total": ("counter", ("node", "result")),
    "tinc_node_reachable": ("gauge", ("node",)),
    "tinc_node_reachability_changes_total": ("counter", ("node",)),
    "tinc_node_direct_udp": ("gauge", ("node",)),
    "tinc_node_mtu_bytes": ("gauge", ("node",)),
    "tinc_node_udp_rtt_seconds": ("gauge", ("node",)),
    "tinc_link_rtt_seconds": ("gauge", ("node",)),
    "tinc_node_last_receive_timestamp_seconds": ("gauge", ("node",)),
    "tinc_node_key_timestamp_seconds": ("gauge", ("node",)),
    "tinc_node_transmit_bytes_total": ("counter", ("node",)),
    "tinc_node_transmit_packets_total": ("counter", ("node",)),
    "tinc_node_receive_bytes_total": ("counter", ("node",)),
    "tinc_node_receive_packets_total": ("counter", ("node",)),
    "tinc_data_bytes_total": ("counter", ("direction", "path")),
    "tinc_dropped_packets_total": ("counter", ("reason",)),
    "tinc_meta_messages_total": ("counter", ("direction", "request")),
    "tinc_meta_duplicates_total": ("counter", ()),
    "tinc_graph_runs_total": ("counter", ()),
    "tinc_meta_queue_bytes": ("gauge", ()),
    "tinc_loop_lag_seconds_bucket": ("histogram", ("le",)),
    "tinc_loop_lag_seconds_count": ("histogram", ()),
    "tinc_loop_lag_seconds_sum": ("histogram", ()),
    "tinc_script_runs_total": ("counter", ("script", "result")),
    "tinc_process_cpu_seconds_total": ("counter", ()),
    "tinc_process_resident_memory_bytes": ("gauge", ()),
    "tinc_process_virtual_memory_bytes": ("gauge", ()),
    "tinc_process_open_fds": ("gauge", ()),
    "tinc_process_max_fds": ("gauge", ()),
}

#: Records in which nothing is unknown, so that no series is left out.
FULL: dict[str, Any] = {
    **LISTS,
    "status": {
        **mesh.STATUS,
        "connect_to": [{"node": "bravo", "up": True}, {"node": "echo", "up": False}],
    },
    "counters": {
        **LISTS["counters"],
        "process": {
            **{"cpu_seconds": 1.5, "resident_bytes": 42 << 20},
            **{"virtual_bytes": 1 << 30, "open_fds": 12, "max_fds": 1024},
        },
    },
}


def asker(
    *clients: Client,
    named: Sequence[str] = (),
    find: Callable[[], Iterable[str]] | None = None,
    log: Callable[[str], object] = lambda line: None,
) -> Asker:
    by_net = {each.net: each for each in clients}

    def one_by_one(call: Callable[[Client], Any], clients: Sequence[Client]) -> Any:
        return [call(each) for each in clients]

    return Asker(named, find or (lambda: by_net), by_net.__getitem__, log, one_by_one)


def site(*clients: Client, all_nodes: bool = False) -> Site:
    return Site(asker(*clients), all_nodes=all_nodes)


def failing(error: Exception) -> Daemon:
    def answer(method: str, path: str) -> tuple[int, bytes]:
        raise error

    return answer


class Connection:
    """A connection that is played: pieces that come, and what was sent."""

    def __init__(self, *pieces: bytes | Exception, seconds: float = 0.0) -> None:
        self.pieces = list(pieces)
        self.sent = b""
        self.now = 0.0
        self.timeouts: list[float] = []
        self._seconds = seconds

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def recv(self, most: int) -> bytes:
        self.now += self._seconds
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        assert len(piece) <= most
        return piece

    def sendall(self, data: bytes) -> None:
        self.sent += data


def hello(target: str, host: str = "") -> HttpReply:
    return HttpReply(200, "text/plain", f"hello {target}\n".encode())


def served(
    connection: Connection,
    answer: webserver.Answer = hello,
    log: Callable[[str], object] = lambda line: None,
) -> tuple[str, str]:
    """Return head and body of what was sent over a connection."""
    webserver.Handler(
        connection,
        ("192.0.2.1", 1234),
        None,
        answer=answer,
        log=log,
        clock=lambda: connection.now,
    )
    head, _, body = connection.sent.decode().partition("\r\n\r\n")
    return head, body
