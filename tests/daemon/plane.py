"""A data plane with everything attached: a device, a socket and two neighbours."""

from __future__ import annotations

import secrets
from typing import Any, cast

from tests.daemon.descriptors import FakeDevice, FakeUdp
from tests.daemon.fakes import PLACES, World
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import make_tunnel
from tincd_compat.addresses import Subnet
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control import effects as fx
from tincd_compat.crypto.suites import Suite
from tincd_compat.daemon.control import ControlPlane
from tincd_compat.daemon.dataplane import DataPlane
from tincd_compat.daemon.policy import parameters_of
from tincd_compat.device.base import Device
from tincd_compat.errors import DeviceError
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import AnsKey
from tincd_compat.segments.superpacket import SuperPacket
from tincd_compat.transport.udp import UdpSocket, UdpSockets
from tincd_compat.tunnel.tunnel import KeyFields, Tunnel
from tincd_compat.tunnel.tunnels import Tunnels

OPTIONS = 0xC
SUITE = Suite.configured("aes-256-cbc", "sha256", 4)


class Requests:
    """Stands for the control plane."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def request_key(self, node: Node) -> None:
        self.calls.append(f"request key of {node.name}")

    def learn_mac(self, mac: bytes, now: float) -> None:
        self.calls.append(f"learn {mac.hex()} at {now:g}")

    def heard_elsewhere(self, mac: bytes, now: float) -> None:
        self.calls.append(f"elsewhere {mac.hex()} at {now:g}")


class Plane:
    """A data plane with everything attached: us at 10.1.0.0/24, peer at 10.2.0.0/24.

    ``device`` takes the place of one that is a list.
    """

    def __init__(
        self,
        loop: FakeLoop,
        device: Device | None = None,
        *,
        sockets_first: bool = False,
        **settings: Any,
    ) -> None:
        self.loop = loop
        given = Settings(name="us", **settings)
        self.tunnels = Tunnels(parameters_of(given, SUITE), secrets.token_bytes)
        self.world = World(loop, tunnels=self.tunnels)
        self.control = self.world.control
        self.mesh = self.world.mesh
        self.mesh.myself.options = OPTIONS
        self.requests = Requests()
        self.device = FakeDevice(loop.new_descriptor())
        self.udp = FakeUdp(loop.new_descriptor())
        self.failures: list[DeviceError] = []
        self.subject = DataPlane(
            self.mesh,
            CurrentSettings(given),
            SUITE,
            self.tunnels,
            self.world.links,
            loop,
        )
        self.subject.attach_control(cast(ControlPlane, self.requests))
        udp = UdpSocket(self.udp, segmentation=False, coalescing=False)
        if sockets_first:
            self.subject.attach_sockets(UdpSockets([udp]))
        self.subject.attach_device(device or self.device, self.failures.append)
        if not sockets_first:
            self.subject.attach_sockets(UdpSockets([udp]))
        self.subnet("us", "10.1.0.0/24")
        self.subnet("peer", "10.2.0.0/24")
        self.subnet("other", "10.3.0.0/24")
        for name in ("peer", "other"):
            self.link(name)

    def subnet(self, name: str, text: str) -> None:
        subnet = Subnet.parse(text)
        assert subnet is not None
        self.mesh.subnets.add(self.mesh.get_or_add(name), subnet)

    def link(self, name: str) -> None:
        node, myself = self.mesh.get_or_add(name), self.mesh.myself
        self.mesh.add_edge(myself, node, PLACES[name], OPTIONS, 1)
        self.mesh.add_edge(node, myself, PLACES["us"], OPTIONS, 1)
        graph.run(self.mesh)

    @property
    def peer(self) -> Node:
        return self.mesh.nodes["peer"]

    def far_end(self) -> Tunnel:
        """Return the peer's tunnel to us, with our key in it."""
        tunnel = make_tunnel("us")
        key = self.tunnels.new_key(self.peer, 0.0)
        fields = (key.cipher, key.digest, key.maclength, key.compression)
        assert tunnel.install_peer_key(key.key, *fields)
        return tunnel

    def give_key(self, tunnel: Tunnel, **changes: Any) -> None:
        """Let the peer's ANS_KEY arrive."""
        fields = tunnel.new_own_key(lambda size: bytes(range(size)))
        found = fx.KeyReceived(self.peer, answer(fields, **changes))
        self.control.perform([found])

    def from_device(self, *frames: bytearray | SuperPacket) -> None:
        self.device.frames += frames
        self.loop.readable(self.device.descriptor)

    def from_udp(self, *datagrams: bytes) -> None:
        place = PLACES["peer"]
        self.udp.arriving += [(data, (place.host, place.port)) for data in datagrams]
        self.loop.readable(self.udp.descriptor)

    def sent(self) -> list[bytes]:
        """Take the datagrams that were sent to the peer."""
        datagrams, self.udp.datagrams = self.udp.datagrams, []
        place = PLACES["peer"]
        assert all(to == (place.host, place.port) for _, to in datagrams)
        return [data for data, _ in datagrams]


def answer(fields: KeyFields, **changes: Any) -> AnsKey:
    values = {
        "key": fields.key,
        "cipher": fields.cipher,
        "digest": fields.digest,
        "maclength": fields.maclength,
        "compression": fields.compression,
    }
    return AnsKey("peer", "us", **{**values, **changes})


TO_PEER = ("10.1.0.1", "10.2.0.1")
