"""Compiled pumps forget what depends on a change, all of it and nothing else."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests.tunnel.pumping import Lab, packet
from tests.tunnel.world import DEFAULT, World, sized
from tincd_compat._fast import core
from tincd_compat.mesh import reach
from tincd_compat.modes import Forwarding
from tincd_compat.options import INDIRECT
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy
from tincd_compat.tunnel.plain import MAX_DESTINATIONS

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

B, B_TOO, C, D, E = ("10.0.2.1", "10.0.2.200", "10.0.3.1", "10.0.4.1", "10.0.5.1")


def goes_compiled(lab: Lab, frame: bytes | bytearray, *names: str) -> bool:
    """Let a frame come out of the device; tell whether the pump sent it to a node.

    Without names it is any of the neighbours.
    """
    lab.give(frame)
    lab.out()
    return _arrived(lab, frame, names)


def is_relayed(lab: Lab, source: str, frame: bytes | bytearray, *names: str) -> bool:
    """Let a node send a frame; tell whether the pump passed it on."""
    lab.send(source, frame)
    lab.receive()
    return _arrived(lab, frame, names)


def _arrived(lab: Lab, frame: bytes | bytearray, names: Sequence[str]) -> bool:
    found = [each for name in names or lab.far for each in lab.arrived(name)]
    assert found in ([], [frame])
    return bool(found)


def known(lab: Lab, *targets: str) -> None:
    """Let the pump know the ways to these addresses."""
    for target in targets:
        goes_compiled(lab, packet(0, target))
        assert goes_compiled(lab, packet(1, target))


def behind(lab: Lab, name: str, *path: str, options: int = DEFAULT) -> None:
    """Put a node behind others; there is no UDP to it, so c gets its frames."""
    world = lab.world
    world.link(path[-1], name, options)
    # A search has brought them back to where the kernel does not send.
    for each in lab.far:
        lab.place(each)
    world.exchange_keys(name)
    world.subnet(name, f"10.0.{'abcde'.index(name) + 1}.0/24")


def test_a_key_of_one_node_leaves_the_ways_to_others(lab: Lab) -> None:
    known(lab, B, C)
    tunnel = lab.world.tunnel(lab.world.node("c"))
    for happen in (
        partial(lab.world.take_key, "c"),
        partial(lab.world.give_key, "c"),
        partial(lab.world.proved, "c", 900),
        tunnel.void_peer_key,
    ):
        happen()
        assert goes_compiled(lab, packet(2, B), "b")


def test_one_frame_brings_back_all_addresses_of_an_owner(lab: Lab) -> None:
    known(lab, B, B_TOO)
    lab.world.take_key("b")
    assert not goes_compiled(lab, packet(2, B))
    assert goes_compiled(lab, packet(2, B_TOO), "b")


def test_a_subnet_takes_with_it_the_addresses_that_it_covers(lab: Lab) -> None:
    known(lab, B, B_TOO, C)
    for happen in (
        partial(lab.world.subnet, "c", "10.0.2.128/25"),
        partial(lab.world.unsubnet, "c", "10.0.2.128/25"),
    ):
        happen()
        assert goes_compiled(lab, packet(2, B), "b")
        assert goes_compiled(lab, packet(2, C), "c")
        assert not goes_compiled(lab, packet(2, B_TOO))
        known(lab, B_TOO)


def test_our_own_address_is_still_ours_after_a_key(lab: Lab) -> None:
    for number in range(3):
        lab.send("b", packet(number, "10.0.1.1", B))
        lab.receive()
    lab.world.give_key("b")
    for number, written in enumerate((0, 1)):
        lab.written()
        lab.send("b", packet(number, "10.0.1.1", B))
        lab.receive()
        # The first has shown who is behind the address.
        assert len(lab.written()) == written


def test_a_way_that_narrows_though_its_peer_stays(lab: Lab) -> None:
    behind(lab, "d", "c")
    known(lab, D, C)
    assert goes_compiled(lab, sized(600, D), "c")
    lab.world.tunnel(lab.world.node("d")).pmtu.mtu = 500
    assert not goes_compiled(lab, sized(600, D))
    known(lab, D)
    assert not goes_compiled(lab, sized(600, D))
    assert goes_compiled(lab, sized(600, C), "c")


def test_an_owner_that_comes_back_elsewhere(lab: Lab) -> None:
    """The node went and came without a search, so nothing else was forgotten."""
    behind(lab, "d", "c", options=DEFAULT | INDIRECT)
    known(lab, D)
    world, mesh = lab.world, lab.world.mesh
    b, c, d = (world.node(name) for name in "bcd")
    edge = c.edges["d"]
    mesh.remove_edge(edge)
    changes = reach.lose(mesh, edge)
    assert changes is not None
    world.flip(changes)
    mesh.remove_edge(d.edges["c"])
    for source, target in ((b, d), (d, b)):
        edge = mesh.add_edge(source, target, edge.address, edge.options, 10)
        world.flip(reach.join(mesh, edge))
    world.exchange_keys("d")
    assert not goes_compiled(lab, packet(2, D))
    assert goes_compiled(lab, packet(3, D), "b")


def test_a_way_that_is_lost_though_its_peer_stays(lab: Lab) -> None:
    behind(lab, "d", "c")
    known(lab, D)
    lab.world.tunnel(lab.world.node("d")).void_peer_key()
    assert not goes_compiled(lab, packet(2, D))
    assert lab.world.ports.key_requests == ["d"]


def test_hosts_that_are_sent_to_from_another_address_of_ours(lab: Lab) -> None:
    """All nodes behind such a host are concerned, whichever of them was refused."""
    sources_changed = lab.world.pipeline.sources_changed
    known(lab, B, C)
    sources_changed("192.0.2.77")
    assert goes_compiled(lab, packet(2, B), "b")
    for host in ("127.0.0.1", None):
        sources_changed(host)
        assert not goes_compiled(lab, packet(3, B))
        assert not goes_compiled(lab, packet(3, C))
        known(lab, B, C)


@pytest.mark.parametrize("source", ["c", "d", "e"])
def test_no_stop_on_a_way_is_sent_its_own_frames(lab: Lab, source: str) -> None:
    """Frames to e leave for c, since no UDP leads to d, and e is behind d."""
    behind(lab, "d", "c")
    behind(lab, "e", "c", "d", options=DEFAULT | INDIRECT)
    flow = lab.world.pipeline.flows.lookup(bytes([10, 0, 5, 1]))
    assert flow is not None
    assert [node.name for node in (flow.owner, flow.via, flow.node)] == list("edc")
    lab.add(source)
    known(lab, E, B)
    for name in (source, "b"):
        # The first shows who is behind the address.
        target = B if name == source else E
        first, second = (is_relayed(lab, name, packet(i, target)) for i in range(2))
        assert (first, second) == (False, True)
    for number in range(2):
        assert not is_relayed(lab, source, packet(number, E, E))


@pytest.mark.parametrize(
    "route",
    [RouteOptions(forwarding=Forwarding.OFF), RouteOptions(decrement_ttl=True)],
)
def test_what_is_not_passed_on_unseen(
    make: Callable[..., Lab], route: RouteOptions
) -> None:
    lab = make(World(DeliveryPolicy(options=DEFAULT, route=route), route))
    known(lab, C)
    for number in range(4):
        assert not is_relayed(lab, "b", packet(number, C, B))


def test_a_sweep_over_all_addresses(lab: Lab) -> None:
    """What the flow table has forgotten for want of room, the pump knows no more."""
    known(lab, B)
    flows = lab.world.pipeline.flows
    for number in range(MAX_DESTINATIONS):
        flows.lookup(number.to_bytes(4))
    assert not goes_compiled(lab, packet(2, B))


def test_a_refused_train_is_the_matter_of_one_peer(lab: Lab) -> None:
    """What the kernel dislikes on one route says nothing of any other."""
    known(lab, B)
    report = (2, lab.world.node("b"), errno.EIO)
    lab.pumps._heed([report])
    assert lab.sockets.stopped == [errno.EIO]
    assert goes_compiled(lab, packet(2, B))
