"""Why packets for a node or an address go as they go: checks in the order of their way.

A check has a verdict, a sentence and the facts of :data:`FACTS`.  The first that says
``here`` names the cause; the ones behind it are made all the same, since they narrow it
down.  The kernel's route and our device are for the command to look at and to add: a
daemon in a chroot cannot.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from tincd_compat.addresses import Subnet, SubnetKind, valid_name
from tincd_compat.mesh.node import Node
from tincd_compat.modes import Mode
from tincd_compat.observe.answers import Check, Explanation, FindingRecord
from tincd_compat.observe.codec import Fact, Facts
from tincd_compat.observe.detour import fallback
from tincd_compat.observe.hops import HopChecks
from tincd_compat.observe.paths import first_hop, way
from tincd_compat.observe.remedies import Subject, command
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.tables import LONGEST_WAY, edges_to
from tincd_compat.observe.times import utc
from tincd_compat.observe.unreachable import Why, why_missing, why_unreachable
from tincd_compat.observe.views import RefusedSubnet, Views
from tincd_compat.observe.words import Cause, CheckName, CheckResult, PathKind

#: Events of the node that an explanation ends with.
EVENTS: Final = 3

#: What each check says; each key is there, its value may be null.
FACTS: Final[Mapping[CheckName, tuple[str, ...]]] = {
    CheckName.KERNEL_ROUTE: ("address", "device", "route"),
    CheckName.DEVICE: ("device", "up"),
    CheckName.SUBNET: ("subnet", "weight"),
    CheckName.OWNER: ("owner", "others"),
    CheckName.POLICY: ("strict_subnets", "tunnel_server", "refused"),
    CheckName.REACHABLE: ("since", "result", "error", "host", "port", "by"),
    CheckName.ROUTE: ("nexthop", "via", "way", "weight"),
    CheckName.OPTIONS: ("tcp_only", "indirect_data", "by"),
    CheckName.KEY: ("cipher", "digest", "mac_length", "since", "requested", "words"),
    CheckName.ADDRESS: ("host", "port", "source"),
    CheckName.PROBES: ("sent", "answered", "phase", "last_answer"),
    CheckName.ARRIVES: ("last_packet",),
    CheckName.MTU: ("mtu", "best", "phase"),
    CheckName.QUEUE: ("queued", "blocked_since"),
}


class CheckFound(NamedTuple):
    """What a check has found; ``cause`` with ``here`` only."""

    check: CheckName
    result: CheckResult
    text: str
    facts: Facts
    cause: Cause | None = None


def explain(views: Views, to: str) -> Generator[None, None, Explanation]:
    """Return the explanation for a node's name or an address, in steps.

    ValueError if it is neither.
    """
    inquiry = Inquiry(views, to)
    yield from inquiry.ask()
    result = yield from inquiry.result()
    return result


def check_of(found: CheckFound) -> Check:
    """Return the record of a check, with every fact that it has."""
    facts: dict[str, Fact] = {**dict.fromkeys(FACTS[found.check]), **found.facts}
    return Check(check=found.check, result=found.result, text=found.text, facts=facts)


class Inquiry:
    """An explanation under way."""

    def __init__(self, views: Views, to: str) -> None:
        self._views = views
        self._to = to
        self._found: list[CheckFound] = []
        self._node: Node | None = None
        self._subnet: Subnet | None = None
        self._subject = Subject(
            net=views.own.net,
            folder=views.own.folder,
        )

    def ask(self) -> Generator[None, None, None]:
        """Make all checks."""
        mesh = self._views.mesh
        if self._to in mesh.nodes:
            self._node = mesh.nodes[self._to]
            self._skip(CheckName.SUBNET, "a node was asked for")
        else:
            address = Subnet.parse(self._to)
            if address is None and not valid_name(self._to):
                raise ValueError(f"{self._to!r} is neither a node nor an address")
            if address is None:
                self._of_nobody()
                return
            yield from self._of_an_address(address)
        node = self._node
        if node is None:
            return
        if node is mesh.myself:
            if self._to == node.name:
                self._of_a_node(node)
            return
        self._subject = replace(self._subject, node=node.name)
        if node.address is not None:
            self._at(node.address.host, node.address.port)
        if not node.reachable:
            yield from self._lost(node)
        else:
            self._reached(node)
            self._along(node)
        if self._to == node.name:
            # Who asks for a node wants to get there; its subnets come after the path.
            self._of_a_node(node)

    def _of_nobody(self) -> None:
        """Judge a name that is no node's now, as of a ConnectTo that never came up."""
        why = why_missing(self._views, self._to)
        if why is None:
            text = f"no node called {self._to} is known"
            self._here(CheckName.OWNER, Cause.NO_SUCH_NODE, text, owner=self._to)
            return
        self._subject = replace(
            self._subject, node=self._to, other=why.other or self._to
        )
        if why.host is not None:
            self._at(why.host, why.port or 655)
        text = f"{self._to} is unreachable: {why.text}"
        self._here(CheckName.REACHABLE, why.cause, text, **why.facts)

    # The subnet and its owner.

    def _of_a_node(self, node: Node) -> None:
        """Judge a node that was named: does it lose one of its subnets to another?"""
        table = self._views.mesh.subnets
        for subnet in table.some(node, 64):
            first = table.lookup(subnet.address)
            if first is None or first[1] is node or not node.reachable:
                continue
            rival, owner = first
            if (rival.prefix, rival.weight) == (subnet.prefix, subnet.weight):
                self._duplicate(subnet, owner.name, [node.name])
                break
        else:
            text = f"{node.name} shares no subnet of its own with another node"
            self._ok(CheckName.OWNER, text, owner=node.name)
        refused = [r for r in self._views.refused if r.owner == node.name]
        self._policy(node, refused)

    def _of_an_address(self, address: Subnet) -> Generator[None, None, None]:
        views = self._views
        if views.own.mode is not Mode.ROUTER and address.kind is not SubnetKind.MAC:
            text = f"in {views.own.mode} mode MAC addresses decide: ask for one"
            self._skip(CheckName.SUBNET, f"{text}, or for a node")
            return
        found = views.mesh.subnets.lookup(address.address)
        refused = self._refused(address, found[0].prefix if found else -1)
        if refused is not None:
            # Were it not kept out, it would be the one that counts.
            self._node = views.mesh.nodes.get(refused.owner)
            text = f"{refused.subnet} of {refused.owner} would contain it"
            self._skip(CheckName.SUBNET, text, subnet=refused.subnet)
            self._skip(CheckName.OWNER, refused.owner, owner=refused.owner)
            self._subject = replace(self._subject, node=refused.owner)
            self._policy(self._node, [refused])
        elif found is None:
            text = f"no node has announced a subnet with {self._to}"
            self._here(CheckName.SUBNET, Cause.NO_SUBNET, text)
        else:
            self._subnet, self._node = found
            yield from self._owners(*found)
            self._policy(self._node, [])

    def _refused(self, address: Subnet, longest: int) -> RefusedSubnet | None:
        """Return what is kept out and would go before the subnet that counts."""
        for refused in self._views.refused:
            subnet = Subnet.parse(refused.subnet)
            if subnet is None or subnet.prefix <= longest:
                continue
            if subnet.contains(address.address):
                return refused
        return None

    def _owners(self, subnet: Subnet, owner: Node) -> Generator[None, None, None]:
        weight = subnet.weight
        text = f"{self._to} is in {subnet.net} of {owner.name} (weight {weight})"
        self._ok(CheckName.SUBNET, text, subnet=str(subnet), weight=weight)
        table, others = self._views.mesh.subnets, list[str]()
        for node in in_steps(tuple(self._views.mesh.nodes.values())):
            if node is None:
                yield
            elif node is not owner and node.reachable and table.has(node, subnet):
                others = sorted([*others, node.name])[:8]
        if others:
            self._duplicate(subnet, owner.name, others)
        else:
            text = "no other node announces it with that weight"
            self._ok(CheckName.OWNER, text, owner=owner.name, others=[])

    def _duplicate(self, subnet: Subnet, owner: str, others: list[str]) -> None:
        text = f"{', '.join(others)} and {owner} announce {subnet.net} with the same"
        text = f"{text} weight: {owner} gets all packets"
        about: Facts = {"owner": owner, "others": [*others]}
        self._here(CheckName.OWNER, Cause.DUPLICATE_SUBNET, text, **about)

    def _policy(self, node: Node | None, refused: list[RefusedSubnet]) -> None:
        own = self._views.own
        facts: Facts = {
            "strict_subnets": own.strict_subnets,
            "tunnel_server": own.tunnel_server,
            "refused": [r.subnet for r in refused[:8]],
        }
        if refused:
            first = refused[0]
            text = f"{first.by} keeps {first.subnet} out: it is not in"
            text = f"{text} hosts/{first.owner} here"
            self._here(CheckName.POLICY, Cause.SUBNET_REFUSED, text, **facts)
        else:
            text = "neither StrictSubnets nor TunnelServer keeps it out"
            self._ok(CheckName.POLICY, text, **facts)

    # The way there.

    def _lost(self, node: Node) -> Generator[None, None, None]:
        why: Why = yield from why_unreachable(self._views, node)
        if why.other is not None:
            self._subject = replace(self._subject, other=why.other)
        if why.host is not None:
            self._at(why.host, why.port or 655)
        since = self._views.history(node).since
        facts: Facts = {"since": None if since is None else utc(since), **why.facts}
        text = f"{node.name} is unreachable: {why.text}"
        self._here(CheckName.REACHABLE, why.cause, text, **facts)

    def _reached(self, node: Node) -> None:
        since = self._views.history(node).since
        when = None if since is None else utc(since)
        self._ok(CheckName.REACHABLE, f"{node.name} is reachable", since=when)
        names = self._names(node)
        text = " → ".join(names) or f"over more than {LONGEST_WAY} links"
        hop = first_hop(self._views.mesh, node)
        self._ok(
            *(CheckName.ROUTE, text),
            nexthop=None if node.nexthop is None else node.nexthop.name,
            via=None if hop is None else hop.name,
            way=[*names],
            weight=self._weight(node),
        )

    def _names(self, node: Node) -> tuple[str, ...]:
        edges, myself = edges_to(node), self._views.mesh.myself
        if not edges and node is not myself:
            return ()
        return (myself.name, *(edge.target.name for edge in edges))

    def _weight(self, node: Node) -> int | None:
        edges = edges_to(node)
        return sum(edge.weight for edge in edges) if edges else None

    def _along(self, node: Node) -> None:
        """Look at the hop that datagrams go to, and at the link there is meanwhile."""
        hops = HopChecks(self._views, node)
        for name, verdict, text, facts, cause in hops.checks():
            self._found.append(CheckFound(name, verdict, text, facts, cause))
        if hops.hop is not None and hops.hop.address is not None:
            self._at(hops.hop.address.host, hops.hop.address.port)

    # The answer.

    def result(self) -> Generator[None, None, Explanation]:
        views, node = self._views, self._node
        first = next((f for f in self._found if f.result is CheckResult.HERE), None)
        base = Explanation(
            at=views.now,
            name=views.own.name,
            to=self._to,
            node=None if node is None else node.name,
            subnet=None if self._subnet is None else str(self._subnet),
            checks=tuple(map(check_of, self._found)),
        )
        if first is not None and first.cause is not None:
            finding = FindingRecord(
                check=first.check, cause=first.cause, text=first.text
            )
            remedy = command(first.cause, self._subject)
            base = replace(base, cause=finding, command=remedy)
        if node is None:
            return replace(base, events=tuple(views.events(self._to, EVENTS)))
        detour = yield from fallback(views.mesh, node)
        found = way(views.mesh, node, views.tunnel, views.own.options)
        nexthop = node.nexthop if node.reachable else None
        return replace(
            base,
            path=found.kind,
            since=views.history(node).since,
            rtt=self._rtt(node, found.kind),
            nexthop=None if nexthop is None else nexthop.name,
            via=None if found.hop is None else found.hop.name,
            way=self._names(node),
            weight=self._weight(node),
            fallback=detour,
            events=tuple(views.events(node.name, EVENTS)),
        )

    def _rtt(self, node: Node, kind: PathKind | None) -> float | None:
        if kind is PathKind.UDP:
            view = self._views.tunnel(node)
            return None if view is None else view.rtt
        link = self._views.link(node)
        return link.rtt if kind is PathKind.TCP and link is not None else None

    # What is found.

    def _at(self, host: str, port: int) -> None:
        self._subject = replace(self._subject, host=host, port=port)

    def _ok(self, check: CheckName, text: str, **facts: Fact) -> None:
        self._found.append(CheckFound(check, CheckResult.OK, text, facts))

    def _skip(self, check: CheckName, text: str, **facts: Fact) -> None:
        self._found.append(CheckFound(check, CheckResult.SKIPPED, text, facts))

    def _here(self, check: CheckName, cause: Cause, text: str, **facts: Fact) -> None:
        self._found.append(CheckFound(check, CheckResult.HERE, text, facts, cause))
