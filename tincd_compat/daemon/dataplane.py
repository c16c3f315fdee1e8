"""The data plane at work: device and UDP sockets on the loop, probe timers.

The class has the ports of the pipeline.  Keys and path MTUs are in
:class:`~tincd_compat.tunnel.tunnels.Tunnels`, which control plane and pipeline share.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.keepalive import Keepalive
from tincd_compat.daemon.leftovers import Leftovers
from tincd_compat.daemon.policy import policy_of
from tincd_compat.daemon.probing import Probing
from tincd_compat.daemon.readers import READ_BURST, Readers
from tincd_compat.errors import DeviceError
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.observe.words import PythonReason
from tincd_compat.routing.route import Router
from tincd_compat.transport.kernelqueues import KernelQueues
from tincd_compat.transport.local import local_address
from tincd_compat.transport.udp import UdpSockets
from tincd_compat.tunnel.drops import Loss
from tincd_compat.tunnel.pipeline import Pipeline
from tincd_compat.tunnel.traffic import Traffic
from tincd_compat.tunnel.tunnels import Tunnels

if TYPE_CHECKING:
    from tincd_compat.crypto.sptps.records import SptpsRecord
    from tincd_compat.daemon.control import ControlPlane
    from tincd_compat.daemon.link import Link
    from tincd_compat.daemon.linktable import LinkTable
    from tincd_compat.device.base import Device
    from tincd_compat.tunnel.delivery import Delivery
    from tincd_compat.tunnel.sessionpath import SessionPath


class DataPlane:
    """Device and UDP sockets of the daemon, and the pipeline between them."""

    def __init__(
        self,
        mesh: Mesh,
        settings: CurrentSettings,
        suite: Suite,
        tunnels: Tunnels,
        links: LinkTable,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._mesh = mesh
        self._settings = settings
        self._links = links
        given = settings.current
        self._device: Device | None = None
        self._sockets = UdpSockets([])
        #: What the kernel does with datagrams until they are read.
        self.queues = KernelQueues([])
        self._loop = loop or asyncio.get_running_loop()
        self._probing = Probing(self._loop, self._probe)
        self._keepalive = Keepalive(given.udp_keepalive)
        self._tunnels = tunnels
        policy = policy_of(given, mesh.myself.options)
        router = Router(mesh, policy.route, local_address=local_address)
        leftovers = Leftovers(self._loop.time, self._loop.call_soon)
        self._pipeline = Pipeline(
            mesh,
            tunnels.of,
            router,
            self,
            policy,
            random_bytes=secrets.token_bytes,
            run=leftovers.run,
        )
        tunnels.attach(
            self._pipeline.tunnel_changed, self._tunnel_ended, self._probing.begin
        )
        self._readers = Readers(
            *(self._loop, leftovers, self._pipeline, mesh, suite),
            elastic=given.udp_rcvbuf is None,
        )

    @property
    def compiled(self) -> bool:
        """Whether compiled code moves ordinary packets."""
        return self._readers.compiled

    @property
    def python_why(self) -> PythonReason | None:
        """Why Python moves packets; None if it does not, or as long as nobody does."""
        return self._readers.python_why

    @property
    def device_error(self) -> str | None:
        """Why the device does not work, in words; None if it does, or is not read."""
        return None if self._device is None else self._device.failure

    # What is attached in the course of the start.

    def attach_control(self, control: ControlPlane) -> None:
        """Name who sends key requests and announces MAC addresses."""
        self._pipeline.attach_control(control)

    def attach_device(
        self, device: Device, failed: Callable[[DeviceError], None]
    ) -> None:
        """Read frames from the device; ``failed`` is called if it is lost for good."""
        self._device = device
        self._readers.attach_device(device, failed)

    def attach_sockets(self, sockets: UdpSockets) -> None:
        """Receive datagrams on these sockets, and send on them."""
        self._sockets = sockets
        queued = (udp.sock for udp in sockets.sockets)
        self.queues = KernelQueues(queued, self._settings.current.udp_rcvbuf)
        sockets.sources_changed = self._pipeline.sources_changed
        self._readers.attach_sockets(sockets)

    def close(self) -> None:
        """Stop moving packets; the device stays open for tinc-down."""
        self._readers.close()
        self._probing.close()
        self.queues = KernelQueues([])
        self._sockets.close()
        self._sockets = UdpSockets([])
        self._device = None

    def packets_received(self, frames: list[bytes], link: Link) -> None:
        """Route frames that came as PACKET, as bursts."""
        if link.node is not None and link.outgoing is not None and frames:
            self._look_for_forgetting(link.node, len(frames[0]))
        for start in range(0, len(frames), READ_BURST):
            # Sending what the mesh is to have of them can end this very link.
            if link.node is None or link.socket.closed:
                return
            burst, now = frames[start : start + READ_BURST], self._loop.time()
            came = Traffic(len(burst), sum(map(len, burst)))
            link.received += came
            self._tunnels.of(link.node).received_by_tcp += came
            self._pipeline.from_meta(burst, link.node, link.options, now)

    def _look_for_forgetting(self, node: Node, length: int) -> None:
        tunnel = self._tunnels.known(node)
        if tunnel is not None and length <= tunnel.pmtu.minmtu:
            heard = tunnel.highest
            self._keepalive.came_by_tcp(node, heard, self._loop.time())

    def attach_sessions(self, make: Callable[[Delivery], SessionPath]) -> None:
        """Let nodes have sessions with us, whose packets ``make`` sees to."""
        self._pipeline.attach_sessions(make)

    def from_session(self, node: Node, record: SptpsRecord) -> None:
        """Route what came in a record of a node's session over meta connections."""
        self._pipeline.from_session(node, record, self._loop.time())

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
        """Send frames over TCP, each the less likely the more bytes are waiting."""
        link = self._links.of(neighbour)
        full, left = 0, len(frames)
        if link is not None:
            limit = max(1, self._settings.current.max_output_buffer_size)
            before = link.sent
            full, left = link.offer_packets(frames, limit)
            self._tunnels.of(neighbour).sent_by_tcp += link.sent - before
        if full:
            self._pipeline.lose(Loss.META_FULL, full)
        if left:
            self._pipeline.lose(Loss.NO_META, left)

    def counters(self) -> list[tuple[str, int]]:
        """Return the packets dropped so far, by reason, as the dump has them."""
        drops = self.drops()
        return sorted((f"dropped {reason}", count) for reason, count in drops.items())

    def drops(self) -> dict[str, int]:
        """Return the packets dropped so far, by reason."""
        drops: dict[str, int] = dict(self._pipeline.drops)
        if lost := self._sockets.lost:
            drops[Loss.SEND_BUFFER_FULL] = lost
        return drops

    def broadcast_neighbours(self) -> set[Node]:
        """Return the neighbours that broadcasts are passed to, as of the last run."""
        return set(self._pipeline.broadcast_neighbours())

    # Path MTU discovery.

    def _tunnel_ended(self, node: Node) -> None:
        self._keepalive.forget(node)
        self._probing.give_up(node)

    def _probe(self, node: Node, hurried: bool) -> float | None:
        """Perform the step that is due; return the seconds until the next."""
        if self._tunnels.bring_up_to_date(node):
            # It was due to what the node was before.
            return None
        tunnel, now = self._tunnels.of(node), self._loop.time()
        if hurried:
            tunnel.pmtu.hurry()
        tunnel.pmtu.keepalive = 0.0
        if self._dialled(node):
            heard = tunnel.highest
            tunnel.pmtu.keepalive = self._keepalive.interval(node, heard, now)
        return self._pipeline.probe_step(node, now)

    def _dialled(self, node: Node) -> bool:
        link = self._links.of(node)
        return link is not None and link.outgoing is not None

    def ask(self, node: Node, heard: Callable[[float], None]) -> bool:
        """Send a node one probe for an operator; see :class:`AskedProbes`."""
        self._pipeline.begin()
        return self._pipeline.asked.send(node, self._loop.time(), heard)

    def routes_changed(self) -> None:
        """Find local addresses anew: our addresses or routes have changed."""
        self._sockets.routes_changed()

    def probe_now(self) -> None:
        """Perform all steps that are planned at once (SIGALRM)."""
        self._probing.hurry()
