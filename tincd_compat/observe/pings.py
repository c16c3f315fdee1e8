"""The record of a ping: how a node can be asked, and what became of the question.

C tincd answers an MTU probe that reaches it by UDP, and a PING over a link with it.  No
node passes either on to another.  So a node behind others cannot be asked at all, and
the record says whom to ask in its place.
"""

from __future__ import annotations

from tincd_compat.mesh.node import Node
from tincd_compat.observe.answers import PingRecord
from tincd_compat.observe.paths import Way, way
from tincd_compat.observe.tables import address_record
from tincd_compat.observe.views import Views
from tincd_compat.observe.words import Carrier, PathKind, PingResult

#: Paths on which a node is asked itself, and by what.
_CARRIERS = {PathKind.UDP: Carrier.UDP, PathKind.TCP: Carrier.TCP}


def carrier_to(views: Views, node: Node) -> Carrier | PingResult:
    """Return by what a node can be asked now, or why it cannot."""
    found = way(views.mesh, node, views.tunnel, views.own.options)
    if found.kind in _CARRIERS:
        return _CARRIERS[found.kind]
    if found.kind is PathKind.SELF:
        return PingResult.SELF
    if found.kind is PathKind.NONE:
        return PingResult.UNREACHABLE
    return PingResult.NO_KEY if _through(node, found) is None else PingResult.RELAYED


def ping_record(
    views: Views,
    node: Node,
    result: PingResult,
    *,
    carrier: Carrier | None = None,
    rtt: float | None = None,
    waited: float = 0.0,
) -> PingRecord:
    """Return what became of a ping; ``rtt`` and ``waited`` in seconds."""
    found = way(views.mesh, node, views.tunnel, views.own.options)
    via, address = _through(node, found), None
    if carrier is Carrier.UDP:
        address = address_record(node.address)
    elif carrier is Carrier.TCP and (link := views.link(node)) is not None:
        address = link.address
    where = "" if address is None else f" {address.host} port {address.port}"
    how = f"by UDP at{where}" if carrier is Carrier.UDP else f"over its link{where}"
    return PingRecord(
        at=views.now,
        node=node.name,
        result=result,
        text=_text(node.name, result, how, waited, via),
        path=found.kind,
        carrier=carrier,
        rtt=rtt,
        address=address,
        via=via,
    )


def _through(node: Node, found: Way) -> str | None:
    """Return the node that passes packets on to this one; None if none does."""
    if found.kind in (PathKind.SELF, PathKind.NONE, PathKind.UDP, PathKind.TCP):
        return None
    if found.hop is not None and found.hop is not node:
        return found.hop.name
    if found.kind is None or node.nexthop is None:
        return None
    return node.nexthop.name


def _text(
    name: str, result: PingResult, how: str, waited: float, via: str | None
) -> str:
    match result:
        case PingResult.ANSWERED:
            return f"{name} has answered {how}"
        case PingResult.LOST:
            return f"{name} has not answered {how} within {waited:g} s"
        case PingResult.UNREACHABLE:
            return f"{name} cannot be reached"
        case PingResult.NO_KEY:
            return f"{name} has given no key yet, and is asked for one"
        case PingResult.SELF:
            return f"{name} is this node"
    return f"packets for {name} go through {via}, which passes no probe on: ping {via}"
