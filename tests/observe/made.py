"""Daemons that were made up: a mesh, tunnels and links, and the look at them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

from tincd_compat import options
from tincd_compat.addresses import SocketAddress, Subnet
from tincd_compat.mesh import graph
from tincd_compat.mesh.node import Mesh, Node
from tincd_compat.modes import Mode
from tincd_compat.observe.events import Events
from tincd_compat.observe.paths import PathsWatch
from tincd_compat.observe.records import (
    Address,
    Key,
    LinkRecord,
    SuiteRecord,
    TrafficRecord,
)
from tincd_compat.observe.summary import ConnectTo, Counters, Histogram
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import Own, RefusedSubnet, ScriptView, TunnelView, Views
from tincd_compat.observe.words import (
    AddressSource,
    Carrier,
    DataPlaneKind,
    DialResult,
    Direction,
    DropReason,
    LinkProtocol,
    OpenedBy,
    ProbePhase,
)

NOW = Time(1_800_000_000.0)
SUITE = SuiteRecord(cipher="aes-256-cbc", digest="sha256", mac_length=4, compression=0)
KEY = Key(since=NOW, cipher="aes-256-cbc", digest="sha256", mac_length=4, compression=0)
PMTU = options.PMTU_DISCOVERY
#: A tunnel by which datagrams go both ways.
UDP = TunnelView(
    valid_key=True,
    key=KEY,
    own_key_since=NOW,
    phase=ProbePhase.IDLE,
    min_mtu=1451,
    max_mtu=1451,
    probes_sent=30,
    probes_answered=12,
    last_answer=NOW,
    rtt=0.0118,
    last_packet=NOW,
    sent=TrafficRecord(packets=100, bytes=10_000),
    received=TrafficRecord(packets=90, bytes=9_000),
    address_from=AddressSource.UDP,
)
#: One by which probes are not answered, although a key has come.
NO_ANSWER = replace(
    UDP,
    min_mtu=0,
    max_mtu=1518,
    probes_answered=0,
    last_answer=None,
    rtt=None,
    last_packet=None,
    address_from=AddressSource.EDGE,
)


def counters(at: float = NOW, **more: Any) -> Counters:
    """Return counters of a daemon that has done nothing."""
    both = dict.fromkeys(Carrier, 0)
    values: dict[str, Any] = {
        "at": Time(at),
        "started": NOW,
        "dropped": dict.fromkeys(DropReason, 0),
        "meta_messages": {way: {} for way in Direction},
        "meta_bytes": dict.fromkeys(Direction, 0),
        "meta_duplicates": 0,
        "graph_runs": 0,
        "graph_runs_deferred": 0,
        "queue_bytes": 0,
        "queue_bytes_most": 0,
        "loop_lag": Histogram(bounds=(0.001,), counts=(0, 0), sum=0.0),
        "script_runs": (),
        "connect_attempts": (),
        "data_bytes": {way: dict(both) for way in Direction},
        "data_packets": {way: dict(both) for way in Direction},
        "failed_handshakes": {},
    }
    return Counters(**{**values, **more})


class World:
    """A daemon called alpha; ``links`` are pairs of names that are linked."""

    def __init__(self, *links: str) -> None:
        self.mesh = Mesh("alpha")
        self.now = NOW
        self.own = Own(
            net="vpn",
            name="alpha",
            version="1",
            pid=812,
            mode=Mode.ROUTER,
            data_plane=DataPlaneKind.COMPILED,
            started=NOW,
            suite=SUITE,
            rsa_bits=2048,
            options=PMTU,
        )
        self.tunnels: dict[str, TunnelView] = {}
        self.links: dict[str, LinkRecord] = {}
        self.connect_to: list[ConnectTo] = []
        self.refused: list[RefusedSubnet] = []
        self.scripts: list[ScriptView] = []
        self.counters = counters()
        self.events = Events()
        self.paths = PathsWatch(self.events)
        for pair in links:
            one, _, other = pair.partition("-")
            self.join(one, other)
        self.search()

    def node(self, name: str) -> Node:
        return self.mesh.get_or_add(name)

    def join(self, one: str, other: str, weight: int = 10, bits: int = PMTU) -> None:
        """Join two nodes by edges; a neighbour of ours gets a link."""
        for source, target in ((one, other), (other, one)):
            self.edge(source, target, weight, bits)
        if "alpha" in (one, other):
            name = other if one == "alpha" else one
            self.links[name] = self.link(name)

    def edge(
        self, source: str, target: str, weight: int = 10, bits: int = PMTU
    ) -> None:
        number = sum(target.encode()) % 250
        address = SocketAddress(f"198.51.100.{number}", 655)
        self.mesh.add_edge(self.node(source), self.node(target), address, bits, weight)

    def part(self, one: str, other: str) -> None:
        """Take the edges between two nodes away, and the link if there is one."""
        for source, target in ((one, other), (other, one)):
            edge = self.node(source).edges.get(target)
            if edge is not None:
                self.mesh.remove_edge(edge)
        for name in (one, other):
            if "alpha" in (one, other):
                self.links.pop(name, None)

    def link(self, name: str, **more: Any) -> LinkRecord:
        values: dict[str, Any] = {
            "name": name,
            "address": Address(host="198.51.100.7", port=655),
            "opened": OpenedBy.US,
            "connect_to": True,
            "active": True,
            "since": NOW,
            "rtt": 0.048,
            "weight": 10,
            "protocol": LinkProtocol.LEGACY,
            "rsa_bits": 2048,
            "cipher": "aes-256-cfb",
        }
        return LinkRecord(**{**values, **more})

    def search(self) -> None:
        """Run the graph, and note who came and went."""
        changes = graph.run(self.mesh)
        self.paths.flipped(self.now, changes.flips)
        graph.settle_down(self.mesh, changes.flips.nodes)

    def own_subnets(self, name: str, *texts: str) -> None:
        for text in texts:
            subnet = Subnet.parse(text)
            assert subnet is not None
            self.mesh.subnets.add(self.node(name), subnet)

    def all_by_udp(self) -> None:
        for name in self.mesh.nodes:
            if name != "alpha":
                self.tunnels[name] = UDP

    def want(self, name: str, **more: Any) -> None:
        """Add a ConnectTo."""
        up = name in self.links
        result = DialResult.OK if up else None
        values: dict[str, Any] = {"node": name, "up": up, "since": NOW, "last": result}
        self.connect_to.append(ConnectTo(**{**values, **more}))

    def _count(self) -> Generator[None, None, Counters]:
        yield
        return self.counters

    def views(self) -> Views:
        def all_links() -> Iterable[LinkRecord]:
            return list(self.links.values())

        return Views(
            now=self.now,
            own=self.own,
            mesh=self.mesh,
            tunnel=lambda node: self.tunnels.get(node.name),
            history=self.paths.history,
            link=lambda node: self.links.get(node.name),
            links=all_links,
            active_links=sum(link.active for link in self.links.values()),
            connect_to=self.connect_to,
            count=self._count,
            events=self.events.of,
            last_event=self.events.last,
            refused=self.refused,
            scripts=self.scripts,
        )

    def look(self, seconds: float = 0) -> None:
        """Let time pass, and look at every node."""
        self.now = Time(self.now + seconds)
        self.paths.mark_all()
        self.second()

    def second(self) -> None:
        """Do what there is to do in a second."""
        for _ in self.paths.work(self.views()):
            pass
