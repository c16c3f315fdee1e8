"""Which nodes need a sign of life, and how often."""

from __future__ import annotations

import pytest

from tests.daemon.fakes import Remote
from tests.daemon.plane import Plane
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import ipv4
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon.keepalive import FIRST, LEAST, LOST, SILENCE, Keepalive
from tincd_compat.mesh.node import Mesh, Node


@pytest.fixture
def node() -> Node:
    return Mesh("us").get_or_add("peer")


@pytest.mark.parametrize("configured", [0, 20])
def test_what_is_configured_counts(node: Node, configured: int) -> None:
    keepalive = Keepalive(configured)
    assert keepalive.interval(node, 0, 0) == configured
    keepalive.came_by_tcp(node, 0, 1000)
    assert keepalive.interval(node, 0, 1000) == configured


def test_a_frame_by_tcp_after_a_silence_tells(node: Node) -> None:
    keepalive = Keepalive(None)
    assert keepalive.interval(node, 7, 0) == 0
    keepalive.came_by_tcp(node, 7, SILENCE - 1)
    assert keepalive.interval(node, 7, SILENCE - 1) == 0
    # A datagram, of an old key or a new one, is no silence.
    keepalive.came_by_tcp(node, 1, SILENCE + 1)
    assert keepalive.interval(node, 1, SILENCE + 1) == 0
    later = 2 * SILENCE + 1
    keepalive.came_by_tcp(node, 1, later)
    keepalive.came_by_tcp(node, 1, later)
    assert keepalive.interval(node, 1, later) == FIRST


@pytest.mark.parametrize(
    ("silence", "pause", "numbers", "expected"),
    [
        (SILENCE, 1, LOST, FIRST),
        (SILENCE - 1, 1, LOST, 0),
        # Whoever begins to speak is not heard at the very moment of our probe.
        (SILENCE, 5, LOST, 0),
        # Answers to our probes, or a key that is new.
        (SILENCE, 1, LOST - 1, 0),
        (SILENCE, 1, -7, 0),
    ],
)
def test_numbers_that_jump_when_we_probe_tell(
    node: Node, silence: float, pause: float, numbers: int, expected: float
) -> None:
    keepalive = Keepalive(None)
    keepalive.interval(node, 7, 0)
    assert keepalive.interval(node, 7, silence) == 0
    assert keepalive.interval(node, 7 + numbers, silence + pause) == expected


def test_one_that_forgets_yet_sooner_gets_more(node: Node) -> None:
    keepalive = Keepalive(None)
    found = []
    for times in range(5):
        found.append(keepalive.interval(node, 7, times * SILENCE))
        keepalive.came_by_tcp(node, 7, (times + 1) * SILENCE)
    assert found == [0, FIRST, FIRST / 2, LEAST, LEAST]
    keepalive.forget(node)
    assert keepalive.interval(node, 7, 1000) == 0


def test_a_node_that_was_never_looked_at_tells_nothing(node: Node) -> None:
    keepalive = Keepalive(None)
    keepalive.came_by_tcp(node, 7, 1000)
    assert keepalive.interval(node, 7, 1000) == 0


# In the data plane.


def settled(plane: Plane, *, dialled: bool) -> Remote:
    """Have a link with the peer, and a path that is known to carry 1400 bytes."""
    remote = plane.world.connect("peer")
    remote.link.outgoing = Outgoing("peer") if dialled else None
    far_end = plane.far_end()
    plane.give_key(far_end)
    pmtu = plane.tunnels.of(plane.peer).pmtu
    pmtu.minmtu = pmtu.maxmtu = 1400
    plane.loop.advance(2)
    plane.sent()
    return remote


@pytest.mark.parametrize("dialled", [True, False])
def test_only_nodes_that_we_dialled_get_it(loop: FakeLoop, dialled: bool) -> None:
    plane = Plane(loop, udp_keepalive=10)
    settled(plane, dialled=dialled)
    loop.advance(45)
    assert len(plane.sent()) == (4 if dialled else 0)


def test_a_node_whose_link_is_its_own_gets_it_no_more(loop: FakeLoop) -> None:
    plane = Plane(loop, udp_keepalive=10)
    settled(plane, dialled=True).link.outgoing = None
    loop.advance(45)
    assert plane.sent() == []


def test_a_path_is_looked_at_at_once_if_that_is_wanted(loop: FakeLoop) -> None:
    plane = Plane(loop)
    settled(plane, dialled=False)
    loop.advance(10)
    assert plane.sent() == []
    plane.subject.probe_now()
    assert len(plane.sent()) > 0


def test_a_translation_that_was_seen_to_forget(loop: FakeLoop) -> None:
    plane = Plane(loop)
    remote = settled(plane, dialled=True)
    loop.advance(30)
    assert plane.sent() == []
    frame = bytes(ipv4("10.2.0.9", "10.1.0.9"))
    plane.subject.packets_received([frame], remote.link)
    loop.advance(6)
    assert len(plane.sent()) == 1
    loop.advance(16)
    assert len(plane.sent()) == 1
    plane.tunnels.nodes_changed([plane.peer])
    plane.tunnels.of(plane.peer)
    assert plane.subject._keepalive.interval(plane.peer, 0, 1000) == 0


def test_a_frame_that_needs_tcp_tells_nothing(loop: FakeLoop) -> None:
    plane = Plane(loop)
    remote = settled(plane, dialled=True)
    loop.advance(30)
    plane.subject.packets_received([bytes(1401)], remote.link)
    loop.advance(20)
    assert plane.sent() == []
