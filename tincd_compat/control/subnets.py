"""ADD_SUBNET and DEL_SUBNET; MAC addresses learned from our own device."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from tincd_compat import logs
from tincd_compat.addresses import DEFAULT_WEIGHT, Subnet, SubnetKind, format_mac
from tincd_compat.control.context import Context, Envelope, forward
from tincd_compat.control.effects import (
    Announce,
    Effect,
    Reply,
    SubnetDown,
    SubnetUp,
)
from tincd_compat.control.stations import Station, Stations
from tincd_compat.mesh.node import Node
from tincd_compat.meta.messages import AddSubnet, DelSubnet

#: Subnets that are remembered as refused; the oldest give way.
MAX_REFUSED: Final = 64


class SubnetRules:
    """The rules for subnets.  Methods change the mesh and return what is left to do."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._mesh = context.mesh
        self._subnets = context.mesh.subnets
        self._learned = Stations(context.policy.mac_expire)
        self._configured_macs: frozenset[bytes] | None = None
        #: Subnets that only StrictSubnets or TunnelServer keeps out, the last of them:
        #: since when, by the name of the owner and tinc's text.
        self.refused: dict[tuple[str, str], float] = {}

    def add(self, message: AddSubnet, envelope: Envelope) -> list[Effect]:
        """Handle ADD_SUBNET."""
        policy, subnet = self._context.policy, message.subnet
        if self._is_indirect(message, envelope):
            return []
        owner = self._context.node(message.owner, envelope)
        if owner is None or self._subnets.has(owner, subnet):
            return []
        if owner is self._mesh.myself:
            logs.protocol.warning("Got ADD_SUBNET from %s for ourself", envelope.peer)
            return [Reply(self._withdrawal(owner, subnet))]
        if policy.strict:
            logs.always.warning(
                "Ignoring unauthorized ADD_SUBNET from %s: %s",
                envelope.peer,
                envelope.field(3),
            )
            self._refuse(owner, subnet, envelope.now)
            return [] if policy.tunnel_server else [forward(message.request, envelope)]
        if not self._context.room_for_subnet(owner, envelope):
            return []
        effects = [*self._store(owner, subnet), forward(message.request, envelope)]
        return effects + self._claimed(owner, subnet, envelope.now)

    def _refuse(self, owner: Node, subnet: Subnet, now: float) -> None:
        key = owner.name, str(subnet)
        if key not in self.refused and len(self.refused) >= MAX_REFUSED:
            del self.refused[next(iter(self.refused))]
        self.refused.setdefault(key, now)

    def delete(self, message: DelSubnet, envelope: Envelope) -> list[Effect]:
        """Handle DEL_SUBNET."""
        self.refused.pop((message.owner, str(message.subnet)), None)
        policy, subnet = self._context.policy, message.subnet
        if self._is_indirect(message, envelope):
            return []
        owner = self._mesh.nodes.get(message.owner)
        if owner is None:
            logs.protocol.warning(
                "Got DEL_SUBNET from %s for %s which is not in our node tree",
                envelope.peer,
                message.owner,
            )
            return []
        if not self._subnets.has(owner, subnet):
            logs.protocol.warning(
                "Got DEL_SUBNET from %s for %s"
                " which does not appear in his subnet tree",
                envelope.peer,
                owner.name,
            )
            return [forward(message.request, envelope)] if policy.strict else []
        if owner is self._mesh.myself:
            logs.protocol.warning("Got DEL_SUBNET from %s for ourself", envelope.peer)
            return [Reply(self.describe(owner, subnet))]
        if policy.tunnel_server:
            return []
        effects = [forward(message.request, envelope)]
        return effects if policy.strict else effects + self._drop(owner, subnet)

    def purge(self, node: Node) -> Iterator[Effect]:
        """Withdraw the subnets of an unreachable node; a configured one is kept."""
        for subnet in self._subnets.of(node):
            if node.reachable:
                return
            if self._context.policy.strict or self._subnets.remove(node, subnet):
                yield Announce(self._withdrawal(node, subnet))

    def reload_own(self, configured: Collection[Subnet]) -> Iterator[Effect]:
        """Make our own subnets what the configuration now says; learned MACs stay."""
        myself = self._mesh.myself
        self._keep(configured)
        wanted = set(configured)
        for subnet in self._subnets.of(myself):
            if subnet.address not in self._learned and subnet not in wanted:
                yield from self._withdraw(myself, subnet)
        yield from self._announce_missing(myself, configured)

    def reload(self, configured: Mapping[str, Collection[Subnet]]) -> Iterator[Effect]:
        """Make the table what the host files now say, by owner; learned MACs stay."""
        myself = self._mesh.myself
        self._keep(configured.get(myself.name, ()))
        wanted = {name: set(subnets) for name, subnets in configured.items()}
        for subnet, owner in self._subnets:
            learned = owner is myself and subnet.address in self._learned
            if not learned and subnet not in wanted.get(owner.name, ()):
                yield from self._withdraw(owner, subnet)
        for name in sorted(configured):
            owner = self._mesh.get_or_add(name)
            yield from self._announce_missing(owner, configured[name])

    def _keep(self, configured: Collection[Subnet]) -> None:
        """Make a subnet permanent that may have been learned."""
        self._configured_macs = frozenset(
            subnet.address for subnet in configured if subnet.kind is SubnetKind.MAC
        )
        for address in self._configured_macs:
            self._learned.forget(address)

    def _withdraw(self, owner: Node, subnet: Subnet) -> Iterator[Effect]:
        effects = self._drop(owner, subnet)
        yield Announce(self._withdrawal(owner, subnet))
        yield from effects

    def _announce_missing(
        self, owner: Node, configured: Collection[Subnet]
    ) -> Iterator[Effect]:
        for subnet in sorted(configured, key=lambda item: item.sort_key):
            if not self._subnets.has(owner, subnet):
                effects = self._store(owner, subnet)
                yield Announce(self.describe(owner, subnet))
                yield from effects

    def learn(self, mac: bytes, now: float) -> list[Effect]:
        """Note that a frame from ``mac`` came out of our device (switch mode)."""
        known = self._learned.get(mac)
        if known is not None:
            self._learned.speaks(mac, now)
            return self._repeat(mac, known, now) if known.rivals else []
        if mac in self._own_macs():
            return []
        if not self._context.room_to_learn:
            self._context.notices.warn("limit macs", "Too many subnets to learn MACs")
            return []
        logs.traffic.info("Learned new MAC address %s", format_mac(mac))
        self._learned.add(mac, now)
        subnet, myself = _mac_subnet(mac), self._mesh.myself
        effects = self._store(myself, subnet)
        return [*effects, Announce(self.describe(myself, subnet))]

    def expire_learned(self, now: float) -> Iterator[Effect]:
        """Withdraw the learned MAC addresses that have not been seen for too long."""
        for mac in self._learned.expired(now):
            yield from self._lose(mac)

    def heard_elsewhere(self, mac: bytes, now: float) -> list[Effect]:
        """Note a frame of this source from the mesh: the station may have moved."""
        return self._lose(mac) if self._learned.is_stale(mac, now) else []

    def _claimed(self, owner: Node, subnet: Subnet, now: float) -> list[Effect]:
        """Note that another node has announced a MAC that may be our station's."""
        mac = subnet.address
        if mac not in self._learned:
            return []
        if self._learned.is_stale(mac, now):
            return self._lose(mac)
        # The station has moved there: ours goes at the next tick, unless it speaks.
        self._learned.claimed(mac, owner.name, now)
        return []

    def _repeat(self, mac: bytes, station: Station, now: float) -> list[Effect]:
        """Announce our station again, if other nodes still announce it as theirs."""
        subnet, myself = _mac_subnet(mac), self._mesh.myself
        nodes = self._mesh.nodes
        station.rivals = {
            name
            for name in station.rivals
            if name in nodes and self._subnets.has(nodes[name], subnet)
        }
        if not station.rivals or not self._learned.repeats(station, now):
            return []
        return [
            Announce(self._withdrawal(myself, subnet)),
            Announce(self.describe(myself, subnet)),
        ]

    def _lose(self, mac: bytes) -> list[Effect]:
        subnet, myself = _mac_subnet(mac), self._mesh.myself
        logs.traffic.info("Subnet %s expired", subnet)
        self._learned.forget(mac)
        return [
            *self._drop(myself, subnet),
            Announce(self._withdrawal(myself, subnet)),
        ]

    def dump(self, owner: Node) -> Iterator[AddSubnet]:
        """Yield the messages about a node's subnets, without those lost meanwhile."""
        for subnet in self._subnets.of(owner):
            if self._subnets.has(owner, subnet):
                yield self.describe(owner, subnet)

    def describe(self, owner: Node, subnet: Subnet) -> AddSubnet:
        """Return the message that announces a subnet."""
        return AddSubnet(self._context.nonce(), owner.name, subnet)

    def _withdrawal(self, owner: Node, subnet: Subnet) -> DelSubnet:
        return DelSubnet(self._context.nonce(), owner.name, subnet)

    def _is_indirect(self, message: AddSubnet | DelSubnet, envelope: Envelope) -> bool:
        """Tell whether TunnelServer makes us ignore the subnet."""
        if not self._context.policy.tunnel_server:
            return False
        if message.owner in (self._mesh.myself.name, envelope.source.name):
            return False
        logs.protocol.warning(
            "Ignoring indirect %s from %s for %s",
            message.request.name,
            envelope.peer,
            envelope.field(3),
        )
        return True

    def _store(self, owner: Node, subnet: Subnet) -> list[Effect]:
        self._subnets.add(owner, subnet)
        return [SubnetUp(owner, subnet)] if owner.reachable else []

    def _drop(self, owner: Node, subnet: Subnet) -> list[Effect]:
        self._subnets.remove(owner, subnet)
        return [SubnetDown(owner, subnet)] if owner.reachable else []

    def _own_macs(self) -> frozenset[bytes]:
        """The MAC addresses that our configuration gives us; they never expire."""
        if self._configured_macs is None:
            # Before the first reload, and before anything has been learned.
            self._keep(self._subnets.of(self._mesh.myself))
        return self._configured_macs or frozenset()


def _mac_subnet(mac: bytes) -> Subnet:
    return Subnet(SubnetKind.MAC, mac, 48, DEFAULT_WEIGHT)
