"""The checks of an explanation, each in the few words that fit into a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tincd_compat.admin.text import Record, age, clean, duration, number

#: What each check looks at.
LABELS: Final = {
    "subnet": "a node has the address",
    "owner": "one node alone owns it",
    "policy": "its subnets count here",
    "reachable": "it is reachable",
    "route": "a way leads there",
    "options": "both sides allow UDP",
    "key": "it has given us a key",
    "address": "its address is known",
    "probes": "probes are answered",
    "arrives": "its packets arrive by UDP",
    "mtu": "large packets get through",
    "queue": "its link takes what waits",
}
#: Checks that other sentences tell of, as long as nothing is wrong.
_SAID: Final = frozenset({"subnet", "owner", "policy", "reachable", "route", "queue"})

#: What the words of a check say before the reason.
_LOST: Final = " is unreachable: "

_SOURCES: Final = {
    "udp": "from its datagrams",
    "edge": "from its edge",
    "reflexive": "as another node sees it",
    "dialled": "as we have dialled it",
    "accepted": "as it has called us",
}


def is_worth_a_line(check: Record) -> bool:
    """Return whether a check is listed; what was skipped tells nothing."""
    result = check.get("result")
    return result == "here" or (result == "ok" and check.get("check") not in _SAID)


def detail(check: Record, now: float) -> str:
    """Return what a check has found, by its facts; else in its own words."""
    facts: Mapping[str, Any] = check.get("facts") or {}
    is_ok = check.get("result") == "ok"
    make = (_OK if is_ok else _HERE).get(str(check.get("check")))
    words = None if make is None else make(facts, now)
    if words is not None:
        return words
    text = clean(check.get("text"))
    # Whom all of this is about stands above; the whole sentence follows below.
    return text.partition(_LOST)[2] or text


def _options(facts: Mapping[str, Any], now: float) -> str:
    return "no TCPOnly, no IndirectData"


def _who_forbids(facts: Mapping[str, Any], now: float) -> str | None:
    by = facts.get("by")
    word = "TCPOnly" if facts.get("tcp_only") else "IndirectData"
    return None if by is None else f"{word} is set at {clean(by)}"


def _key(facts: Mapping[str, Any], now: float) -> str | None:
    if facts.get("cipher") is None:
        return None
    suite = f"{clean(facts['cipher'])} {clean(facts.get('digest'))}"
    suite += f"/{clean(facts.get('mac_length'))}"
    seconds = age(facts.get("since"), now)
    return suite if seconds is None else f"{suite}, {duration(seconds)} old"


def _address(facts: Mapping[str, Any], now: float) -> str | None:
    if facts.get("host") is None:
        return None
    place = f"{clean(facts['host'])} port {clean(facts.get('port'))}"
    source = _SOURCES.get(str(facts.get("source")))
    return place if source is None else f"{place}, {source}"


def _probes(facts: Mapping[str, Any], now: float) -> str | None:
    sent, answered = number(facts.get("sent")), number(facts.get("answered"))
    if not sent or answered is None:
        return None
    last = age(facts.get("last_answer"), now)
    words = f"{answered:.0f}" if answered else "none"
    words = f"{words} of {sent:.0f}"
    return words if last is None else f"{words}, the last {duration(last)} ago"


def _arrives(facts: Mapping[str, Any], now: float) -> str | None:
    seconds = age(facts.get("last_packet"), now)
    return None if seconds is None else f"last {duration(seconds)} ago"


def _mtu(facts: Mapping[str, Any], now: float) -> str | None:
    mtu, best = number(facts.get("mtu")), number(facts.get("best"))
    if mtu is None:
        return None
    words = f"{mtu:.0f} bytes"
    return f"{words}, once {best:.0f}" if best is not None and best > mtu else words


def _queue(facts: Mapping[str, Any], now: float) -> str | None:
    queued = number(facts.get("queued"))
    return None if queued is None else f"{queued:.0f} bytes wait"


_Detail = Callable[[Mapping[str, Any], float], str | None]
_OK: Final[Mapping[str, _Detail]] = {
    "options": _options,
    "key": _key,
    "address": _address,
    "probes": _probes,
    "arrives": _arrives,
    "mtu": _mtu,
}
_HERE: Final[Mapping[str, _Detail]] = {
    "options": _who_forbids,
    "probes": _probes,
    "arrives": _arrives,
    "mtu": _mtu,
    "queue": _queue,
}
