"""The data plane at work: device and UDP sockets on the loop, tunnels, probe timers.

It answers to two sides: to the pipeline, whose ports it is, and to the control plane,
which tells it of keys and of nodes that come and go.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from tincd_compat import logs, options
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.keepalive import Keepalive
from tincd_compat.daemon.leftovers import Leftovers
from tincd_compat.daemon.policy import policy_of
from tincd_compat.daemon.probing import Probing
from tincd_compat.daemon.readers import BURST, Readers
from tincd_compat.daemon.slices import Begin, at_once
from tincd_compat.daemon.tunnels import Tunnels
from tincd_compat.errors import DeviceError
from tincd_compat.mesh.node import MAX_MTU, Mesh, Node
from tincd_compat.meta.messages import AnsKey, ReqKey
from tincd_compat.routing.route import Router
from tincd_compat.transport.local import local_address
from tincd_compat.transport.udp import UdpSockets
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.pmtu import PmtuDiscovery
from tincd_compat.tunnel.traffic import Traffic
from tincd_compat.tunnel.tunnel import DumpView, Parameters, Tunnel

if TYPE_CHECKING:
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.links import Links
    from tincd_compat.device.base import Device

#: How a node without a tunnel shows in the dump.
NO_TUNNEL: Final = DumpView(0, 0, 0, 0, 0, MAX_MTU, 0, MAX_MTU)


class ControlSide(Protocol):
    """What the data plane asks of the control plane."""

    def request_key(self, node: Node) -> None:
        """Send a REQ_KEY for the node."""

    def expire_keys_now(self) -> None:
        """Renew our keys at the next tick."""

    def learn_mac(self, mac: bytes, now: float) -> None:
        """Announce that a MAC address is behind our device, if that is news."""

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        """Withdraw a MAC address that was behind our device, but is so no longer."""


class NodeLabel:
    """Renders as log lines name a node: ``NODE (HOST)``."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __str__(self) -> str:
        return f"{self._node.name} ({self._node.address or '(null)'})"


class DataPlane:
    """Device, sockets and tunnels of the daemon."""

    def __init__(
        self,
        mesh: Mesh,
        settings: CurrentSettings,
        suite: Suite,
        links: Links,
        loop: asyncio.AbstractEventLoop | None = None,
        begin: Begin = at_once,
    ) -> None:
        """``begin(subject, work)`` does what may take long in small steps."""
        self._mesh = mesh
        self._settings = settings
        self._links = links
        given = settings.current
        self._parameters = Parameters(
            suite=suite,
            compression=given.compression,
            replay_window=given.replay_window,
            # A line is late by PingTimeout at most, or its connection counts as dead.
            # By what key a silent node seals shows when it probes: PingTimeout after
            # every PingInterval.
            key_patience=given.ping_interval + 2 * given.ping_timeout,
        )
        #: Whether this machine can open what is sealed for us.
        self.opens = suite.usable
        self._device: Device | None = None
        self._sockets = UdpSockets([])
        self._control: ControlSide
        self._loop = loop or asyncio.get_running_loop()
        #: Nodes whose keys or path MTU have changed, for whoever takes them out.
        self.touched: dict[Node, None] = {}
        self._probing = Probing(self._loop, self._probe)
        self._keepalive = Keepalive(given.udp_keepalive)
        self._begin = begin
        self._tunnels = Tunnels(self._new_tunnel, self._tunnel_ended, begin)
        #: Returns the tunnel of a node, made when first asked for.
        self.tunnel = self._tunnels.of
        policy = policy_of(given, mesh.myself.options)
        router = Router(mesh, policy.route, local_address=local_address)
        leftovers = Leftovers(self._loop.time, self._loop.call_soon)
        self._pipeline = Pipeline(
            mesh,
            self.tunnel,
            router,
            self,
            policy,
            random_bytes=secrets.token_bytes,
            run=leftovers.run,
        )
        self._readers = Readers(
            *(self._loop, leftovers, self._pipeline, mesh, suite),
            elastic=given.udp_rcvbuf is None,
        )

    @property
    def compiled(self) -> bool:
        """Whether compiled code moves ordinary packets."""
        return self._readers.compiled

    # What is attached in the course of the start.

    def attach_control(self, control: ControlSide) -> None:
        """Name who sends key requests, renews keys and announces MAC addresses."""
        self._control = control

    def attach_device(
        self, device: Device, failed: Callable[[DeviceError], None]
    ) -> None:
        """Read frames from the device; ``failed`` hears when that is over for good."""
        self._device = device
        self._readers.attach_device(device, failed)

    def attach_sockets(self, sockets: UdpSockets) -> None:
        """Receive datagrams on these sockets, and send on them."""
        self._sockets = sockets
        self._readers.attach_sockets(sockets)

    def close(self) -> None:
        """Stop moving packets; the device stays open for tinc-down."""
        self._readers.close()
        self._probing.close()
        self._sockets.close()
        self._sockets = UdpSockets([])
        self._device = None

    def packets_received(self, frames: list[bytes], link: Link) -> None:
        """Route frames that came as PACKET, as bursts."""
        if link.node is not None and link.outgoing is not None and frames:
            self._look_for_forgetting(link.node, len(frames[0]))
        for start in range(0, len(frames), BURST):
            # Sending what the mesh is to have of them can end this very link.
            if link.node is None or link.socket.closed:
                return
            burst, now = frames[start : start + BURST], self._loop.time()
            came = Traffic(len(burst), sum(map(len, burst)))
            link.received += came
            self.tunnel(link.node).received_by_tcp += came
            self._pipeline.from_meta(burst, link.node, link.connection.options, now)

    def _look_for_forgetting(self, node: Node, length: int) -> None:
        tunnel = self._tunnels.known(node)
        if tunnel is not None and length <= tunnel.pmtu.minmtu:
            heard = tunnel.openers.highest
            self._keepalive.came_by_tcp(node, heard, self._loop.time())

    # The ports of the pipeline.

    def deliver(self, frames: list[bytes | bytearray]) -> None:
        if self._device is not None:
            self._device.write_batch(frames)

    def send_train(
        self, node: Node, train: list[bytes], socket_index: int, tos: int
    ) -> list[int]:
        return self._sockets.send_train(
            node.address, train, socket_index, tos, peer=node.name
        )

    def send_elsewhere(
        self, node: Node, address: SocketAddress, datagram: bytes, socket_index: int
    ) -> bool:
        train, peer = [datagram], node.name
        return not self._sockets.send_train(address, train, socket_index, peer=peer)

    def broadcast_probe(self, node: Node, datagram: bytes, port: int) -> bool:
        if not self._sockets.sockets:
            return True
        index = random.randrange(len(self._sockets.sockets))
        refused = self._sockets.broadcast(port, [datagram], index, peer=node.name)
        return not refused

    def send_packets(self, neighbour: Node, frames: list[bytes | bytearray]) -> None:
        """Send over TCP, each the less likely the more is waiting already."""
        link, drops = self._links.of(neighbour), self._pipeline.drops
        full, left = 0, len(frames)
        if link is not None:
            limit = max(1, self._settings.current.max_output_buffer_size)
            before = link.sent
            full, left = link.offer_packets(frames, limit)
            self.tunnel(neighbour).sent_by_tcp += link.sent - before
        if full:
            drops["meta connection is full"] += full
        if left:
            drops["no meta connection"] += left

    def request_key(self, node: Node) -> None:
        self._control.request_key(node)

    def learn(self, mac: bytes, now: float) -> None:
        self._control.learn_mac(mac, now)

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        self._control.heard_elsewhere(mac, now)

    # Tunnels and keys, for the control plane.

    def _new_tunnel(self, node: Node) -> Tunnel:
        label = NodeLabel(node)
        settings = self._settings.current
        pmtu = PmtuDiscovery(
            label,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            local_discovery=settings.local_discovery,
        )
        changed = partial(self._tunnel_changed, node)
        return Tunnel(label, self._parameters, pmtu, changed)

    def _tunnel_changed(self, node: Node) -> None:
        self.touched[node] = None
        self._pipeline.tunnel_changed(node)

    def take_touched(self) -> list[Node]:
        """Return the nodes whose keys or path MTU have changed since the last time."""
        touched, self.touched = self.touched, {}
        return [*touched]

    @property
    def tunnels(self) -> Tunnels:
        """The tunnels of all nodes, made when first asked for."""
        return self._tunnels

    def known_tunnel(self, node: Node) -> Tunnel | None:
        """Return the tunnel of a node if anybody has asked for it."""
        return self._tunnels.known(node)

    def dump(self, node: Node) -> DumpView:
        tunnel = self._tunnels.known(node)
        return NO_TUNNEL if tunnel is None else tunnel.dump()

    def udp_confirmed(self, node: Node) -> bool:
        return self.tunnel(node).pmtu.minmtu > 0

    def new_key(self, node: Node) -> AnsKey:
        tunnel = self.tunnel(node)
        fields = tunnel.new_own_key(secrets.token_bytes)
        tunnel.own_key_made = self._loop.time()
        return AnsKey(
            self._mesh.myself.name,
            node.name,
            fields.key,
            fields.cipher,
            fields.digest,
            fields.maclength,
            fields.compression,
        )

    def new_request(self, node: Node) -> ReqKey:
        self.tunnel(node).requested(self._loop.time())
        return ReqKey(self._mesh.myself.name, node.name, compression.METHODS)

    def key_requested(self, node: Node, request: ReqKey) -> bool:
        tunnel = self.tunnel(node)
        tunnel.methods = request.methods
        return bool(request.methods) and not tunnel.introduced

    def introduces(self, node: Node) -> bool:
        extended = self._settings.current.compression > compression.MAX_COMMON_LEVEL
        return extended and not self.tunnel(node).introduced

    def restarted(self, node: Node) -> None:
        self.tunnel(node).forget_peer()

    def install_key(self, node: Node, answer: AnsKey) -> None:
        tunnel = self.tunnel(node)
        tunnel.key_given = self._loop.time()
        self.touched[node] = None
        if not tunnel.install_peer_key(
            answer.key,
            answer.cipher,
            answer.digest,
            answer.maclength,
            answer.compression,
        ):
            return
        self._use_reflexive_address(node, answer)
        if node.options & options.PMTU_DISCOVERY and not tunnel.pmtu.started:
            self._probing.begin(node)

    def _use_reflexive_address(self, node: Node, answer: AnsKey) -> None:
        if answer.address is None or answer.port is None:
            return
        address = SocketAddress.parse(answer.address, answer.port)
        if address is not None:
            logs.protocol.debug(
                "Using reflexive UDP address from %s: %s", node.name, address
            )
            self._mesh.set_address(node, address)

    def void_key(self, node: Node) -> None:
        self.tunnel(node).void_peer_key()

    def nodes_changed(self, nodes: Iterable[Node]) -> None:
        self._tunnels.nodes_changed(nodes)

    def forget(self, node: Node) -> None:
        self._tunnels.forget(node)
        self.touched.pop(node, None)

    def _tunnel_ended(self, node: Node) -> None:
        self._keepalive.forget(node)
        self._probing.give_up(node)

    def expire_keys(self) -> None:
        """Drop every key we handed out; who still uses one has to ask again."""
        for tunnel in self._tunnels.all():
            tunnel.expire()

    def limit_mtu(self, node: Node, mtu: int) -> None:
        """Begin with no more than the PMTU variable says."""
        self._pipeline.limit_mtu(node, mtu)

    def counters(self) -> list[tuple[str, int]]:
        """Return the packets dropped so far, by reason, as the dump has them."""
        drops = self.drops()
        return sorted((f"dropped {reason}", count) for reason, count in drops.items())

    def drops(self) -> dict[str, int]:
        """Return the packets dropped so far, by reason."""
        drops = dict(self._pipeline.drops)
        if lost := self._sockets.lost:
            drops["send buffer is full"] = lost
        return drops

    def tick(self) -> None:
        """Forget replaced keys; ask for new ones if a node's numbers get too large."""
        self._begin("keys", self._look_after_keys())

    def _look_after_keys(self) -> Iterator[None]:
        worn = False
        for tunnel in list(self._tunnels.all()):
            tunnel.openers.tick(self._loop.time())
            worn = worn or tunnel.needs_rekey
            yield
        if worn:
            self._control.expire_keys_now()

    def broadcast_neighbours(self) -> set[Node]:
        """Return the neighbours that broadcasts are passed to, as of the last run."""
        return set(self._pipeline.broadcast_neighbours())

    # Path MTU discovery.

    def _probe(self, node: Node, hurried: bool) -> float | None:
        """Perform the step that is due; return the seconds until the next."""
        if self._tunnels.bring_up_to_date(node):
            # It was due to what the node was before.
            return None
        tunnel, now = self.tunnel(node), self._loop.time()
        if hurried:
            tunnel.pmtu.hurry()
        tunnel.pmtu.keepalive = 0.0
        if self._dialled(node):
            heard = tunnel.openers.highest
            tunnel.pmtu.keepalive = self._keepalive.interval(node, heard, now)
        return self._pipeline.probe_step(node, now)

    def _dialled(self, node: Node) -> bool:
        link = self._links.of(node)
        return link is not None and link.outgoing is not None

    def routes_changed(self) -> None:
        """Our addresses or routes are others: datagrams may come from elsewhere."""
        self._sockets.routes_changed()
        self._pipeline.flows.forget()

    def probe_now(self) -> None:
        """Perform all steps that are planned at once (SIGALRM)."""
        self._probing.hurry()
