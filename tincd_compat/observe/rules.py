"""The rules that find what is wrong: one function for each code, or for two alike.

A rule is a function of a :class:`Look` and yields what it finds; a rule for nodes is
asked about each.  Nothing is remembered here: of how long it has been so, and of who is
told, :mod:`.problems` takes care.  Each code has its paragraph in tincd-compat(8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from typing import Final, NamedTuple, TypeAlias

from tincd_compat.addresses import Subnet
from tincd_compat.dataclass import dataclass
from tincd_compat.mesh.node import Node
from tincd_compat.observe.codec import Facts
from tincd_compat.observe.cuts import Cut
from tincd_compat.observe.paths import LATELY, SETTLED, first_hop, way
from tincd_compat.observe.records import LinkRecord
from tincd_compat.observe.steps import in_steps
from tincd_compat.observe.summary import Counters
from tincd_compat.observe.times import Time
from tincd_compat.observe.views import NodeHistory, RefusedSubnet, TunnelView, Views
from tincd_compat.observe.wording import DIALS, bracketed, count
from tincd_compat.observe.words import (
    DialResult,
    Direction,
    DropReason,
    LinkEnd,
    PathKind,
    ProblemCode,
    PythonReason,
    ScriptResult,
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
#: Seconds for which a script may run.
SLOW_SCRIPT: Final = 30.0
#: Datagrams for which the kernel had no room, within the window.
NO_ROOM: Final = 100
#: Seconds by which the clock may be set, and for how long it is told of.
CLOCK_STEP: Final = 10.0
CLOCK_MEMORY: Final = 3600.0
#: Bits of an RSA key.
RSA_BITS: Final = 2048
#: Names in a list among the facts.
LISTED: Final = 8

_WEAK_CIPHERS: Final = ("des", "rc2", "rc4", "cast5", "idea", "bf")
_WEAK_DIGESTS: Final = frozenset({"md4", "md5", "mdc2"})
_PYTHON: Final = {
    PythonReason.NOT_BUILT: "the compiled half is not there, or its OpenSSL 3 is not",
    PythonReason.SWITCHED_OFF: "TINCD_COMPAT_PURE is set",
}
_TOPOLOGY: Final = ("ADD_EDGE", "DEL_EDGE", "ADD_SUBNET", "DEL_SUBNET")


class ProblemFound(NamedTuple):
    """Something wrong; ``since`` is known by some rules only."""

    code: ProblemCode
    node: str | None
    text: str
    facts: Facts
    since: Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the rules look at; ``earlier`` is what was counted a window ago."""

    views: Views
    counters: Counters
    earlier: Counters | None = None
    #: What the kernel had lost of UDP a window ago.
    udp_lost_earlier: int | None = None
    cuts: Sequence[Cut] = field(default=())

    @property
    def now(self) -> Time:
        return self.views.now

    def grown(self, number: Callable[[Counters], int | None]) -> int:
        """Return by how much a counter has grown within the window; 0 if unknown."""
        if self.earlier is None:
            return 0
        return (number(self.counters) or 0) - (number(self.earlier) or 0)


#: A rule for the daemon and the mesh.  Where a table is long it yields None between.
Rule: TypeAlias = Callable[[Look], Iterable[ProblemFound | None]]
#: A rule for one other node, likewise.
NodeRule: TypeAlias = Callable[
    [Look, Node, TunnelView | None], Iterable[ProblemFound | None]
]


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
        facts: Facts = {"connect_to": names[:LISTED], "count": number}
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
        number, names = len(its), [refused.subnet for refused in its[:LISTED]]
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


# This host.


def device(look: Look) -> Iterator[ProblemFound]:
    error = look.views.own.device_error
    if error is not None:
        yield ProblemFound(ProblemCode.DEVICE, None, error, {"error": error})


def reload_failed(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    if own.reload_ok is False:
        text = f"the configuration is broken, the old one counts: {own.reload_error}"
        yield ProblemFound(
            ProblemCode.RELOAD_FAILED, None, text, {"error": own.reload_error}
        )


def own_suite(look: Look) -> Iterator[ProblemFound]:
    """``plaintext`` and ``weak-cipher`` of our own configuration."""
    suite = look.views.own.suite
    if suite is None:
        return
    facts: Facts = {
        "cipher": suite.cipher,
        "digest": suite.digest,
        "mac_length": suite.mac_length,
    }
    shape = suite.cipher, suite.digest, suite.mac_length
    if text := plain(*shape):
        yield ProblemFound(ProblemCode.PLAINTEXT, None, f"packets to us: {text}", facts)
    if text := weak(*shape):
        yield ProblemFound(
            ProblemCode.WEAK_CIPHER, None, f"packets to us: {text}", facts
        )


def plain(cipher: str, digest: str, mac_length: int) -> str:
    """Return what a suite lacks; empty for nothing."""
    lacks = ["not encrypted"] if cipher == "none" else []
    if digest == "none" or not mac_length:
        lacks.append("not authenticated")
    return ", ".join(lacks)


def weak(cipher: str, digest: str, mac_length: int) -> str:
    """Return what is weak about a suite; empty for nothing."""
    found = []
    if cipher.startswith(_WEAK_CIPHERS) or "-ecb" in cipher:
        found.append(cipher)
    if digest in _WEAK_DIGESTS:
        found.append(digest)
    if 0 < mac_length < 4 and digest != "none":
        found.append(f"a MAC of {count(mac_length, 'byte')}")
    return ", ".join(found)


def scripts(look: Look) -> Iterator[ProblemFound]:
    """``script-failed`` and ``script-slow``; both name all scripts in one."""
    bad = {ScriptResult.FAILED, ScriptResult.SIGNALLED, ScriptResult.NOT_STARTED}
    failed = [s for s in look.views.scripts if s.result in bad]
    if failed:
        said = [f"{s.name}{bracketed(s.text)}" for s in failed[:LISTED]]
        names: Facts = {"scripts": [script.name for script in failed[:LISTED]]}
        text = f"failed when they ran last: {', '.join(said)}"
        yield ProblemFound(ProblemCode.SCRIPT_FAILED, None, text, names)
    slow = [
        (script.running_since, script.name)
        for script in look.views.scripts
        if script.running_since is not None
        and look.now - script.running_since >= SLOW_SCRIPT
    ]
    if slow:
        names = {"scripts": [name for _, name in slow[:LISTED]]}
        text = f"running for long: {', '.join(name for _, name in slow[:LISTED])}"
        yield ProblemFound(ProblemCode.SCRIPT_SLOW, None, text, names, min(slow)[0])


def udp_buffer(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    wanted, granted = own.udp_buffer_wanted, own.udp_buffer_granted
    earlier, later = look.udp_lost_earlier, own.udp_lost
    lost = 0 if earlier is None or later is None else later - earlier
    facts: Facts = {"wanted": wanted, "granted": granted, "lost": lost}
    if lost >= NO_ROOM:
        text = f"{lost} datagrams found no room in the receive buffer"
        yield ProblemFound(ProblemCode.UDP_BUFFER, None, text, facts)
    elif wanted is not None and granted is not None and granted < wanted:
        text = f"the kernel granted {granted} of {wanted} bytes to receive UDP"
        yield ProblemFound(ProblemCode.UDP_BUFFER, None, text, facts)


def python_path(look: Look) -> Iterator[ProblemFound]:
    """Packets are slower than they could be; who chose the device or the mode knows."""
    why = look.views.own.python_why
    if why in _PYTHON:
        text = f"Python moves the packets: {_PYTHON[why]}"
        yield ProblemFound(ProblemCode.PYTHON_PATH, None, text, {"why": str(why)})


def clock(look: Look) -> Iterator[ProblemFound]:
    own = look.views.own
    step, at = own.clock_step, own.clock_set
    if step is None or at is None or abs(step) < CLOCK_STEP:
        return
    if look.now - at < CLOCK_MEMORY:
        text = f"the clock was set by {step:+.0f} s: times before are off by that"
        yield ProblemFound(ProblemCode.CLOCK, None, text, {"step": step}, at)


def log_suppressed(look: Look) -> Iterator[ProblemFound]:
    lines = look.grown(lambda counters: counters.log_suppressed)
    if lines > 0:
        text = f"{count(lines, 'line')} of the log left out, there were too many"
        yield ProblemFound(ProblemCode.LOG_SUPPRESSED, None, text, {"lines": lines})


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
            ends = sorted([*ends, edge.target.name])[:LISTED]
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
