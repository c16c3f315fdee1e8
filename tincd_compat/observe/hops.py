"""The checks of an explanation that are about the next hop: may UDP go there, does it?

The next hop is the node to which our datagrams go: the node itself, or a relay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from tincd_compat.mesh.node import Node
from tincd_compat.observe.codec import Facts
from tincd_compat.observe.hostrules import plain
from tincd_compat.observe.paths import SETTLED, first_hop
from tincd_compat.observe.rules import LEAST_MTU, QUEUED, SHRUNK
from tincd_compat.observe.times import Time, utc
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.wording import bracketed, count, duration
from tincd_compat.observe.words import (
    AddressSource,
    Cause,
    CheckName,
    CheckResult,
    PathOption,
    ProbePhase,
)
from tincd_compat.options import INDIRECT, PMTU_DISCOVERY, TCPONLY

#: Probes after which it says something that none was answered.
ENOUGH: Final = 9

_SOURCES: Final = {
    AddressSource.UDP: "from its datagrams",
    AddressSource.EDGE: "from its edge",
    AddressSource.REFLEXIVE: "as another node sees it",
    AddressSource.DIALLED: "as we have dialled it",
    AddressSource.ACCEPTED: "as it has called us",
}

#: A check, its verdict, text, facts and cause.
Row: TypeAlias = tuple[CheckName, CheckResult, str, Facts, Cause | None]


def _time(time: Time | None) -> str | None:
    return None if time is None else utc(time)


class HopChecks:
    """The checks for packets to a reachable node."""

    def __init__(self, views: Views, node: Node) -> None:
        self._views = views
        self._node = node
        #: The node to which datagrams for the other one go.
        self.hop = first_hop(views.mesh, node)
        self._view = None if self.hop is None else views.tunnel(self.hop)
        self._tcp_only = False

    def checks(self) -> Iterator[Row]:
        """Yield the checks from the options on."""
        hop, view = self.hop, self._view
        if hop is None:
            return
        yield self._options(hop)
        yield self._key(hop, view)
        yield self._address(hop, view)
        yield from self._udp(hop, view)
        yield self._queue()

    # May UDP go there?

    def _options(self, hop: Node) -> Row:
        own, name = self._views.own.options, CheckName.OPTIONS
        self._tcp_only = bool((own | hop.options) & TCPONLY)
        indirect = hop is not self._node
        facts: Facts = {
            "tcp_only": self._tcp_only,
            "indirect_data": indirect,
            "by": None,
        }
        if self._tcp_only and self._is_ours(PathOption.TCPONLY, TCPONLY):
            text = "TCPOnly is set here: packets travel over TCP"
            facts["by"] = self._views.own.name
            return name, CheckResult.HERE, text, facts, Cause.TCPONLY_HERE
        if self._tcp_only:
            text = f"TCPOnly is set at {hop.name}: packets travel over TCP"
            facts["by"] = hop.name
            return name, CheckResult.HERE, text, facts, Cause.TCPONLY_THERE
        if indirect:
            text = f"IndirectData: {self._node.name} takes packets from its neighbours"
            text = f"{text} only, so they go through {hop.name}"
            facts["by"] = self._node.name
            cause = Cause.INDIRECT_THERE
            if own & INDIRECT and not self._node.options & INDIRECT:
                cause, facts["by"] = Cause.INDIRECT_HERE, self._views.own.name
            return name, CheckResult.HERE, text, facts, cause
        text = "both sides allow UDP: no TCPOnly, no IndirectData"
        return name, CheckResult.OK, text, facts, None

    def _is_ours(self, word: PathOption, bit: int) -> bool:
        """Tell whether this host has set an option of the hop."""
        link = None if self.hop is None else self._views.link(self.hop)
        if link is not None and link.own_options is not None:
            return word in link.own_options
        return bool(self._views.own.options & bit)

    def _key(self, hop: Node, view: TunnelView | None) -> Row:
        name, key = CheckName.KEY, None if view is None else view.key
        facts: Facts = {
            "cipher": None if key is None else key.cipher,
            "digest": None if key is None else key.digest,
            "mac_length": None if key is None else key.mac_length,
            "since": None if key is None else _time(key.since),
            "requested": None if view is None else _time(view.requested),
            "words": None if view is None else view.unusable,
        }
        if key is not None and view is not None:
            lacks = plain(key.cipher, key.digest, key.mac_length)
            if lacks:
                text = f"{hop.name} asks for packets that are {lacks}"
                if view.unusable is not None:
                    text = f"{text}, which we refuse: they travel over TCP"
                return name, CheckResult.HERE, text, facts, Cause.PLAINTEXT
            if view.unusable is not None:
                text = f"its key cannot be used{bracketed(view.unusable)}"
                return name, CheckResult.HERE, text, facts, Cause.UNUSABLE_KEY
        if view is not None and view.valid_key:
            return name, CheckResult.OK, self._key_text(hop, view), facts, None
        if view is None or view.requested is None:
            text = "no packet has gone there: the first one asks for a key"
            return name, CheckResult.SKIPPED, text, facts, None
        ago = duration(self._views.now - view.requested)
        text = f"{hop.name} has given us no key, we have asked {ago} ago"
        return name, CheckResult.HERE, text, facts, Cause.NO_KEY

    def _key_text(self, hop: Node, view: TunnelView) -> str:
        text, key = f"{hop.name} has given us a key", view.key
        if key is None:
            return text
        age = "" if key.since is None else duration(self._views.now - key.since)
        suite = f"{key.cipher} {key.digest}/{key.mac_length}"
        return f"{text}{bracketed(suite, f'{age} old' if age else None)}"

    def _address(self, hop: Node, view: TunnelView | None) -> Row:
        name, address = CheckName.ADDRESS, hop.address
        source = None if view is None else view.address_from
        facts: Facts = {
            "host": None if address is None else address.host,
            "port": None if address is None else address.port,
            "source": None if source is None else str(source),
        }
        if address is None:
            text = f"no address of {hop.name} is known"
            verdict = CheckResult.SKIPPED if self._tcp_only else CheckResult.HERE
            cause = None if self._tcp_only else Cause.NO_ADDRESS
            return name, verdict, text, facts, cause
        known = bracketed(None if source is None else _SOURCES[source])
        text = f"the address of {hop.name} is known: {address}{known}"
        return name, CheckResult.OK, text, facts, None

    # Does it?

    def _udp(self, hop: Node, view: TunnelView | None) -> Iterator[Row]:
        if view is None or self._tcp_only or not view.valid_key:
            for name in (CheckName.PROBES, CheckName.ARRIVES, CheckName.MTU):
                yield name, CheckResult.SKIPPED, "nothing goes by UDP now", {}, None
            return
        arrives = self._heard(view)
        yield self._probes(hop, view, arrives)
        facts: Facts = {"last_packet": _time(view.last_packet)}
        if arrives and view.last_packet is not None:
            ago = duration(self._views.now - view.last_packet)
            text = f"its packets arrive by UDP, the last {ago} ago"
            yield CheckName.ARRIVES, CheckResult.OK, text, facts, None
        elif view.min_mtu:
            text = "nobody has noted when its last packet arrived"
            yield CheckName.ARRIVES, CheckResult.SKIPPED, text, facts, None
        else:
            text = "nothing of it arrives by UDP"
            yield CheckName.ARRIVES, CheckResult.HERE, text, facts, Cause.UDP_LOST
        yield self._mtu(hop, view)

    def _heard(self, view: TunnelView) -> bool:
        """Tell whether datagrams have come lately: a node without data sends probes."""
        own, last = self._views.own, view.last_packet
        patience = 2 * (own.ping_interval + own.ping_timeout)
        return last is not None and self._views.now - last <= patience

    def _probes(self, hop: Node, view: TunnelView, arrives: bool) -> Row:
        name = CheckName.PROBES
        facts: Facts = {
            "sent": view.probes_sent,
            "answered": view.probes_answered,
            "phase": str(view.phase),
            "last_answer": _time(view.last_answer),
        }
        if not hop.options & PMTU_DISCOVERY:
            text = "PMTUDiscovery is off on one of both sides: nobody probes"
            return name, CheckResult.SKIPPED, text, facts, None
        if view.min_mtu:
            text = "UDP probes are answered, so UDP works in both directions"
            return name, CheckResult.OK, text, facts, None
        sent = view.probes_sent
        if view.phase is ProbePhase.SEARCH and sent is not None and sent < ENOUGH:
            text = f"the search has just begun: {count(sent, 'probe')} sent"
            return name, CheckResult.SKIPPED, text, facts, None
        number = "" if sent is None else f" ({count(sent, 'probe')} sent)"
        text = f"no UDP probe to {hop.name} is answered{number}"
        if arrives:
            text = f"{text}, while its own packets arrive: ours are lost on their way,"
            text = f"{text} by a firewall or NAT before {hop.name}"
            return name, CheckResult.HERE, text, facts, Cause.UDP_LOST_OUTWARD
        text = f"{text}, and nothing of it arrives: a firewall or NAT"
        text = f"{text} between here and {hop.name}"
        return name, CheckResult.HERE, text, facts, Cause.UDP_LOST

    def _mtu(self, hop: Node, view: TunnelView) -> Row:
        mtu, best = view.min_mtu, self._views.history(hop).best_mtu
        facts: Facts = {
            "mtu": mtu or None,
            "best": best or None,
            "phase": str(view.phase),
        }
        name = CheckName.MTU
        if not mtu:
            return name, CheckResult.SKIPPED, "not known without UDP", facts, None
        text = f"the path carries frames of {mtu} bytes"
        if view.phase in SETTLED and (mtu < LEAST_MTU or best - mtu >= SHRUNK):
            text = f"{text} only: longer probes are lost without a word"
            return name, CheckResult.HERE, text, facts, Cause.MTU_BLACK_HOLE
        return name, CheckResult.OK, text, facts, None

    # What goes over TCP.

    def _queue(self) -> Row:
        name, nexthop = CheckName.QUEUE, self._node.nexthop
        link = None if nexthop is None else self._views.link(nexthop)
        if link is None or nexthop is None:
            return name, CheckResult.SKIPPED, "there is no link", {}, None
        since, now = link.blocked_since, self._views.now
        facts: Facts = {"queued": link.queued, "blocked_since": _time(since)}
        blocked = since is not None and now - since > self._views.own.ping_timeout
        if blocked or link.queued > QUEUED:
            text = f"{count(link.queued, 'byte')} wait for {nexthop.name} over TCP"
            return name, CheckResult.HERE, text, facts, Cause.QUEUE_FULL
        text = f"nothing is stuck on the link with {nexthop.name}"
        return name, CheckResult.OK, text, facts, None
