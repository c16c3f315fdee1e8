"""The sentence of each event, made of its facts when somebody reads it.

Whoever reports an event gives words of the vocabularies and facts, no text: so nothing
is formatted for nobody, and all that a sentence says is in a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from tincd_compat.observe.codec import Fact, Facts
from tincd_compat.observe.words import (
    DialResult,
    DropReason,
    EventKind,
    KeyReason,
    LinkEnd,
    PathReason,
    ProblemCode,
    ScriptResult,
    SubnetReason,
    Unreachable,
)

#: Makes a sentence of the node's name, or ``?``, the reason and the facts.
_Say: TypeAlias = Callable[[str, str, Facts], str]


class Shape(NamedTuple):
    """What an event of a kind has: the words of ``reason`` and the keys of ``facts``.

    Each key is there; its value may be None.
    """

    reasons: type[StrEnum] | None
    facts: tuple[str, ...]
    say: _Say


LINK_ENDS: Final[Mapping[LinkEnd, str]] = {
    LinkEnd.CLOSED: "the peer closed it",
    LinkEnd.RESET: "it was reset",
    LinkEnd.IO_ERROR: "reading or writing failed",
    LinkEnd.PING_TIMEOUT: "no answer to PING",
    LinkEnd.AUTH_TIMEOUT: "the handshake took too long",
    LinkEnd.WRONG_KEY: "wrong key",
    LinkEnd.IDENTITY: "the peer is not who it should be",
    LinkEnd.INCOMPATIBLE: "the peer speaks another protocol or cipher",
    LinkEnd.PROTOCOL: "the peer sent what is no message",
    LinkEnd.NOT_FLUSHED: "the peer did not read",
    LinkEnd.OVERFLOW: "too much waited for the peer",
    LinkEnd.UPGRADED: "Ed25519 keys were exchanged",
    LinkEnd.REPLACED: "a newer connection took its place",
    LinkEnd.RELOADED: "its host file was changed",
    LinkEnd.ASKED: "an operator asked for it",
    LinkEnd.CROWDED: "too many callers",
    LinkEnd.INTERNAL: "an error of this program",
    LinkEnd.STOP: "the daemon stops",
}

DIALS: Final[Mapping[DialResult, str]] = {
    DialResult.OK: "connected",
    DialResult.REFUSED: "connection refused",
    DialResult.TIMEOUT: "no answer",
    DialResult.UNREACHABLE: "no way there",
    DialResult.NAME: "the name does not resolve",
    DialResult.HOST_FILE: "its host file gives no address",
    DialResult.PROXY: "the proxy did not connect",
    DialResult.CLOSED: "closed during the handshake",
    DialResult.AUTH_TIMEOUT: "the handshake took too long",
    DialResult.WRONG_KEY: "wrong key",
    DialResult.INCOMPATIBLE: "somebody else is there, or speaks otherwise",
    DialResult.ERROR: "an error of the system",
}

PATHS: Final[Mapping[PathReason, str]] = {
    PathReason.REACHABLE: "it became reachable",
    PathReason.UNREACHABLE: "it became unreachable",
    PathReason.PROBES_ANSWERED: "UDP probes are answered",
    PathReason.NO_ANSWER: "no answer to UDP probes",
    PathReason.KEY: "it has given us a key",
    PathReason.NO_KEY: "we have no key of it",
    PathReason.GRAPH: "the way in the graph changed",
    PathReason.OPTIONS: "TCPOnly changed",
}

LOSSES: Final[Mapping[Unreachable, str]] = {
    Unreachable.LINK_DOWN: "our link with it ended",
    Unreachable.EDGE_GONE: "its neighbour has lost it",
    Unreachable.CUT_OFF: "a node on the way is gone",
}

SCRIPTS: Final[Mapping[ScriptResult, str]] = {
    ScriptResult.OK: "done",
    ScriptResult.FAILED: "failed",
    ScriptResult.SIGNALLED: "ended by a signal",
    ScriptResult.NOT_STARTED: "could not be started",
    ScriptResult.OVERDUE: "still runs, others no longer wait for it",
    ScriptResult.LEFT_OUT: "left out, too many wait",
}


def shown(fact: Fact) -> str:
    """Return a fact as a part of a sentence."""
    if isinstance(fact, list):
        return ", ".join(fact)
    return "?" if fact is None else str(fact)


def bracketed(*facts: Fact) -> str:
    """Return the facts that are known, in brackets, behind a blank."""
    known = [shown(fact) for fact in facts if fact not in (None, "", [])]
    return f" ({', '.join(known)})" if known else ""


def place(facts: Facts) -> str:
    """Return the address among the facts."""
    if facts.get("host") is None:
        return ""
    return f"{facts['host']} port {shown(facts.get('port'))}"


def duration(seconds: Fact) -> str:
    """Return ``47 min`` and the like; empty if it is not known."""
    if not isinstance(seconds, int | float):
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def count(number: Fact, one: str) -> str:
    """Return ``1 event``, ``2 events``."""
    return f"{shown(number)} {one}" if number == 1 else f"{shown(number)} {one}s"


def _words(table: Mapping[Any, str], reason: str) -> str:
    return table.get(reason, reason)


def _start(node: str, reason: str, facts: Facts) -> str:
    return f"the daemon started, version {shown(facts.get('version'))}"


def _reload(node: str, reason: str, facts: Facts) -> str:
    if not facts.get("ok"):
        why = shown(facts.get("error"))
        return f"the configuration is broken, the old one counts: {why}"
    waiting = facts.get("waiting")
    rest = f"; {shown(waiting)} with the next start" if waiting else ""
    return f"the configuration was read again{rest}"


def _link_up(node: str, reason: str, facts: Facts) -> str:
    opened = "opened by us" if facts.get("opened") == "us" else "opened by it"
    return f"linked with {node}{bracketed(place(facts), opened)}"


def _link_down(node: str, reason: str, facts: Facts) -> str:
    why = f"{_words(LINK_ENDS, reason)}{bracketed(facts.get('words'))}"
    time = duration(facts.get("seconds"))
    after = f" after {time}" if time else ""
    whom = node if node != "?" else f"a caller{bracketed(place(facts))}"
    if not facts.get("active"):
        return f"no link with {whom}: {why}"
    return f"link with {whom} ended{after}: {why}"


def _dial(node: str, reason: str, facts: Facts) -> str:
    wait = duration(facts.get("wait"))
    rest = f"; next try in {wait}" if wait else ""
    what = f"{_words(DIALS, reason)}{bracketed(place(facts), facts.get('words'))}"
    return f"ConnectTo {node}: {what}{rest}"


def _path(node: str, reason: str, facts: Facts) -> str:
    before, now = facts.get("before"), shown(facts.get("now"))
    way = now if before in (None, now) else f"{before} → {now}"
    via = facts.get("via")
    through = f" through {via}" if via not in (None, node) else ""
    return f"{node}: {way}{through} ({_words(PATHS, reason)})"


def _mtu(node: str, reason: str, facts: Facts) -> str:
    before, now = facts.get("before"), facts.get("now")
    return f"{node}: MTU {shown(now)}" + (f", was {before}" if before else "")


def _key(node: str, reason: str, facts: Facts) -> str:
    suite = f"{shown(facts.get('cipher'))} {shown(facts.get('digest'))}"
    if reason == KeyReason.GIVEN:
        return f"{node} has given us a key: {suite}"
    if reason == KeyReason.UNUSABLE:
        why = shown(facts.get("words"))
        return f"{node} has given us a key that we cannot use: {why}"
    return f"the key of {node} is void"


def _reachable(node: str, reason: str, facts: Facts) -> str:
    nexthop = facts.get("nexthop")
    way = f" through {nexthop}" if nexthop not in (None, node) else ""
    return f"{node} became reachable{way}"


def _unreachable(node: str, reason: str, facts: Facts) -> str:
    by = facts.get("by")
    return f"{node} became unreachable: {_words(LOSSES, reason)}{bracketed(by)}"


def _subnet(node: str, reason: str, facts: Facts) -> str:
    subnet, by = shown(facts.get("subnet")), facts.get("by")
    if reason == SubnetReason.REFUSED:
        return f"{subnet} of {node} does not count: {shown(by)}"
    return f"{node} {'has' if reason == SubnetReason.ADDED else 'lost'} {subnet}"


def _address(node: str, reason: str, facts: Facts) -> str:
    before = facts.get("before")
    was = f", was at {before}" if before else ""
    return f"{node} is at {place(facts) or 'no known address'}{was}"


def _script(node: str, reason: str, facts: Facts) -> str:
    what = f"{_words(SCRIPTS, reason)}{bracketed(facts.get('words'))}"
    return f"script {shown(facts.get('script'))}: {what}"


def _graph(node: str, reason: str, facts: Facts) -> str:
    runs = count(facts.get("runs"), "run")
    return f"a storm of changes: {runs} in {duration(facts.get('seconds'))}"


def _drop(node: str, reason: str, facts: Facts) -> str:
    packets = count(facts.get("count"), "packet")
    return f"{packets} dropped in {duration(facts.get('seconds'))}: {reason}"


def _problem(node: str, reason: str, facts: Facts) -> str:
    about = "" if node == "?" else f" of {node}"
    if facts.get("over"):
        return f"over: {reason}{about}"
    return f"{reason}{about}: {shown(facts.get('words'))}"


def _counted(node: str, reason: str, facts: Facts) -> str:
    about = "" if node == "?" else f" of {node}"
    return f"{count(facts.get('count'), 'earlier event')}{about} not kept"


def _gap(node: str, reason: str, facts: Facts) -> str:
    return f"{count(facts.get('missed'), 'event')} missed"


_PLACE: Final = ("host", "port")

SHAPES: Final[Mapping[EventKind, Shape]] = {
    EventKind.START: Shape(None, ("version", "pid"), _start),
    EventKind.RELOAD: Shape(None, ("ok", "error", "waiting"), _reload),
    EventKind.LINK_UP: Shape(None, (*_PLACE, "opened", "weight"), _link_up),
    EventKind.LINK_DOWN: Shape(
        LinkEnd, (*_PLACE, "opened", "active", "seconds", "words"), _link_down
    ),
    EventKind.DIAL: Shape(DialResult, (*_PLACE, "words", "wait"), _dial),
    EventKind.PATH: Shape(PathReason, ("before", "now", "via", "nexthop"), _path),
    EventKind.MTU: Shape(None, ("before", "now"), _mtu),
    EventKind.KEY: Shape(
        KeyReason, ("cipher", "digest", "mac_length", "compression", "words"), _key
    ),
    EventKind.REACHABLE: Shape(None, ("nexthop",), _reachable),
    EventKind.UNREACHABLE: Shape(Unreachable, ("by",), _unreachable),
    EventKind.SUBNET: Shape(SubnetReason, ("subnet", "by"), _subnet),
    EventKind.ADDRESS: Shape(None, (*_PLACE, "before", "source"), _address),
    EventKind.SCRIPT: Shape(ScriptResult, ("script", "seconds", "words"), _script),
    EventKind.GRAPH: Shape(None, ("runs", "deferred", "seconds"), _graph),
    EventKind.DROP: Shape(DropReason, ("count", "seconds"), _drop),
    EventKind.PROBLEM: Shape(ProblemCode, ("over", "severity", "words"), _problem),
    EventKind.COUNTED: Shape(None, ("count",), _counted),
    EventKind.GAP: Shape(None, ("missed",), _gap),
}


def sentence(
    kind: EventKind, node: str | None, reason: str | None, facts: Facts
) -> str:
    """Return the text of an event."""
    return SHAPES[kind].say(node or "?", reason or "", facts)
