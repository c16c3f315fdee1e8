"""The rules that find what is wrong: one function for each code, or for two alike.

A rule is a function of a :class:`Look` and yields what it finds; a rule for nodes is
asked about each.  Nothing is remembered here: of how long it has been so, and of who is
told, :mod:`.problems` takes care.  Each code has its paragraph in tincd-compat(8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tincd_compat.addresses import Subnet
from tincd_compat.mesh.node import Node
from tincd_compat.observe.codec import Facts
from tincd_compat.observe.hostrules import (
    clock,
    device,
    log_suppressed,
    own_suite,
    plain,
    python_path,
    reload_failed,
    scripts,
    udp_buffer,
    weak,
)
from tincd_compat.observe.look import (
    LISTED_NAMES,
    Look,
    NodeRule,
    ProblemFound,
    Rule,
)
from tincd_compat.observe.paths import LATELY, SETTLED, first_hop, way
from tincd_compat.observe.records import LinkRecord
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.views import NodeHistory, RefusedSubnet, TunnelView
from tincd_compat.observe.wording import DIALS, bracketed, count
from tincd_compat.observe.words import (
    DialResult,
    Direction,
    DropReason,
    LinkEnd,
    PathKind,
    ProblemCode,
)
from tincd_compat.options import TCPONLY

#: Longest frame of a path that carries IPv6's least packet of 1280 bytes.
LEAST_MTU: Final = 1280 + 14
#: Bytes by which a path has to be narrower than it was.
SHRUNK: Final = 64
#: Packets to a node without one from it.
UNANSWERED: Final = 10
#: Changes of reachability within ten minutes.
FLAPS: Final = 6
#: Nodes that have to lose the rest for an only way to be told of.
LOST: Final = 2
#: Messages about the graph each second, over the window.
STORM: Final = 20.0
#: Graph runs put off within the window.
DEFERRED: Final = 30
#: Bytes that wait for one peer.
QUEUED: Final = 64 * 1024
#: Wrong keys in handshakes and wrong MACs of datagrams within the window.
WRONG_KEYS: Final = 3
WRONG_MACS: Final = 60
#: Bits of an RSA key.
RSA_BITS: Final = 2048

_TOPOLOGY: Final = ("ADD_EDGE", "DEL_EDGE", "ADD_SUBNET", "DEL_SUBNET")


# The mesh as a whole.


def lonely(look: Look) -> Iterator[ProblemFound | None]:
    """``no-link`` and ``isolated``: nobody can be reached."""
    views = look.views
    for node in in_steps(tuple(views.mesh.nodes.values())):
        if node is None:
            yield None
        elif node.reachable and node is not views.mesh.myself:
            return
    if views.connect_to and not views.active_links:
        names = [goal.node for goal in views.connect_to]
        number = len(names)
        text = f"no link with anybody; {count(number, 'ConnectTo')} without success"
        facts: Facts = {"connect_to": names[:LISTED_NAMES], "count": number}
        yield ProblemFound(ProblemCode.NO_LINK, None, text, facts)
    elif len(views.mesh.nodes) > 1:
        known = len(views.mesh.nodes) - 1
        text = f"no other node is reachable; {known} are known"
        yield ProblemFound(ProblemCode.ISOLATED, None, text, {"known": known})


def name_conflict(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    if own.name_conflict is not None:
        text = f"another node calls itself {own.name}, too"
        facts: Facts = {"name": own.name}
        yield ProblemFound(
            ProblemCode.NAME_CONFLICT, None, text, facts, own.name_conflict
        )


def only_way(look: Look) -> Iterator[ProblemFound]:
    for name, lost in look.cuts:
        if lost >= LOST:
            text = f"the only way to {lost} nodes"
            yield ProblemFound(ProblemCode.ONLY_WAY, name, text, {"lost": lost})


def storm(look: Look) -> Iterator[ProblemFound]:
    if look.earlier is None:
        return
    seconds = look.counters.at - look.earlier.at
    messages = look.grown(
        lambda c: sum(
            c.meta_messages[Direction.RECEIVED].get(name, 0) for name in _TOPOLOGY
        )
    )
    deferred = look.grown(lambda counters: counters.graph_runs_deferred)
    if seconds > 0 and (messages / seconds > STORM or deferred > DEFERRED):
        rate = round(messages / seconds, 1)
        text = f"{rate} messages a second say that the mesh has changed"
        facts: Facts = {"per_second": rate, "runs_deferred": deferred}
        yield ProblemFound(ProblemCode.STORM, None, text, facts)


def duplicate_subnet(look: Look) -> Iterator[ProblemFound | None]:
    """Two reachable owners, with the same weight: the name decides, not a person."""
    before: Subnet | None = None
    first: Node | None = None
    for entry in look.views.mesh.subnets.shared():
        if entry is None:
            yield None
            continue
        subnet, owner = entry
        if subnet != before or first is None or not first.reachable:
            before, first = subnet, owner
        elif owner.reachable:
            text = f"{subnet.net} is announced by {first.name}, too, which gets it all"
            facts: Facts = {"subnet": str(subnet), "first": first.name}
            yield ProblemFound(ProblemCode.DUPLICATE_SUBNET, owner.name, text, facts)


def subnet_refused(look: Look) -> Iterator[ProblemFound]:
    by_owner: dict[str, list[RefusedSubnet]] = {}
    for refused in look.views.refused:
        by_owner.setdefault(refused.owner, []).append(refused)
    for owner, its in by_owner.items():
        number, names = len(its), [refused.subnet for refused in its[:LISTED_NAMES]]
        text = f"{count(number, 'subnet')} kept out by {its[0].by}{bracketed(names)}"
        facts: Facts = {"subnets": names, "count": number, "by": its[0].by}
        since = min(refused.since for refused in its)
        yield ProblemFound(ProblemCode.SUBNET_REFUSED, owner, text, facts, since)


# Links.


def connect_to_down(look: Look) -> Iterator[ProblemFound]:
    for goal in look.views.connect_to:
        if goal.up or goal.last in (None, DialResult.OK):
            continue
        result = goal.last
        assert result is not None
        where = goal.address
        facts: Facts = {
            "result": str(result),
            "error": goal.error,
            "host": None if where is None else where.host,
            "port": None if where is None else where.port,
        }
        words = goal.error if result is DialResult.ERROR else None
        text = f"ConnectTo fails: {DIALS[result]}{bracketed(words)}"
        yield ProblemFound(
            ProblemCode.CONNECT_TO_DOWN, goal.node, text, facts, goal.since
        )


def links(look: Look) -> Iterator[ProblemFound | None]:
    """``queue`` and ``old-peer``, as a link shows them."""
    for link in look.views.links():
        yield None
        if link.name is not None and link.active:
            yield from _queue(look, link, link.name)
            yield from _short_key(link, link.name)


def _queue(look: Look, link: LinkRecord, name: str) -> Iterator[ProblemFound]:
    since = link.blocked_since
    blocked = since is not None and look.now - since > look.views.own.ping_timeout
    if blocked or link.queued > QUEUED:
        text = f"{link.queued} bytes wait for it over TCP"
        facts: Facts = {"queued": link.queued, "blocked": blocked}
        yield ProblemFound(ProblemCode.QUEUE, name, text, facts, since)


def _short_key(link: LinkRecord, name: str) -> Iterator[ProblemFound]:
    bits = link.rsa_bits
    if bits is not None and bits < RSA_BITS:
        text = f"its RSA key has {bits} bits"
        yield ProblemFound(ProblemCode.OLD_PEER, name, text, {"rsa_bits": bits})


def auth_fails(look: Look) -> Iterator[ProblemFound]:
    keys = look.grown(lambda c: c.failed_handshakes.get(LinkEnd.WRONG_KEY, 0))
    macs = look.grown(lambda c: c.dropped[DropReason.UNAUTHENTICATED])
    if keys >= WRONG_KEYS or macs >= WRONG_MACS:
        text = f"{count(keys, 'caller')} with a wrong key, {macs} datagrams without"
        facts: Facts = {"callers": keys, "datagrams": macs}
        yield ProblemFound(ProblemCode.AUTH_FAILS, None, f"{text} a valid MAC", facts)


# One other node.


def one_way_edge(
    look: Look, node: Node, view: TunnelView | None
) -> Iterator[ProblemFound | None]:
    """An edge that its other end does not know, of a node that can tell."""
    if not node.reachable:
        return
    ends, number = list[str](), 0
    for edge in in_steps(tuple(node.edges.values())):
        if edge is None:
            yield None
        elif edge.reverse is None:
            number += 1
            ends = sorted([*ends, edge.target.name])[:LISTED_NAMES]
    if ends:
        text = f"its edge is not known at the other end{bracketed(ends)}"
        facts: Facts = {"to": [*ends], "count": number}
        yield ProblemFound(ProblemCode.ONE_WAY_EDGE, node.name, text, facts)


def data_over_tcp(
    look: Look, node: Node, view: TunnelView | None
) -> Iterator[ProblemFound]:
    views = look.views
    if view is None or first_hop(views.mesh, node) is not node:
        return
    if (views.own.options | node.options) & TCPONLY:
        return
    found = way(views.mesh, node, views.tunnel, views.own.options)
    if found.kind not in (PathKind.TCP, PathKind.RELAY_TCP):
        return
    why = "no answer to UDP probes"
    if view.unusable is not None:
        why = f"its key cannot be used{bracketed(view.unusable)}"
    elif not view.valid_key:
        why = "it has given us no key"
    facts: Facts = {"why": why, "phase": str(view.phase)}
    since = views.history(node).since
    text = f"data over TCP: {why}"
    yield ProblemFound(ProblemCode.DATA_OVER_TCP, node.name, text, facts, since)


def mtu_shrunk(
    look: Look, node: Node, view: TunnelView | None
) -> Iterator[ProblemFound]:
    if view is None or not view.min_mtu or view.phase not in SETTLED:
        return
    mtu, best = view.min_mtu, look.views.history(node).best_mtu
    if mtu < LEAST_MTU or best - mtu >= SHRUNK:
        text = f"its path carries {mtu} bytes" + (f", was {best}" if best > mtu else "")
        facts: Facts = {"mtu": mtu, "best": best or None}
        yield ProblemFound(ProblemCode.MTU_SHRUNK, node.name, text, facts)


def story(look: Look, node: Node, view: TunnelView | None) -> Iterator[ProblemFound]:
    """``no-data`` and ``flapping``, which the past of a node shows."""
    history: NodeHistory = look.views.history(node)
    began = history.lately_since
    if history.lately >= FLAPS and began is not None and look.now - began <= LATELY:
        text = f"came and went {history.lately} times within ten minutes"
        facts: Facts = {"changes": history.lately}
        yield ProblemFound(ProblemCode.FLAPPING, node.name, text, facts, began)
    if node.reachable and history.unanswered >= UNANSWERED:
        text = f"{history.unanswered} packets sent, none has come back"
        facts = {"packets": history.unanswered}
        since = history.unanswered_since
        yield ProblemFound(ProblemCode.NO_DATA, node.name, text, facts, since)


def key(look: Look, node: Node, view: TunnelView | None) -> Iterator[ProblemFound]:
    """``plaintext``, ``weak-cipher`` and ``old-peer``: what its key asks for."""
    given = None if view is None else view.key
    if given is None:
        return
    shape = given.cipher, given.digest, given.mac_length
    facts: Facts = {
        "cipher": given.cipher,
        "digest": given.digest,
        "mac_length": given.mac_length,
    }
    if text := plain(*shape):
        text = f"packets to it: {text}"
        yield ProblemFound(ProblemCode.PLAINTEXT, node.name, text, facts)
    if given.cipher.startswith("bf"):
        text = f"it asks for {given.cipher}, as tincd before 1.0.30"
        yield ProblemFound(ProblemCode.OLD_PEER, node.name, text, facts)
    elif text := weak(*shape):
        text = f"packets to it: {text}"
        yield ProblemFound(ProblemCode.WEAK_CIPHER, node.name, text, facts)


RULES: Final[tuple[Rule, ...]] = (
    lonely,
    name_conflict,
    device,
    connect_to_down,
    reload_failed,
    own_suite,
    links,
    duplicate_subnet,
    subnet_refused,
    only_way,
    storm,
    auth_fails,
    scripts,
    udp_buffer,
    python_path,
    clock,
    log_suppressed,
)

NODE_RULES: Final[tuple[NodeRule, ...]] = (
    one_way_edge,
    data_over_tcp,
    mtu_shrunk,
    story,
    key,
)
