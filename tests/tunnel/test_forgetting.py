"""Nothing that is remembered is stale, whatever happens.

After every event of a story what is known is held against tables that are built anew.
Then the single-packet path is told of everybody, so that each event finds something to
be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.nosockets import NoSockets
from tests.tunnel.stories import NAMES, Event, Story, events
from tests.tunnel.world import DEFAULT
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.broadcast import broadcast_neighbours
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.options import INDIRECT, TCPONLY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.flows import FlowTable
from tincd_compat.tunnel.ports import Progress
from tincd_compat.tunnel.singles import Singles

routes = st.builds(
    RouteOptions,
    mode=st.sampled_from([Mode.ROUTER, Mode.SWITCH]),
    direct_only=st.sampled_from([False, False, True]),
    forwarding=st.sampled_from(
        [Forwarding.INTERNAL, Forwarding.INTERNAL, Forwarding.OFF]
    ),
)
owns = st.sampled_from([DEFAULT] * 3 + [DEFAULT | INDIRECT | TCPONLY])
stories = st.lists(events, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "core", None)
        yield


def anew(story: Story) -> FlowTable:
    """Return a table that remembers nothing yet."""
    world = story.world
    world.mesh.subnets.invalidate()
    return FlowTable(world.mesh, world.tunnel, story.own, story.route)


def flows_are_true(story: Story) -> None:
    """Hold what the pipeline knows against what it would find out now."""
    known, new = story.world.pipeline.flows, anew(story)
    for address in story.addresses:
        assert known.lookup(address) == new.lookup(address)
        assert known.tcp_route(address) == new.tcp_route(address)
        assert known.is_ours(address) == new.is_ours(address)
    for node, tunnel in story.world.tunnels():
        assert node.mtu == tunnel.pmtu.mtu


@given(routes, owns, stories)
def test_flows(route: RouteOptions, own: int, told: list[Event]) -> None:
    story = Story(route, own)
    for event in told:
        story.happen(*event)
        flows_are_true(story)


@given(stories)
def test_the_broadcast_tree(told: list[Event]) -> None:
    story = Story()
    mesh, pipeline = story.world.mesh, story.world.pipeline
    for kind, name, number in told:
        story.happen(kind, name, number)
        if kind == "search":
            # Edges that come or go count with the next search.
            assert set(pipeline.broadcast_neighbours()) == broadcast_neighbours(mesh)


# The single-packet path.


@dataclass(frozen=True)
class Send:
    """Sends nothing; two are equal if they send to the same place."""

    address: SocketAddress
    remembered: int

    def __call__(self, datagram: bytes) -> OSError | None:
        return None


class SingleStory(Story, NoSockets):
    """Packets come one at a time and take the single-packet path if it takes them."""

    def __init__(self, route: RouteOptions) -> None:
        super().__init__(route)
        world = self.world
        self.singles = Singles(
            world.pipeline, world.mesh, self, lambda frame: None, lambda: world.now
        )

    def sender(self, address: SocketAddress, remembered: int) -> Send:
        return Send(address, remembered)

    def send(self, address: bytes, number: int) -> None:
        frame = self.frame(address, self.station(number))
        if not self.singles.outward(frame):
            self.world.from_device(bytearray(frame))
            self.singles.sent(frame)

    def hear(
        self, name: str, frame: bytearray, source: SocketAddress, index: int
    ) -> None:
        (datagram,) = self.world.peers[name].seal(frame)
        place = (source.host, source.port)
        if self.singles.inward(index, datagram, place, 0.0) is Progress.REFUSED:
            self.world.from_udp([datagram], source, index)
            self.singles.received(index, place, source)

    def be_told(self) -> None:
        """Let the path hear of the ways to all, and of who all are."""
        for address in self.addresses:
            self.send(address, 0)
        for name in NAMES:
            node, sealer = self.world.node(name), self.world.peers[name].tunnel.sealer
            if node.address is not None and sealer is not None:
                index = self.world.tunnel(node).heard_on
                for address in self.addresses[:2]:
                    self.hear(name, self.frame(address), node.address, index)

    def is_true(self) -> None:
        """Hold what the path knows against what would be added now."""
        new, world, path = anew(self), self.world, self.singles._path
        for address, way in path._destinations.items():
            assert address is not None
            if way.limit >= 0:
                assert self._told(way) == self._would_be_told(new, address)
        assert all(new.is_ours(address) for address in path._own if address)
        for (index, (host, port)), source in path._sources.items():
            node = world.mesh.node_by_address(SocketAddress(host, port))
            assert node is source.node
            opener = world.tunnel(node).opener
            assert opener is not None
            assert opener.pure is not None
            assert source.open == opener.pure.open
            assert world.tunnel(node).heard_on == index
        ours = {each.address for each in world.mesh.subnets.of(world.mesh.myself)}
        assert ours >= path._stations

    @staticmethod
    def _told(way: Any) -> tuple[object, ...]:
        peer = way.peer
        return peer.node, way.stops, way.limit, peer.seal, peer.send

    def _would_be_told(self, new: FlowTable, address: bytes) -> tuple[object, ...]:
        flow = new.lookup(address)
        assert flow is not None
        sealer = self.world.tunnel(flow.node).sealer
        assert sealer is not None
        assert sealer.pure is not None
        assert flow.node.address is not None
        heard_on = self.world.tunnel(flow.node).heard_on
        return (
            flow.node,
            tuple(self.singles._numbers[n] for n in (flow.owner, flow.via, flow.node)),
            flow.limit,
            sealer.pure.seal,
            Send(flow.node.address, heard_on),
        )


@given(routes, st.lists(events, max_size=25))
def test_single_packets(route: RouteOptions, told: list[Event]) -> None:
    story = SingleStory(route)
    story.be_told()
    for event in told:
        story.happen(*event)
        story.is_true()
        flows_are_true(story)
        story.be_told()
