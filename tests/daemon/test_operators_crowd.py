"""Sixteen operators who ask at once for a mesh of a thousand nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.daemon.life import Life
from tests.transport.fakes import FakeSocket
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.endpoints import encode
from tincd_compat.mesh import graph
from tincd_compat.observe.codec import Record
from tincd_compat.transport.operators import MAX_CLIENTS, OPERATORS_TURN
from tincd_compat.transport.turns import SHORTEST_SLICE

NODES = 1000
#: Records that are made in a millisecond, as it is taken here, and those beyond it: no
#: slice of a client is shorter than a shortest one, and its last record is made whole.
IN_TIME = 10
BEYOND = round(SHORTEST_SLICE / OPERATORS_TURN * IN_TIME) + 1
#: What ``status --json`` asks for.
TARGETS = ("/v1/status", "/v1/nodes", "/v1/links")


@pytest.fixture
def large(life: Life) -> Life:
    life.start()
    mesh, address = life.daemon.parts.mesh, SocketAddress("192.0.2.1", 655)
    for number in range(NODES):
        node = mesh.get_or_add(f"n{number}")
        mesh.add_edge(mesh.myself, node, address, 0, 1)
        mesh.add_edge(node, mesh.myself, address, 0, 1)
    graph.run(mesh)
    return life


def _count_records(
    life: Life, monkeypatch: pytest.MonkeyPatch, ended: Callable[[int], None]
) -> None:
    """Let a record take its time, and ``ended`` hear how many each turn has made."""
    made, turn = [0], life.loop.select

    def slow(record: Record) -> bytes:
        made[0] += 1
        life.loop.now += OPERATORS_TURN / IN_TIME
        return encode(record)

    def select(timeout: float | None) -> list[object]:
        ended(made[0])
        made[0] = 0
        return turn(timeout)

    monkeypatch.setattr("tincd_compat.daemon.operators.encode", slow)
    monkeypatch.setattr(life.loop, "select", select)


def test_sixteen_clients_share_each_turn(
    large: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    behind: list[int] = []
    clients: list[FakeSocket] = []

    def ended(records: int) -> None:
        turns.append(records)
        told = [len(client.sent) for client in clients]
        if told and not all(client.sent.endswith(b"0\r\n\r\n") for client in clients):
            behind.append(max(told) - min(told))

    _count_records(large, monkeypatch, ended)
    clients += [large.control.come() for _ in range(MAX_CLIENTS)]
    asked = "".join(f"GET {path} HTTP/1.1\r\nHost: d\r\n\r\n" for path in TARGETS)
    for client in clients:
        client.incoming.append(asked.encode())
        large.loop.call_soon(large.loop.readers[client.descriptor])
    large.loop.settle()
    for client in clients:
        assert client.sent.count(b'{"name":"n') == NODES
        assert client.sent.count(b"HTTP/1.1 200 ") == len(TARGETS)
    assert sum(turns) == MAX_CLIENTS * (NODES + 2)
    assert max(turns) <= IN_TIME + BEYOND, Counter(turns)
    # Nobody is served at the cost of others: none is ahead by much more than a turn.
    assert max(behind) <= 3 * IN_TIME * len(clients[0].sent) / NODES
    large.end()
