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
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.options import TCPONLY
from tincd_compat.routing import headers
from tincd_compat.routing.options import Mode
from tincd_compat.routing.route import Router
from tincd_compat.routing.verdicts import Answer, Broadcast, Deliver, Fragments, Send
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.delivery import MAX_TRAIN, Delivery, Policy, Ports, label
from tincd_compat.tunnel.flows import FlowTable
from tincd_compat.tunnel.lookup import LogLimit, SenderLookup
from tincd_compat.tunnel.offload import SuperPacket, split
from tincd_compat.tunnel.pmtu import answer, is_probe, is_request
from tincd_compat.tunnel.tunnel import Tunnel

#: Frames or datagrams to hand over in one call, after which the event loop gets its
#: turn: two full trains are what a C peer can take at once.
BURST: Final = 2 * MAX_TRAIN
#: Largest datagram a tincd accepts (its MAXSIZE).
MAX_DATAGRAM: Final = 1661

Received: TypeAlias = tuple[bytes, SocketAddress, int]


class Pipeline:
    """Moves frames between device, UDP and meta connections.

    ``tunnels`` returns the tunnel of any node of the mesh but our own.
    """

    def __init__(
        self,
        mesh: Mesh,
        tunnels: Callable[[Node], Tunnel],
        router: Router,
        ports: Ports,
        policy: Policy,
        *,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._mesh = mesh
        self.tunnel = tunnels
        self._router = router
        self._ports = ports
        self._random_bytes = random_bytes
        self._learns = policy.route.mode is Mode.SWITCH
        #: Short cuts for frames of the device and of the mesh.
        self.flows = FlowTable(mesh, tunnels, policy.options, policy.route)
        self._delivery = Delivery(mesh, tunnels, ports, policy, self.flows)
        self._lookup = SenderLookup(mesh, self._matches)
        self._empty = LogLimit(logs.always, logging.ERROR, 1)

    @property
    def drops(self) -> Counter[str]:
        """How many frames and datagrams went nowhere, by reason."""
        return self._delivery.drops

    # What the owner tells.

    def invalidate(self) -> None:
        """The mesh (nodes, edges, subnets, options), a key or an MTU has changed."""
        self.flows.invalidate()
        self._lookup.invalidate()
        self._delivery.topology_changed()

    def subnets_changed(self) -> None:
        """Of the mesh only subnets have changed, as they do with every MAC learned."""
        self.flows.invalidate()

    def own_keys_changed(self) -> None:
        """Keys that we gave to others have changed."""
        self.flows.invalidate()

    def heard_on(self, node: Node) -> int:
        """Return the index of the socket on which the node was heard last."""
        return self._delivery.socket_of(node)

    def too_big(self, node: Node, length: int) -> None:
        """The kernel refused a single datagram with a frame of that length."""
        self._delivery.too_big(node, length)

    def limit_mtu(self, node: Node, mtu: int) -> None:
        """Route no longer frames through a node, until its path MTU is found."""
        pmtu = self.tunnel(node).pmtu
        pmtu.limit(mtu)
        node.mtu = pmtu.mtu
        self.flows.invalidate()

    # The pumps.

    def from_device(
        self, frames: Sequence[bytearray | SuperPacket], now: float
    ) -> None:
        """Route frames of our own device; at most BURST of them, which become ours."""
        myself, flows, delivery = self._mesh.myself, self.flows, self._delivery
        tracing = self.begin()
        short_cuts = not tracing and flows.outward
        passages = not tracing and flows.inward
        if self._learns:
            self._learn(frames, now)
        for frame in frames:
            if isinstance(frame, SuperPacket):
                self._split(frame, now, tracing)
                continue
            if short_cuts:
                destination = flows.destination(frame)
                flow = None if destination is None else flows.lookup(destination)
                if flow is not None and len(frame) <= flow.limit:
                    delivery.enqueue(flow.node, frame)
                    continue
            if passages:
                destination = flows.destination(frame)
                way = None if destination is None else flows.passage(destination)
                if way is not None and len(frame) <= way.limit:
                    delivery.pass_on(way.node, (frame,))
                    continue
            self._route(frame, myself, now)
        delivery.flush()

    def _split(self, packet: SuperPacket, now: float, tracing: bool) -> None:
        """Route the segments of a super-packet, all in one go if they are plain."""
        flows, segments = self.flows, split(*packet)
        destination = None
        if not segments:
            self.drops["broken super-packet"] += 1
        elif flows.inward and not tracing:
            destination = flows.destination(packet.frame)
        if destination is not None:
            flow = flows.lookup(destination) if flows.outward else None
            if flow is not None and packet.frame_size <= flow.limit:
                self._delivery.enqueue_all(flow.node, segments)
                return
            way = flows.passage(destination)
            if way is not None and packet.frame_size <= way.limit:
                self._delivery.pass_on(way.node, segments)
                return
        for segment in segments:
            self._route(bytearray(segment), self._mesh.myself, now)

    def _learn(self, frames: Sequence[bytearray | SuperPacket], now: float) -> None:
        """Report each source address once a burst: whatever it is, as tincd does."""
        last, seen = b"", set[bytes]()
        for each in frames:
            frame = each.frame if isinstance(each, SuperPacket) else each
            # Mostly the same station goes on speaking.
            if frame[6:12] == last or len(frame) < headers.ETHERNET:
                continue
            last = bytes(frame[6:12])
            if last not in seen:
                seen.add(last)
                self._ports.learn(last, now)

    def from_udp(self, datagrams: Iterable[Received], now: float) -> None:
        """Open datagrams (data, source address, index of the socket) and route them.

        At most BURST, in the order of arrival, which is kept for each source.
        """
        self.begin()
        sources: dict[SocketAddress, tuple[list[bytes], int]] = {}
        last: SocketAddress | None = None
        group: list[bytes] = []
        for data, source, index in datagrams:
            if not data:
                self._empty.log(now, "Receiving packet with invalid size")
                self.drops["invalid size"] += 1
            elif len(data) > MAX_DATAGRAM:
                self.drops["too long"] += 1
            else:
                # Sockets hand out the same object for the same address.
                if source is not last:
                    group = sources.setdefault(source, ([], index))[0]
                    last = source
                group.append(data)
        for source, (group, index) in sources.items():
            self._receive(group, source, index, now)
        self._delivery.flush()

    def from_tunnel(self, node: Node, frames: Sequence[bytes], now: float) -> None:
        """Act on frames that a node sent and that have been opened, in order."""
        self.begin()
        self._take(node, frames, now)
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
            destination = flows.destination(frame) if short_cuts else None
            if destination is not None:
                if flows.is_ours(destination):
                    delivery.deliver(frame)
                    continue
                way = None if tcp else flows.relay_passage(destination, node)
                if way is not None and len(frame) <= way.limit:
                    delivery.pass_on(way.node, (frame,))
                    continue
            self._route(bytearray(frame), node, now, tcp=tcp)
        delivery.flush()

    def probe_step(self, node: Node, now: float) -> float | None:
        """Perform one step of path MTU discovery; return seconds until the next.

        None if no further step is due.  Only for nodes with PMTU_DISCOVERY.
        """
        self.begin()
        tunnel = self.tunnel(node)
        pmtu = tunnel.pmtu
        before = pmtu.minmtu, pmtu.mtu
        usable = node.reachable and tunnel.valid_key
        step = pmtu.step(usable=usable, numbers=tunnel.numbers)
        for probe in step.probes:
            self._delivery.send_probe(node, probe, self._random_bytes)
        node.mtu = pmtu.mtu
        if (pmtu.minmtu, pmtu.mtu) != before:
            self.flows.invalidate()
        return step.delay

    def begin(self) -> bool:
        """Start a burst; True if single packets are logged."""
        self._delivery.tracing = logs.traffic.isEnabledFor(logging.DEBUG)
        return self._delivery.tracing

    # Datagrams.

    def _matches(self, node: Node, datagram: bytes) -> bool | None:
        return self.tunnel(node).openers.matches(datagram)

    def _receive(
        self, group: list[bytes], source: SocketAddress, index: int, now: float
    ) -> None:
        """Find out who sent the datagrams of one source, and open them."""
        owner = self._mesh.node_by_address(source)
        if owner is not None:
            group = self._open(owner, group, source, index, now)
        # Two nodes can be announced at one address, and an address changes hands.
        while group:
            node = self._lookup.find(group[0], source, now, owner)
            if node is not None:
                group = self._open(node, group, source, index, now)
                continue
            del group[0]
            if owner is None:
                self._lookup.report(source, now)
                self.drops["unknown source"] += 1
            elif self.tunnel(owner).opener is None:
                self.drops["has no key from us"] += 1
            else:
                self.drops[codec.Drop.UNAUTHENTICATED.value] += 1

    def _open(
        self,
        node: Node,
        group: list[bytes],
        source: SocketAddress,
        index: int,
        now: float,
    ) -> list[bytes]:
        """Open a train and act on its frames; return what the node did not seal."""
        openers = self.tunnel(node).openers
        before = openers.current
        if before is None:
            if self._delivery.tracing:
                text = "Got packet from %s but he hasn't got our key yet"
                logs.traffic.debug(text, label(node, self._mesh))
            return group
        train = openers.open_train(group)
        if openers.current is not before:
            logs.scary.debug("%s seals with another of our keys", node.name)
            self.flows.invalidate()
        if self._delivery.tracing:
            codec.log_train(train, label(node, self._mesh))
        foreign: list[bytes] = []
        frames: list[bytes] = []
        for datagram, opened in zip(group, train, strict=True):
            if opened.drop is None:
                frames.append(opened.frame)
            elif opened.drop is codec.Drop.UNAUTHENTICATED:
                foreign.append(datagram)
            else:
                self.drops[opened.drop.value] += 1
        if frames:
            self._heard(node, source, index)
            self._take(node, frames, now)
        return foreign

    def _heard(self, node: Node, source: SocketAddress, index: int) -> None:
        """A genuine datagram came from this address and socket: answer there."""
        if self._delivery.heard_on(node, index):
            self.flows.invalidate()
        owner = self._mesh.node_by_address(source)
        if owner is node:
            return
        # The address is the node's from now on.  A former owner keeps it as the best
        # that is known of it, but datagrams from there are tried as the node's first.
        if owner is not None:
            self._mesh.set_address(owner, None)
        moved = node.address != source
        self._mesh.set_address(node, source)
        if owner is not None:
            self._mesh.set_address(owner, source)
        if moved:
            logs.protocol.debug("UDP address of %s set to %s", node.name, source)
            self._lookup.invalidate()
            self.flows.invalidate()

    def _take(self, node: Node, frames: Sequence[bytes], now: float) -> None:
        """Act on the frames of a node in order."""
        flows, delivery = self.flows, self._delivery
        tracing = delivery.tracing
        short_cuts = flows.inward and not tracing
        for data in frames:
            if is_probe(data):
                self._probed(node, data, now)
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
                place = label(node, self._mesh)
                logs.traffic.debug(
                    "Received packet of %d bytes from %s", len(frame), place
                )
            self._route(frame, node, now)

    def _probed(self, node: Node, frame: bytes, now: float) -> None:
        """Answer a probe of the same length, or credit the answer to one of ours."""
        if self._delivery.tracing:
            place = label(node, self._mesh)
            logs.traffic.info("Got MTU probe length %d from %s", len(frame), place)
        tunnel = self.tunnel(node)
        if not is_request(frame):
            before = tunnel.pmtu.minmtu
            if not tunnel.pmtu.reply(len(frame)):
                self.drops["unasked probe reply"] += 1
            if tunnel.pmtu.minmtu != before:
                self.flows.invalidate()
        elif not node.reachable:
            self.drops["unreachable"] += 1
        elif tunnel.valid_key:
            tunnel.pmtu.answering()
            self._delivery.enqueue(node, answer(frame))
        else:
            self._delivery.ask_key(node, tunnel, now)

    # Frames.

    def _route(
        self, frame: bytearray, source: Node, now: float, *, tcp: bool = False
    ) -> None:
        """Route a frame and do as the verdict says; answers go back the way it came."""
        delivery = self._delivery
        match self._router.route(frame, source, now):
            case Send(node, frame, tos):
                delivery.send(node, frame, now, tcp=tcp, tos=tos)
            case Deliver(frame):
                delivery.deliver(frame)
            case Broadcast(frame):
                delivery.broadcast(source, frame, now, tcp=tcp)
            case Answer(frames, reason, tos):
                if reason is not None:
                    self.drops[reason] += 1
                for reply in frames:
                    delivery.send(source, reply, now, tcp=tcp, tos=tos)
            case Fragments(node, frames, tos):
                for piece in frames:
                    delivery.send(node, piece, now, tcp=tcp, tos=tos)
            case drop:
                self.drops[drop.reason] += 1
