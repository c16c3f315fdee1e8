"""The two pumps of the data plane, in the order in which a packet meets them.

Outward, :meth:`Pipeline.from_device`:

1. A burst of frames comes from the device, some of them super-packets.
   In switch mode their authors are learned.
2. A plain packet with a known flow goes straight to its next stop's train; so do the
   segments of a plain super-packet, for which the flow is looked up once.
3. Everything else is routed: deliver, send, broadcast, answer or drop.
4. What is sent passes the decisions of :mod:`tincd_compat.tunnel.delivery`.
5. At the end of the burst every peer's train is sealed and leaves.

Inward, :meth:`Pipeline.from_udp`:

1. A burst of datagrams is sorted by source address, which names the sender; if it does
   not, or if that sender's key does not fit, the MAC is tried (:mod:`.lookup`).
2. The sender's openers: length, MAC, decryption, replay window, decompression.
3. Only what has passed all that may change the sender's UDP address.
4. A probe is answered at once and in order; an answer to ours is credited.
5. Every other frame is routed afresh: its source is the peer it came from, nothing
   says that it is for us.  Then as outward.

A frame that arrives as PACKET over TCP enters at 5 of the inward pump.  Time is a
parameter, in seconds of a monotonic clock; nothing here waits or raises for what a peer
sends.

What a frame costs is for others to choose, and so is what a super-packet holds: the
work of a burst pauses after every STEP of frames, and whoever runs it may let others
have their turn before it goes on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import Mode
from tincd_compat.options import TCPONLY
from tincd_compat.routing import headers
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import (
    AnswerFrames,
    Deliver,
    Fragments,
    Reason,
    SendTo,
    SendToAll,
)
from tincd_compat.segments.offload import SuperPacket, split
from tincd_compat.tunnel.answers import ProbeAnswers
from tincd_compat.tunnel.askedprobes import AskedProbes
from tincd_compat.tunnel.compression import Decompressor
from tincd_compat.tunnel.delivery import (
    MAX_TRAIN,
    ControlPort,
    Delivery,
    DeliveryPolicy,
    LossReason,
    Ports,
)
from tincd_compat.tunnel.drops import Drop, Loss
from tincd_compat.tunnel.flows import FlowTable
from tincd_compat.tunnel.pmtu import is_probe
from tincd_compat.tunnel.receiving import Received, Receiver
from tincd_compat.tunnel.tunnel import Tunnel

if TYPE_CHECKING:
    from tincd_compat.crypto.sptps.records import SptpsRecord
    from tincd_compat.tunnel.sessionpath import SessionPath

#: Frames or datagrams, read or made, after which the work of a burst pauses.
STEP: Final = MAX_TRAIN
#: Reasons to drop a frame that are in headers alike in all segments of a super-packet.
SHARED_REASONS: Final = frozenset(
    {
        Reason.UNKNOWN_DESTINATION,
        Reason.UNREACHABLE,
        Reason.PROHIBITED,
        Reason.LOOPING_BACK,
        Reason.ROUTING_LOOP,
        Reason.TTL_EXPIRED,
    }
)
#: Where a burst comes from: the index of a socket, or None for our device.
Origin: TypeAlias = int | None
#: The work of a burst, step by step.  It is sent True if it had to wait.
Work: TypeAlias = Generator[None, bool | None, None]
#: Does the work of a burst, at least its beginning: between two steps it may wait.
#: What comes from the same origin later has to wait behind it.
Run: TypeAlias = Callable[[Origin, Work], None]


def finish(_origin: Origin, work: Work) -> None:
    """Do all of the work at once."""
    for _ in work:
        pass


class Pipeline:
    """Moves frames between device, UDP and meta connections.

    ``tunnels`` returns the tunnel of any node of the mesh but our own; what changes of
    a tunnel is told to :meth:`tunnel_changed`, where datagrams leave from to
    :meth:`sources_changed`.  The mesh has the pipeline for its listener: whoever
    remembers what follows from one of these forgets what is void.
    """

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        router: Router,
        ports: Ports,
        policy: DeliveryPolicy,
        *,
        random_bytes: Callable[[int], bytes],
        run: Run = finish,
    ) -> None:
        self._control: ControlPort
        self._mesh = mesh
        self.tunnel = tunnels
        self._router = router
        self._random_bytes = random_bytes
        self._run = run
        self._learns = policy.route.mode is Mode.SWITCH
        #: Short cuts for frames of the device and of the mesh.
        self.flows = FlowTable(mesh, tunnels, policy.options, policy.route)
        self._delivery = Delivery(mesh, tunnels, ports, policy)
        #: The receiver, which opens datagrams.
        self.receiver = Receiver(mesh, tunnels, self._delivery)
        #: Probes that operators want.
        self.asked = AskedProbes(tunnels, self._delivery, random_bytes)
        self._answers = ProbeAnswers(mesh, tunnels, self._delivery, self.asked)
        mesh.listener = self

    @property
    def drops(self) -> Counter[str]:
        """How many frames and datagrams went nowhere, by reason."""
        return self._delivery.drops

    def lose(self, reason: LossReason, count: int = 1) -> None:
        """Count packets that go nowhere."""
        self._delivery.lose(reason, count)

    def attach_control(self, control: ControlPort) -> None:
        """Name who sends key requests and announces MAC addresses."""
        self._control = self._delivery.control = control

    def attach_sessions(self, make: Callable[[Delivery], SessionPath]) -> None:
        """Let nodes have sessions with us, whose packets ``make`` sees to."""
        self._delivery.sessions = self.receiver.sessions = make(self._delivery)

    # What the mesh, the tunnels and the sockets tell.

    def graph_changed(self) -> None:
        """Forget all that follows from the graph, which was searched."""
        self.flows.forget()
        self.receiver.lookup.invalidate()
        self._delivery.graph_changed()
        self._nodes_changed()

    def reachability_changed(self, nodes: Sequence[Node]) -> None:
        """Forget ways to nodes that one event has made reachable or unreachable."""
        self.flows.forget_owners(nodes)
        self.receiver.lookup.invalidate()
        self._nodes_changed()

    def _nodes_changed(self) -> None:
        if self.receiver.sessions is not None:
            self.receiver.sessions.ids.invalidate()

    def subnet_changed(self, subnet: Subnet) -> None:
        """A node has got the subnet or lost it."""
        self.flows.forget_subnet(subnet)

    def addresses_changed(self, nodes: Sequence[Node]) -> None:
        """Forget ways over nodes whose UDP addresses have changed or are gone."""
        self.flows.forget_nodes(nodes)
        self.receiver.lookup.invalidate()

    def tunnel_changed(self, node: Node) -> None:
        """Forget ways over a node whose tunnel has another key, socket or path MTU."""
        node.mtu = self.tunnel(node).pmtu.mtu
        self.flows.forget_node(node)
        self.receiver.lookup.keys_changed()

    def sources_changed(self, host: str | None) -> None:
        """Datagrams to a host leave from another address of ours; None is all hosts."""
        if host is None:
            self.flows.forget()
            return
        nodes = self._mesh.nodes.values()
        there = [n for n in nodes if n.address is not None and n.address.host == host]
        self.flows.forget_nodes(there)

    # What the owner asks.

    def broadcast_neighbours(self) -> Sequence[Node]:
        """Return the neighbours that broadcasts are passed to, by name."""
        return self._delivery.broadcast_neighbours()

    def too_big(self, node: Node, length: int) -> None:
        """Note that the kernel refused a datagram with a frame of that length."""
        self._delivery.too_big(node, length)

    def not_sealed(self, node: Node, count: int) -> None:
        """Frames for a node were dropped, since its key has no number for them."""
        self._delivery.not_sealed(self.tunnel(node), count)

    # The pumps.

    def from_device(
        self, frames: Sequence[bytearray | SuperPacket], now: float
    ) -> None:
        """Route frames of our own device, which become ours.

        Their segments are counted where they are read: at most a burst of them, and one
        super-packet that comes whole.
        """
        self._run(None, self._outward(frames, now))

    def _outward(self, frames: Sequence[bytearray | SuperPacket], now: float) -> Work:
        for start in range(0, len(frames), STEP):
            if start:
                yield
            yield from self._step_outward(frames[start : start + STEP], now)
            self._delivery.flush()

    def _step_outward(
        self, frames: Sequence[bytearray | SuperPacket], now: float
    ) -> Work:
        myself, flows, delivery = self._mesh.myself, self.flows, self._delivery
        tracing = self.begin()
        short_cuts = not tracing and flows.outward
        tcp_routes = not tracing and flows.inward
        if self._learns:
            self._learn(frames, now)
        for frame in frames:
            if delivery.load >= STEP:
                delivery.flush()
                yield
            if isinstance(frame, SuperPacket):
                yield from self._split(frame, now, tracing)
                continue
            if short_cuts:
                destination = flows.destination(frame)
                flow = None if destination is None else flows.lookup(destination)
                if flow is not None and len(frame) <= flow.limit:
                    delivery.enqueue(flow.node, frame)
                    continue
            if tcp_routes:
                destination = flows.destination(frame)
                way = None if destination is None else flows.tcp_route(destination)
                if way is not None and len(frame) <= way.limit:
                    delivery.pass_on(way.node, (frame,))
                    continue
            self._route(frame, myself, now)

    def _split(self, packet: SuperPacket, now: float, tracing: bool) -> Work:
        """Route the segments of a super-packet, a step in one go if they are plain.

        None is routed behind one that is dropped for what all of them say.  What has to
        wait behind a full step is dropped as well: pieces of so many segments that cost
        so much fill the device's queue with the work of minutes, and had they come one
        by one, the queue would have been full.
        """
        delivery, count = self._delivery, packet.segments
        destination = None
        if self.flows.inward and not tracing:
            destination = self.flows.destination(packet.frame)
        for first in range(0, count, STEP):
            if first:
                delivery.flush()
                if (yield):
                    delivery.lose(Loss.BEYOND_TURN, count - first)
                    return
            segments = [] if packet.is_too_fine else split(*packet, first, STEP)
            if not segments:
                delivery.lose(Loss.BROKEN_SUPER_PACKET)
                return
            if self._goes_plainly(packet, destination, segments):
                continue
            for number, segment in enumerate(segments, first + 1):
                if delivery.load >= STEP:
                    delivery.flush()
                    yield
                reason = self._route(bytearray(segment), self._mesh.myself, now)
                if reason in SHARED_REASONS and not tracing:
                    delivery.lose(reason, count - number)
                    return

    def _goes_plainly(
        self, packet: SuperPacket, destination: bytes | None, segments: list[bytes]
    ) -> bool:
        """Send segments for which one look at their destination is enough, or none."""
        flows = self.flows
        if destination is None:
            return False
        flow = flows.lookup(destination) if flows.outward else None
        if flow is not None and packet.frame_size <= flow.limit:
            self._delivery.enqueue_all(flow.node, segments)
            return True
        way = flows.tcp_route(destination)
        if way is not None and packet.frame_size <= way.limit:
            self._delivery.pass_on(way.node, segments)
            return True
        return False

    def _learn(self, frames: Sequence[bytearray | SuperPacket], now: float) -> None:
        """Report each source address once a burst: whatever it is, as tincd does."""
        last, seen = b"", set[bytes]()
        for each in frames:
            frame = each.frame if isinstance(each, SuperPacket) else each
            # Mostly one station sends several frames in a row.
            if frame[6:12] == last or len(frame) < headers.ETHERNET:
                continue
            last = bytes(frame[6:12])
            if last not in seen:
                seen.add(last)
                self._control.learn_mac(last, now)

    def from_udp(self, datagrams: Sequence[Received], now: float) -> None:
        """Open datagrams (data, source address, index of the socket) and route them.

        All are of one socket, in the order of arrival, which is kept for each source.
        """
        self._run(datagrams[0][2] if datagrams else 0, self._inward(datagrams, now))

    def _inward(self, datagrams: Sequence[Received], now: float) -> Work:
        for start in range(0, len(datagrams), STEP):
            if start:
                yield
            self.begin()
            step = datagrams[start : start + STEP]
            for node, frames in self.receiver.receive(step, now):
                yield from self._take(node, frames, now)
            self._delivery.flush()

    def from_tunnel(
        self,
        node: Node,
        bodies: Sequence[bytes],
        index: int,
        now: float,
        unpack: Decompressor | None = None,
    ) -> None:
        """Act on frames of a node that a socket got, opened already, in order.

        :param unpack: makes frames of the bodies, if they are none yet
        """
        self._run(index, self._opened(node, bodies, now, unpack))

    def _opened(
        self,
        node: Node,
        bodies: Sequence[bytes],
        now: float,
        unpack: Decompressor | None,
    ) -> Work:
        for start in range(0, len(bodies), STEP):
            if start:
                yield
            self.begin()
            frames = bodies[start : start + STEP]
            if unpack is not None:
                frames = self.receiver.unpacked(frames, unpack)
            yield from self._take(node, frames, now)
            self._delivery.flush()

    def from_meta(
        self, frames: Sequence[bytes], node: Node, link_options: int, now: float
    ) -> None:
        """Route frames that came as PACKET over the node's meta connection, in order.

        Unless the link is TCPONLY they came so for want of UDP, and go on over TCP.
        """
        flows, delivery = self.flows, self._delivery
        tcp = not link_options & TCPONLY
        short_cuts = not self.begin() and flows.inward
        for frame in frames:
            if node.has_sessions and not any(frame[:14]):
                # A tinc 1.1 sends its probes so while it has no session.
                delivery.lose(Loss.PROBE_BY_TCP)
                continue
            destination = flows.destination(frame) if short_cuts else None
            if destination is not None:
                if flows.is_ours(destination):
                    delivery.deliver(frame)
                    continue
                way = None if tcp else flows.relay_tcp_route(destination, node)
                if way is not None and len(frame) <= way.limit:
                    delivery.pass_on(way.node, (frame,))
                    continue
            self._route(bytearray(frame), node, now, tcp=tcp)
        delivery.flush()

    def from_session(self, node: Node, record: SptpsRecord, now: float) -> None:
        """Route what came in a record of a node's session over meta connections."""
        self.begin()
        sessions = self.receiver.sessions
        frame = None if sessions is None else sessions.frame(record)
        if frame is None:
            self.lose(Drop.UNDECRYPTABLE)
            return
        self._route(frame, node, now)
        self._delivery.flush()

    def probe_step(self, node: Node, now: float) -> float | None:
        """Perform one step of path MTU discovery; return seconds until the next.

        None if no further step is due.  Only for nodes with PMTU_DISCOVERY.
        """
        self.begin()
        tunnel = self.tunnel(node)
        usable = node.reachable and tunnel.valid_key
        step = tunnel.pmtu.step(usable=usable, numbers=tunnel.numbers)
        for probe in step.probes:
            self._delivery.send_probe(node, probe, self._random_bytes, now)
        return step.delay

    def begin(self) -> bool:
        """Start a burst; True if single packets are logged."""
        self._delivery.tracing = logs.traffic.isEnabledFor(logging.DEBUG)
        return self._delivery.tracing

    def _take(self, node: Node, frames: Sequence[bytes], now: float) -> Work:
        """Act on the frames of a node in order."""
        flows, delivery = self.flows, self._delivery
        tracing = delivery.tracing
        short_cuts = flows.inward and not tracing
        for data in frames:
            if delivery.load >= STEP:
                delivery.flush()
                yield
                if self._mesh.nodes.get(node.name) is not node:
                    return
            if is_probe(data):
                self._answers.take(node, data, now)
                continue
            if short_cuts:
                destination = flows.destination(data)
                if destination is not None and flows.is_ours(destination):
                    delivery.deliver(data)
                    continue
                flow = None if destination is None else flows.relay(destination, node)
                if flow is not None and len(data) <= flow.limit:
                    delivery.enqueue(flow.node, data)
                    continue
            frame = bytearray(data)
            if tracing:
                place = self._mesh.label(node)
                logs.traffic.debug(
                    "Received packet of %d bytes from %s", len(frame), place
                )
            self._route(frame, node, now)

    # Frames.

    def _route(
        self, frame: bytearray, source: Node, now: float, *, tcp: bool = False
    ) -> Reason | None:
        """Route a frame and do as the verdict says; answers go back the way it came.

        Returns why it was dropped without an answer, if it was.
        """
        delivery = self._delivery
        if self._learns and source is not self._mesh.myself:
            # Frames that take short cuts are not looked at: what a station says to
            # everybody, as all do now and then, takes none.
            self._control.heard_elsewhere(bytes(frame[6:12]), now)
        match self._router.route(frame, source, now):
            case SendTo(node, frame, tos):
                delivery.send(node, frame, now, tcp=tcp, tos=tos)
            case Deliver(frame):
                delivery.deliver(frame)
            case SendToAll(frame):
                delivery.broadcast(source, frame, now, tcp=tcp)
            case AnswerFrames(frames, reason, tos):
                if reason is not None:
                    delivery.lose(reason)
                for reply in frames:
                    delivery.send(source, reply, now, tcp=tcp, tos=tos)
            case Fragments(node, frames, tos):
                for piece in frames:
                    delivery.send(node, piece, now, tcp=tcp, tos=tos)
            case drop:
                delivery.drop(drop.reason)
                return drop.reason
        return None
