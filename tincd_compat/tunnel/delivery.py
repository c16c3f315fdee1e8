"""Sending a frame to a node: which way, in what packing, and what came of it.

The decision for one frame, in the order in which tincd takes it:

1. To ourselves: to the device.
2. The next stop is the node's ``via``, which UDP reaches; or its ``nexthop``, if no UDP
   does or the frame came over TCP because UDP failed it one hop earlier.
3. TCPONLY on either side, or a frame that came over TCP: over the meta connection.
4. No key: ask for it, at most every ten seconds, and use TCP meanwhile.
5. Longer than what the path is known to carry: through the neighbour on the way, which
   may have a better path, or over TCP if it is that neighbour itself.
6. By UDP.  Frames for one node wait until the burst ends and leave as one train, as do
   those for one meta connection.

Nothing is queued beyond the burst and nothing is sent twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.broadcast import broadcast_neighbours
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import BroadcastMode
from tincd_compat.options import PMTU_DISCOVERY, TCPONLY
from tincd_compat.routing.options import RouteOptions
from tincd_compat.routing.verdicts import Reason
from tincd_compat.tunnel.drops import Drop, Loss
from tincd_compat.tunnel.pmtu import Probe, is_probe, request
from tincd_compat.tunnel.tunnel import Tunnel

if TYPE_CHECKING:
    from tincd_compat.tunnel.sessionpath import SessionPath

#: The reason for which a packet goes nowhere.
LossReason: TypeAlias = Reason | Drop | Loss

#: Datagrams in one train: what a C peer's replay window of 128 and its socket's buffer
#: of some 180 take without loss when two arrive at once.
MAX_TRAIN: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """The configuration of the data plane; ``options`` are our node's bits."""

    options: int = 0
    broadcast: BroadcastMode = BroadcastMode.MST
    tunnel_server: bool = False
    route: RouteOptions = field(default_factory=RouteOptions)


class Ports(Protocol):
    """The parts of the daemon that delivery sends through."""

    def deliver(self, frames: list[bytes | bytearray]) -> None:
        """Write frames to the device; they must be left unchanged."""

    def send_train(
        self, node: Node, train: list[bytes], socket_index: int, tos: int
    ) -> list[int]:
        """Send datagrams to the node's UDP address in order.

        ``socket_index`` is the socket the node was last heard on.  Returns the indices
        of single datagrams that failed with EMSGSIZE.
        """

    def send_elsewhere(
        self, node: Node, address: SocketAddress, datagram: bytes, socket_index: int
    ) -> bool:
        """Send a datagram for a node to another address; False if EMSGSIZE."""

    def broadcast_probe(self, node: Node, datagram: bytes, port: int) -> bool:
        """Send a datagram to that port of all local hosts; False if EMSGSIZE."""

    def send_packets(self, neighbour: Node, frames: list[bytes | bytearray]) -> None:
        """Send PACKETs on the neighbour's meta connection, with random early drop.

        The frames must be left unchanged.
        """


class ControlPort(Protocol):
    """The part of the control plane that packets need now and then."""

    def request_key(self, node: Node) -> None:
        """Send a REQ_KEY for the node to its nexthop."""

    def learn_mac(self, mac: bytes, now: float) -> None:
        """Note that frames with this source came out of the device (switch mode).

        If that is news the mesh has it when this returns.
        """

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        """Note that a frame with this source came from the mesh (switch mode)."""


@dataclass(slots=True)
class _Waiting:
    """Frames of one burst for one node, with their type of service."""

    tos: int
    frames: list[bytes | bytearray]


class Delivery:
    """Sends frames to nodes; :meth:`flush` ends a burst.

    ``tracing`` says whether single packets are logged; the owner sets it per burst.
    ``control`` has to be set before the first frame.
    """

    control: ControlPort

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        ports: Ports,
        policy: DeliveryPolicy,
    ) -> None:
        self.tracing = False
        #: How many frames there were to send or to drop since :meth:`flush`.
        self.load = 0
        #: Frames and datagrams not passed on, by reason.
        self.drops: Counter[str] = Counter()
        self._mesh = mesh
        self._tunnels = tunnels
        self._ports = ports
        self._policy = policy
        self._delivered: list[bytes | bytearray] = []
        self._waiting: dict[Node, _Waiting] = {}
        self._packets: dict[Node, list[bytes | bytearray]] = {}
        self._neighbours: list[Node] | None = None
        #: What sends to nodes that have sessions with us; None if there can be none.
        self.sessions: SessionPath | None = None

    def graph_changed(self) -> None:
        """Forget the broadcast tree: the graph was searched."""
        self._neighbours = None

    # To one node.

    def drop(self, reason: LossReason) -> None:
        """Count a frame that goes nowhere, and the work that it was."""
        self.load += 1
        self.lose(reason)

    def lose(self, reason: LossReason, count: int = 1) -> None:
        """Count packets that go nowhere."""
        self.drops[reason] += count

    def deliver(self, frame: bytes | bytearray) -> None:
        """Write a frame to our device at the end of the burst."""
        self.load += 1
        self._delivered.append(frame)

    def send(
        self, node: Node, frame: bytearray, now: float, *, tcp: bool, tos: int = 0
    ) -> None:
        """Send a frame towards a node; ``tcp``: it came over TCP for want of UDP."""
        myself = self._mesh.myself
        if node is myself:
            self.deliver(frame)
            return
        self._trace(logging.ERROR, "Sending packet of %d bytes to %s", len(frame), node)
        via = node.nexthop if tcp or node.via is myself else node.via
        if not node.reachable or via is None:
            self._trace(logging.INFO, "Node %s is not reachable", node)
            self.drop(Loss.UNREACHABLE)
            return
        if via is not node and self.tracing:
            place = "(null)" if node.via is None else self._mesh.place(node.via)
            logs.traffic.info(
                "Sending packet to %s via %s (%s)", node.name, via.name, place
            )
        if self.sessions is not None and node.has_sessions:
            self.sessions.send(node, frame, now, tos)
        elif tcp or (self._policy.options | via.options) & TCPONLY:
            self._send_packet(via, frame)
        else:
            self._send_udp(via, frame, now, tos)

    def _send_udp(self, via: Node, frame: bytearray, now: float, tos: int) -> None:
        if not via.reachable:
            text = "Trying to send UDP packet to unreachable node %s"
            self._trace(logging.INFO, text, via)
            self.drop(Loss.UNREACHABLE)
            return
        if self.sessions is not None and via.has_sessions:
            self.sessions.send(via, frame, now, tos)
            return
        tunnel = self._tunnels(via)
        if not tunnel.valid_key:
            text = "No valid key known yet for %s, forwarding via TCP"
            self._trace(logging.INFO, text, via)
            self.ask_key(via, tunnel, now)
            self._send_packet(via, frame)
        elif self._too_long(via, tunnel, frame):
            self._send_around(via, frame, now, tos)
        else:
            self.enqueue(via, frame, tos)

    @staticmethod
    def _too_long(via: Node, tunnel: Tunnel, frame: bytearray) -> bool:
        """Tell whether the path is not known to carry the frame."""
        return (
            bool(via.options & PMTU_DISCOVERY)
            and len(frame) > tunnel.pmtu.minmtu
            and not is_probe(frame)
        )

    def _send_around(self, via: Node, frame: bytearray, now: float, tos: int) -> None:
        nexthop = via.nexthop
        around = nexthop is not None and nexthop is not via
        if self.tracing:
            logs.traffic.info(
                "Packet for %s larger than minimum MTU, forwarding via %s",
                self._mesh.label(via),
                nexthop.name if nexthop is not None and around else "TCP",
            )
        if nexthop is not None and around:
            self.send(nexthop, frame, now, tcp=False, tos=tos)
        else:
            self._send_packet(via, frame)

    def _send_packet(self, via: Node, frame: bytearray) -> None:
        """Send over TCP; only neighbours have a connection, so by the next of them."""
        self.pass_on(via.nexthop or via, [frame])

    def pass_on(self, neighbour: Node, frames: Sequence[bytes | bytearray]) -> None:
        """Let frames leave over the neighbour's meta connection with the burst."""
        self.load += len(frames)
        self._packets.setdefault(neighbour, []).extend(frames)

    def ask_key(self, node: Node, tunnel: Tunnel, now: float) -> None:
        """Send a REQ_KEY, unless one was sent a moment ago."""
        if tunnel.request_due(now):
            self.control.request_key(node)

    # To everybody.

    def broadcast(
        self, source: Node, frame: bytearray, now: float, *, tcp: bool
    ) -> None:
        """Pass a broadcast frame on: to our device, and along the tree or directly."""
        mesh, mode = self._mesh, self._policy.broadcast
        if source is not mesh.myself:
            self.deliver(frame)
        if self._policy.tunnel_server or mode is BroadcastMode.NO:
            return
        text = "Broadcasting packet of %d bytes from %s"
        self._trace(logging.INFO, text, len(frame), source)
        if mode is BroadcastMode.MST:
            for neighbour in self.broadcast_neighbours():
                if neighbour is not source.nexthop:
                    self.send(neighbour, frame, now, tcp=tcp)
        elif source is mesh.myself:
            for node in mesh.nodes.values():
                if self._takes_direct(node, frame, now):
                    self.send(node, frame, now, tcp=False)

    def broadcast_neighbours(self) -> Sequence[Node]:
        """Return our neighbours in the broadcast tree, by name."""
        if self._neighbours is None:
            found = broadcast_neighbours(self._mesh)
            self._neighbours = sorted(found, key=lambda node: node.name)
        return self._neighbours

    def _takes_direct(self, node: Node, frame: bytearray, now: float) -> bool:
        """Tell whether a node gets its own copy of our broadcast.

        A copy that some other node had to pass on would be one more broadcast there.
        """
        myself = self._mesh.myself
        if node is myself or not node.reachable or node.address is None:
            return False
        if node.nexthop is node and node.via in (myself, node):
            return True
        if node.via is not node:
            return False
        tunnel = self._tunnels(node)
        if not tunnel.valid_key:
            self.ask_key(node, tunnel, now)
            return False
        return not self._too_long(node, tunnel, frame)

    # By UDP.

    def enqueue(self, node: Node, frame: bytes | bytearray, tos: int = 0) -> None:
        """Let a frame leave by UDP with the burst; the node's key must be valid."""
        self.load += 1
        waiting = self._waiting.get(node)
        if waiting is None:
            self._waiting[node] = _Waiting(tos, [frame])
        elif waiting.tos == tos:
            waiting.frames.append(frame)
        else:
            self._emit(node, waiting)
            self._waiting[node] = _Waiting(tos, [frame])

    def enqueue_all(self, node: Node, frames: Sequence[bytes]) -> None:
        """Let frames without type of service leave by UDP with the burst, in order."""
        self.load += len(frames)
        waiting = self._waiting.get(node)
        if waiting is not None and waiting.tos == 0:
            waiting.frames += frames
            return
        if waiting is not None:
            self._emit(node, waiting)
        self._waiting[node] = _Waiting(0, list(frames))

    def flush(self) -> None:
        """End the burst: write to the device, let trains and PACKETs leave."""
        self.load = 0
        delivered, self._delivered = self._delivered, []
        if delivered:
            self._ports.deliver(delivered)
        waiting, self._waiting = self._waiting, {}
        for node, train in waiting.items():
            self._emit(node, train)
        if self._packets:
            packets, self._packets = self._packets, {}
            for neighbour, frames in packets.items():
                self._ports.send_packets(neighbour, frames)

    def _emit(self, node: Node, waiting: _Waiting) -> None:
        tunnel = self._tunnels(node)
        for start in range(0, len(waiting.frames), MAX_TRAIN):
            frames = waiting.frames[start : start + MAX_TRAIN]
            train = self._seal(tunnel, frames)
            if not train:
                continue
            index = tunnel.heard_on
            for refused in self._ports.send_train(node, train, index, waiting.tos):
                self.too_big(node, self._length(node, frames[refused]))

    def send_datagrams(self, node: Node, train: list[bytes]) -> list[int]:
        """Send datagrams to a node's UDP address; return those the kernel refused."""
        index = self._tunnels(node).heard_on
        return self._ports.send_train(node, train, index, 0)

    def _length(self, node: Node, frame: bytes | bytearray) -> int:
        """Return the length that path MTU discovery counts for a frame."""
        if node.has_sessions and self.sessions is not None:
            return self.sessions.length(frame)
        return len(frame)

    def _seal(self, tunnel: Tunnel, frames: list[bytes | bytearray]) -> list[bytes]:
        sealer = tunnel.outgoing
        train = [] if sealer is None else sealer.seal_train(frames)
        if len(train) < len(frames):
            self.not_sealed(tunnel, len(frames) - len(train))
        return train

    def not_sealed(self, tunnel: Tunnel, count: int) -> None:
        """Count frames for which a node's key has no number."""
        self.lose(Loss.NO_VALID_KEY, count)
        tunnel.used_up()

    def too_big(self, node: Node, length: int) -> None:
        """Note that the path is narrower: the kernel refused a single datagram."""
        self.lose(Loss.LARGER_THAN_MTU)
        self._tunnels(node).pmtu.too_big(length)

    def send_alone(self, node: Node, frame: bytes) -> None:
        """Send one frame by UDP at once; the node's key must be valid."""
        self._emit(node, _Waiting(0, [frame]))

    def send_probe(
        self,
        node: Node,
        probe: Probe,
        random_bytes: Callable[[int], bytes],
        now: float,
    ) -> None:
        """Send one MTU probe at once."""
        frame, tunnel = request(probe.length, random_bytes), self._tunnels(node)
        tunnel.echoes.asked(frame, now, timed=not probe.broadcast)
        if not probe.broadcast or node.prevedge is None:
            elsewhere = self._elsewhere(node)
            if elsewhere is None:
                self.send_alone(node, frame)
                return
            for datagram in self._seal(tunnel, [frame]):
                index = tunnel.heard_on
                if not self._ports.send_elsewhere(node, elsewhere, datagram, index):
                    self.too_big(node, probe.length)
            return
        for datagram in self._seal(tunnel, [frame]):
            port = node.prevedge.address.port
            if not self._ports.broadcast_probe(node, datagram, port):
                self.too_big(node, probe.length)

    def _elsewhere(self, node: Node) -> SocketAddress | None:
        """Return where a node without UDP is looked for this time, None if at home.

        A firewall may pass nothing but what we have dialled, or that only over TCP.  So
        every other batch goes to the one of both addresses that is not the node's.
        """
        pmtu = self._tunnels(node).pmtu
        if node.dialled is None or pmtu.minmtu > 0 or pmtu.steps % 2:
            return None
        if node.address != node.dialled:
            return node.dialled
        edge = self._mesh.myself.edges.get(node.name)
        return None if edge is None or edge.address == node.address else edge.address

    def _trace(self, severity: int, text: str, *values: Node | int) -> None:
        if self.tracing:
            mesh = self._mesh
            shown = (mesh.label(v) if isinstance(v, Node) else v for v in values)
            logs.traffic.log(severity, text, *shown)
