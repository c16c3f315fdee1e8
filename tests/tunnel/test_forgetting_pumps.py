"""What the compiled pumps know is not stale either, whatever happens.

After every event of a story packets are put before the pump itself, with nobody to tell
it anything: what it takes has to go where tables say that are built anew.  Then the
pump is told of everybody, so that each event finds something to be forgotten.
"""

from __future__ import annotations

import select
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.pumping import (
    PLAIN,
    Device,
    Sockets,
    datagram_socket,
    received,
)
from tests.tunnel.stories import NAMES, Event, Story, events
from tests.tunnel.test_forgetting import anew
from tincd_compat._fast import core
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Node
from tincd_compat.modes import Forwarding, Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel import pumps
from tincd_compat.tunnel.flows import FlowTable
from tincd_compat.tunnel.ports import Progress

if core is None:
    pytest.skip("the compiled half is not built", allow_module_level=True)

pytestmark = pytest.mark.usefixtures("nothing_logged")

routes = st.builds(
    RouteOptions,
    mode=st.sampled_from([Mode.ROUTER, Mode.SWITCH]),
    forwarding=st.sampled_from(
        [Forwarding.INTERNAL, Forwarding.INTERNAL, Forwarding.OFF]
    ),
)


class PumpStory(Story):
    """A daemon with compiled pumps; every node is behind a socket of ours.

    Three more sockets are places to move to.
    """

    def __init__(self, route: RouteOptions) -> None:
        super().__init__(route)
        self.world.now = 0.0
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
        self._device, self._kernel = socket.socketpair(socket.AF_UNIX, kind)
        self._near = [datagram_socket() for _ in range(2)]
        self._far = {
            place(sock): sock for sock in (datagram_socket() for _ in "bcde123")
        }
        self.places = list(self._far)
        self._poll = select.poll()
        for sock in self._far.values():
            self._poll.register(sock, select.POLLIN)
        device = Device(self._device.fileno(), tap=True)
        started = pumps.start(
            device, self.world.pipeline, self.world.mesh, Sockets(self._near)
        )
        assert started is not None
        self.pumps = started
        self.settle()

    def close(self) -> None:
        self.pumps.close()
        # Megabytes of buffers would stay for long in what refers to itself.
        del self.pumps
        for sock in (self._device, self._kernel, *self._near, *self._far.values()):
            sock.close()

    def settle(self) -> None:
        """Give nodes that the graph has brought back an address that we can reach."""
        for name, where in zip(NAMES, self.places, strict=False):
            node = self.world.node(name)
            if node.address is not None and node.address not in self._far:
                self.world.mesh.set_address(node, where)

    # How packets come.

    def send(self, address: bytes, number: int) -> None:
        self._kernel.send(PLAIN + self.frame(address, self.station(number)))
        assert self.pumps.from_device(self.world.now) is not Progress.REFUSED
        self._drain()

    def hear(
        self, name: str, frame: bytearray, source: SocketAddress, index: int
    ) -> None:
        self._say(name, frame, source, index)
        assert self.pumps.from_udp(index, self.world.now) is not Progress.REFUSED
        self._drain()

    def _say(
        self, name: str, frame: bytearray, source: SocketAddress, index: int
    ) -> bytes:
        (datagram,) = self.world.peers[name].seal(frame)
        self._far[source].sendto(datagram, self._near[index].getsockname())
        return datagram

    def _drain(self) -> list[tuple[SocketAddress, bytes]]:
        """Take what has left for the network, with where it went to."""
        received(self._kernel)
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        return [
            (where, data)
            for where, sock in self._far.items()
            if sock.fileno() in ready
            for data in received(sock)
        ]

    def be_told(self) -> None:
        """Let the pump hear of the ways to all, and of who all are."""
        for address in self.addresses:
            self.send(address, 0)
        for name in NAMES:
            node = self.world.node(name)
            if node.address is not None and self.world.peers[name].tunnel.sealer:
                index = self.world.tunnel(node).heard_on
                self.hear(name, self.frame(self.addresses[0]), node.address, index)

    # What the pump does by itself.

    def is_true(self) -> None:
        new = anew(self)
        for address in self.addresses:
            self._outward_is_true(new, address)
            for name in NAMES:
                self._inward_is_true(new, address, name)

    def _outward_is_true(self, new: FlowTable, address: bytes) -> None:
        self._kernel.send(PLAIN + self.frame(address))
        outcome = self.pumps._pump.out(1)
        went = self._drain()
        if outcome is not None:
            # It came back, and nobody sealed it.
            assert (outcome[3], went) == ([], [])
            return
        flow = new.lookup(address)
        assert flow is not None
        assert flow.limit >= len(self.frame(address))
        self._went_to(flow.node, went)

    def _went_to(self, node: Node, went: list[tuple[SocketAddress, bytes]]) -> None:
        ((where, datagram),) = went
        assert where == node.address
        opener = self.world.peers[node.name].tunnel.opener
        assert opener is not None
        assert opener.matches(datagram)

    def _inward_is_true(self, new: FlowTable, address: bytes, name: str) -> None:
        node, sealer = self.world.node(name), self.world.peers[name].tunnel.sealer
        if node.address is None or sealer is None:
            return
        index = self.world.tunnel(node).heard_on
        datagram = self._say(name, self.frame(address), node.address, index)
        outcome = self.pumps._pump.receive(self._near[index].fileno(), index, 1)
        written = received(self._kernel)
        went = self._drain()
        if outcome is None or outcome[2]:
            # The pump has opened the datagram: the key behind it still counts.
            assert self.world.tunnel(node).openers.matches(datagram)
        if outcome is not None:
            assert (outcome[3], written, went) == ([], [], [])
            # What was opened was opened as this node's.
            assert all(sender.node is node for sender, _ in outcome[2])
            if not outcome[2]:
                # Its number was not taken: so many of them would be the far future.
                sealer.sequence -= 1
        elif written:
            assert new.is_ours(address)
            assert went == []
        else:
            flow = new.relay(address, node)
            assert flow is not None
            self._went_to(flow.node, went)


def place(sock: socket.socket) -> SocketAddress:
    host, port = sock.getsockname()
    return SocketAddress(host, port)


@given(routes, st.lists(events, max_size=25))
def test_pumps(route: RouteOptions, told: list[Event]) -> None:
    story = PumpStory(route)
    try:
        story.be_told()
        for event in told:
            story.happen(*event)
            story.settle()
            story.is_true()
            story.be_told()
    finally:
        story.close()
