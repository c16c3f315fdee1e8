"""Topologies: configuration directories for a set of nodes, and their networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.netns import Lan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One node to be built.

    ``server`` and ``host`` are further lines of tinc.conf and of its host file, ``up``
    of its tinc-up. ``subnets`` None stands for its own /24 and /64. ``address`` set
    means that ``up`` alone configures the device, with this inner address.
    """

    name: str
    kind: Kind
    connect_to: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    up: tuple[str, ...] = ()
    subnets: tuple[str, ...] | None = None
    debug: int = 3
    port: int = 655
    outer_ipv6: bool = False
    address: str | None = None


#: Retries every second: a refused first connect must not cost a scenario five.
DEFAULT_SERVER: Final = ("MaxTimeout = 1",)


class Mesh:
    """Nodes on a LAN, or each on the networks named in ``lans``.

    Node number n (from 1) has the outer address 10.99.L.n, the inner addresses
    172.30.n.1/16 and fd30:0:0:n::1/48, and owns 172.30.n.0/24 and fd30:0:0:n::/64.
    """

    def __init__(
        self,
        lab: Lab,
        plans: Sequence[Plan],
        *,
        lans: Mapping[str, Sequence[Lan]] | None = None,
        part: str = "",
    ) -> None:
        self._plans = {plan.name: plan for plan in plans}
        if lans is None:
            lan = lab.lan(part=part)
            lans = {plan.name: [lan] for plan in plans}
        self.nodes: dict[str, TincNode] = {}
        for number, plan in enumerate(plans, start=1):
            self.nodes[plan.name] = _build(lab, plan, number, lans[plan.name], part)
        for number, plan in enumerate(plans, start=1):
            self._configure(lab, plan, number)
        lab.nodes.extend(self)

    def __getitem__(self, name: str) -> TincNode:
        return self.nodes[name]

    def __iter__(self) -> Iterator[TincNode]:
        return iter(self.nodes.values())

    def start(self) -> None:
        """Start all nodes at once, then wait for each."""
        marks = [(node, node.log.mark()) for node in self]
        for node in self:
            node.start(wait=False)
        for node, mark in marks:
            node.wait_ready(mark)

    def stop(self) -> None:
        for node in self:
            node.stop()

    def wait_reachable(self) -> None:
        """Wait until every node reaches every other."""
        for node in self:
            node.wait_reachable(*self._others(node))

    def wait_pmtu(self) -> None:
        """Wait until every node knows the path MTU to every other."""
        for node in self:
            node.wait_pmtu(*self._others(node))

    def _others(self, node: TincNode) -> list[str]:
        return [name for name in self.nodes if name != node.name]

    def _configure(self, lab: Lab, plan: Plan, number: int) -> None:
        node = self.nodes[plan.name]
        keys = lab.keys.pair(number - 1)
        hosts = node.etc / "hosts"
        hosts.mkdir(parents=True)
        _write(node.etc / "tinc.conf", _tinc_conf(plan))
        _write(node.etc / "rsa_key.priv", keys.private, mode=0o600)
        _write(node.etc / "tinc-up", _tinc_up(plan, node), mode=0o755)
        for other, known in enumerate(self._plans.values(), start=1):
            public = lab.keys.pair(other - 1).public
            text = _host_file(known, self.nodes[known.name], other, public)
            _write(hosts / known.name, text)


def pair(
    lab: Lab,
    placement: Placement,
    *,
    server: tuple[str, ...] = (),
    up: tuple[str, ...] = (),
    debug: int = Plan.debug,
    lans: Mapping[str, Sequence[Lan]] | None = None,
) -> Mesh:
    """Two nodes, a calls b; the further lines and the debug level are those of both."""
    kind_a, kind_b = placement
    a = Plan(
        name="a", kind=kind_a, connect_to=("b",), server=server, up=up, debug=debug
    )
    b = Plan(name="b", kind=kind_b, server=server, up=up, debug=debug)
    return Mesh(lab, [a, b], lans=lans)


def inside(number: int) -> str:
    """Return the inner IPv4 address of node ``number``."""
    return f"172.30.{number}.1"


def inside6(number: int) -> str:
    return f"fd30:0:0:{number}::1"


def _build(
    lab: Lab, plan: Plan, number: int, lans: Sequence[Lan], part: str
) -> TincNode:
    label = f"{part}{plan.name}"
    namespace = lab.namespace(label)
    outer = []
    for index, lan in enumerate(lans):
        lan.join(namespace, number, f"eth{index}")
        outer.append(lan.address6(number) if plan.outer_ipv6 else lan.address(number))
    directory = lab.directory / label
    directory.mkdir()
    return TincNode(
        plan.name,
        plan.kind,
        namespace,
        directory,
        lab.processes,
        outer=outer,
        address=plan.address or inside(number),
        address6=inside6(number),
        debug=plan.debug,
    )


def _tinc_conf(plan: Plan) -> str:
    lines = [f"Name = {plan.name}"]
    lines += [f"ConnectTo = {peer}" for peer in plan.connect_to]
    lines += [*plan.server, *DEFAULT_SERVER]
    return _text(lines)


def _host_file(plan: Plan, node: TincNode, number: int, public: str) -> str:
    subnets = plan.subnets
    if subnets is None:
        subnets = (f"172.30.{number}.0/24", f"fd30:0:0:{number}:0:0:0:0/64")
    lines = [f"Address = {address}" for address in node.outer]
    lines += [] if plan.port == 655 else [f"Port = {plan.port}"]
    lines += [f"Subnet = {subnet}" for subnet in subnets]
    lines += plan.host
    return _text(lines) + public


def _tinc_up(plan: Plan, node: TincNode) -> str:
    # One process for all: a case starts its daemons again and again.
    lines = [
        "ip -force -batch - <<END",
        "link set $INTERFACE up",
        f"address add {node.address}/16 dev $INTERFACE",
        f"address add {node.address6}/48 dev $INTERFACE nodad",
        "END",
    ]
    if plan.address is not None:
        lines = []
    return _text(["#!/bin/sh", *lines, *plan.up])


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)
