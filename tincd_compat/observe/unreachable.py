"""Why a node is unreachable, as far as this host can know."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from typing import Final, NamedTuple

from tincd_compat.mesh.node import Node
from tincd_compat.observe.codec import Facts
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.summary import ConnectTo
from tincd_compat.observe.views import Views
from tincd_compat.observe.wording import DIALS, bracketed
from tincd_compat.observe.words import Cause, DialResult, EventKind, LinkEnd

_DIALS: Final[Mapping[DialResult, Cause]] = {
    DialResult.REFUSED: Cause.PORT_CLOSED,
    DialResult.TIMEOUT: Cause.DIAL_TIMEOUT,
    DialResult.UNREACHABLE: Cause.DIAL_TIMEOUT,
    DialResult.NAME: Cause.NAME_UNRESOLVED,
    DialResult.HOST_FILE: Cause.HOST_FILE,
    DialResult.WRONG_KEY: Cause.WRONG_KEY,
}
#: Events of a node that are looked through for a wrong key.
_EVENTS: Final = 8


class Why(NamedTuple):
    """The cause, in words and facts; ``other`` is a node that is to blame."""

    cause: Cause
    text: str
    facts: Facts
    other: str | None = None
    host: str | None = None
    port: int | None = None


def why_unreachable(views: Views, node: Node) -> Generator[None, None, Why]:
    """Return why the node is unreachable, in steps."""
    goals = {goal.node: goal for goal in views.connect_to}
    own = goals.get(node.name)
    if own is not None and own.last not in (None, DialResult.OK):
        return failed(own)
    if wrong := _wrong_key(views, node.name):
        return wrong
    one_way = yield from _one_way(views, node)
    if one_way is not None:
        return one_way
    island = yield from _island(node)
    for other in in_steps(island[1:]):
        if other is None:
            yield
            continue
        goal = goals.get(other.name)
        if goal is not None and not goal.up:
            said = failed(goal)
            text = f"it is behind {other.name}, which is lost: {said.text}"
            return Why(Cause.HUB_LOST, text, said.facts, other.name)
    if by := _cut_off_by(views, node.name):
        text = f"it was behind {by}, which is lost"
        return Why(Cause.HUB_LOST, text, {"by": by}, by)
    if len(island) > 1:
        others = [other.name for other in island[1:4]]
        text = f"whom it is linked with are lost, too{bracketed(others)}"
        return Why(Cause.HUB_LOST, text, {"by": others[0]}, others[0])
    if own is not None:
        text = "nobody is linked with it; our ConnectTo has no result yet"
    else:
        text = "nobody who is reachable is linked with it, and we have no ConnectTo"
    return Why(Cause.NOT_CONNECTED, text, {})


def why_missing(views: Views, name: str) -> Why | None:
    """Return why a name is no node now; None if it is nothing to us."""
    for goal in views.connect_to:
        if goal.node == name:
            if goal.last not in (None, DialResult.OK):
                return failed(goal)
            return Why(Cause.NOT_CONNECTED, "our ConnectTo has no result yet", {})
    if by := _cut_off_by(views, name):
        text = f"it was behind {by}, which is lost"
        return Why(Cause.HUB_LOST, text, {"by": by}, by)
    return _wrong_key(views, name)


def failed(goal: ConnectTo) -> Why:
    """Return why a ConnectTo fails."""
    result = goal.last or DialResult.ERROR
    where = goal.address
    place = None if where is None else f"{where.host} port {where.port}"
    text = f"our ConnectTo fails: {DIALS[result]}{bracketed(place, goal.error)}"
    facts: Facts = {
        "result": str(result),
        "error": goal.error,
        "host": None if where is None else where.host,
        "port": None if where is None else where.port,
    }
    cause = _DIALS.get(result, Cause.DIAL_FAILED)
    host, port = (None, None) if where is None else (where.host, where.port)
    return Why(cause, text, facts, goal.node, host, port)


def _wrong_key(views: Views, name: str) -> Why | None:
    """Look for a handshake with a node of that name that failed for a key."""
    for event in views.events(name, _EVENTS):
        if event.kind is EventKind.LINK_UP:
            return None
        if event.kind is EventKind.LINK_DOWN and event.reason == LinkEnd.WRONG_KEY:
            text = f"it has called, and the keys did not fit: hosts/{name} here or"
            text = f"{text} hosts/{views.own.name} there has another one"
            return Why(Cause.WRONG_KEY, text, {"result": "wrong-key"}, name)
    return None


def _one_way(views: Views, node: Node) -> Generator[None, None, Why | None]:
    """Look for an edge between the node and a reachable one that is known one way."""
    for other in in_steps(tuple(views.mesh.nodes.values())):
        if other is None:
            yield
            continue
        if not other.reachable:
            continue
        there, back = node.name in other.edges, other.name in node.edges
        if there != back:
            teller, silent = (other, node) if there else (node, other)
            text = f"{teller.name} says it is linked with {silent.name},"
            text = f"{text} which has not said so"
            return Why(Cause.ONE_WAY_EDGE, text, {"by": teller.name}, other.name)
    return None


def _island(node: Node) -> Generator[None, None, list[Node]]:
    """Return the node and the lost ones that it is linked with, the nearest first."""
    found = {node: None}
    queue = deque([node])
    while queue:
        yield
        for edge in in_steps(tuple(queue.popleft().edges.values())):
            if edge is None:
                yield
                continue
            target = edge.target
            if target not in found and not target.reachable:
                found[target] = None
                queue.append(target)
    return [*found]


def _cut_off_by(views: Views, name: str) -> str | None:
    """Return the node whose loss has cut this one off, as an event tells.

    A node that nobody has an edge to is forgotten; its events are not.
    """
    for event in views.events(name, _EVENTS):
        if event.kind is EventKind.UNREACHABLE:
            by = event.facts.get("by")
            if not isinstance(by, str) or by == name:
                return None
            other = views.mesh.nodes.get(by)
            return by if other is None or not other.reachable else None
    return None
