"""Datagrams for several addresses of ours: the compiled pumps answer from each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.segments.samples import Segment
from tests.tunnel.pumping import Lab, packet
from tests.tunnel.world import World
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.transport.pktinfo import GONE

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)


@pytest.fixture
def everywhere(make: Callable[..., Lab]) -> Lab:
    return make(World(), everywhere=True)


def talk(lab: Lab, number: int) -> set[str]:
    """Let b say something; return where answers come from, and demand them."""
    lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
    lab.receive()
    found = set[str]()
    for frames in ([packet(number)], [Segment(number=i).frame() for i in range(3)]):
        lab.give(*frames)
        lab.out()
    while True:
        try:
            _, (host, _) = lab.far["b"].recvfrom(1 << 16)
        except BlockingIOError:
            return found
        found.add(host)


def test_answers_leave_from_where_they_are_asked(everywhere: Lab) -> None:
    lab = everywhere
    # Python has seen the first of each, and what goes out before is told.
    lab.give(packet(0))
    lab.out()
    for number, host in enumerate(["127.0.0.2", "127.0.0.3", "127.0.0.1"]):
        lab.host = host
        for _ in range(2):
            lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
            lab.receive()
        assert lab.world.node("b").address is not None
        assert lab.world.node("b").address.local == host  # type: ignore[union-attr]
        lab.give(packet(number))
        lab.out()
        talk(lab, number)
        assert talk(lab, number) == {host}


def test_what_comes_to_the_same_address_is_moved(everywhere: Lab) -> None:
    lab = everywhere
    lab.host = "127.0.0.2"
    for number in range(3):
        lab.send("b", packet(number, "10.0.1.1", "10.0.2.1"))
        lab.receive()
    lab.written()
    lab.pumps._pump.add_own(bytes((10, 0, 1, 1)))
    lab.send("b", packet(4, "10.0.1.1", "10.0.2.1"))
    outcome = lab.pumps._pump.receive(lab.udp.fileno(), 0, 1)
    assert outcome is None
    assert len(lab.written()) == 1
    # And elsewhere it is for Python to note.
    lab.host = "127.0.0.3"
    lab.send("b", packet(5, "10.0.1.1", "10.0.2.1"))
    outcome = lab.pumps._pump.receive(lab.udp.fileno(), 0, 1)
    assert outcome is not None
    ((_, host, port, scope, local),) = outcome[1]
    assert (host, port) == lab.far["b"].getsockname()
    assert (scope, local) == (0, "127.0.0.3")


def test_an_address_that_is_not_ours_any_more(everywhere: Lab) -> None:
    lab = everywhere
    node = lab.world.node("b")
    host, port = lab.far["b"].getsockname()
    lab.world.mesh.set_address(node, SocketAddress(host, port, local="192.0.2.77"))
    for number in range(3):
        lab.give(packet(number))
        lab.out()
    assert {peer for peer, _ in lab.sockets.refusals} == {"b"}
    assert {error for _, error in lab.sockets.refusals} <= GONE
