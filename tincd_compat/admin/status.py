"""The verb ``status``: what is wrong first, then who is reached by which path."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from tincd_compat.admin import table
from tincd_compat.admin.audit import forward_secret
from tincd_compat.admin.problems import problem_lines
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import (
    UNKNOWN,
    Record,
    Style,
    age,
    clean,
    count,
    duration,
    milliseconds,
    number,
    size,
    spoken,
    wrap,
)

#: As many of the busiest nodes are shown without being asked for.
BUSIEST: Final = 5
#: As many nodes that are neither neighbours nor of a problem, and not reached by UDP.
UNUSUAL: Final = 20

_HEAD: Final = (
    *("NODE", "PATH", "RTT", "MTU", "SENT", "RECEIVED", "LAST PACKET", "SINCE"),
)
#: Names and paths give way where the terminal is narrow.
_FLEXIBLE: Final = (0, 1)
_LEAST: Final = (8,)
_WAYS: Final = {
    **{"udp": "udp", "tcp": "tcp", "none": "down", "self": "self"},
    # No packet has gone there, and the first one finds the way.
    "None": "idle",
}
_RELAYED: Final = {"relay_udp": "udp", "relay_tcp": "tcp"}
#: Paths of nodes that are not worth a line by themselves.
_USUAL: Final = ("udp", None)
SORTS: Final = ("rtt", "sent", "received", "since")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="show these alone")
    parser.add_argument("-a", "--all", action="store_true", help="show all nodes")
    parser.add_argument("--sort", choices=SORTS, help="in this order, most first")


def run(session: Session) -> int:
    """Show each net; 1 if one has a problem."""
    worst = FINE
    for place, client in enumerate(session.clients):
        status = client.one("status")
        if session.options.json:
            session.say(client.text(status))
            session.data(client.lines("nodes"))
        else:
            if place:
                session.say()
            nodes, links = client.many("nodes"), client.many("links")
            for line in render(
                status,
                with_links(nodes, links),
                session.now(),
                secret_links=len(forward_secret(links)),
                style=session.style,
                width=session.width,
                everything=session.options.all,
                only=session.options.nodes,
                sort=session.options.sort,
            ):
                session.say(line)
        worst = max(worst, FINDING if status.get("problems") else FINE)
    return worst


def render(
    status: Record,
    nodes: Sequence[Record],
    now: float,
    *,
    style: Style,
    width: int | None,
    secret_links: int = 0,
    everything: bool = False,
    only: Sequence[str] = (),
    sort: str | None = None,
) -> list[str]:
    """Return the text of one net; so many links are forward secret."""
    problems = status.get("problems") or []
    lines = [*_headline(status, now, secret_links, style, width)]
    counts = {} if everything else status.get("problem_counts") or {}
    lines += problem_lines(problems, counts, style, width)
    if only:
        shown = [node for node in nodes if node.get("name") in only]
        missing = sorted(set(only) - {node.get("name") for node in shown})
        lines += [style.warn(f"no node {clean(name)} is known") for name in missing]
    elif everything:
        shown = [node for node in nodes if not node.get("self")]
    else:
        shown = interesting(nodes, {problem.get("node") for problem in problems})
    if sort:
        shown = sorted(shown, key=_sort_key(sort, now))
    if shown:
        lines += ["", *_table(shown, now, style, width)]
    if not only:
        lines += _rest(nodes, shown, style)
    return lines


def _headline(
    status: Record, now: float, secret_links: int, style: Style, width: int | None
) -> list[str]:
    nodes = status.get("nodes") or {}
    known = int(number(nodes.get("known")) or 0)
    down = int(number(nodes.get("none")) or 0)
    words = [
        f"{clean(status.get('name'))}, {clean(status.get('mode'))} mode, "
        f"up {spoken(age(status.get('started'), now))}; "
        f"{known - down} of {count(known, 'node')} reachable, "
        f"{count(int(number(status.get('links')) or 0), 'link')}"
    ]
    if secret_links:
        # A mesh of tinc 1.0 has none, and need not read so every time.
        words[0] += f" ({secret_links} forward secret)"
    if status.get("reloaded"):
        words.append(f"reloaded {spoken(age(status['reloaded'], now))} ago")
    net = clean(status.get("net") or "tinc")
    first, *others = wrap(f"{net}: {', '.join(words)}", width, "  ")
    return [style.bold(net) + first[len(net) :], *others]


def interesting(nodes: Sequence[Record], troubled: Iterable[object]) -> list[Record]:
    """Return who is worth a line: neighbours, ConnectTo, trouble, odd, the busiest."""
    troubled = set(troubled)
    others = [node for node in nodes if not node.get("self")]
    busiest = sorted(others, key=lambda node: -traffic(node))[:BUSIEST]
    busy = {node.get("name") for node in busiest if traffic(node)}
    ranks: tuple[Callable[[Record], bool], ...] = (
        lambda node: bool(node.get("linked")),
        lambda node: bool(node.get("connect_to")),
        lambda node: node.get("name") in troubled,
        lambda node: node.get("path") not in _USUAL,
        lambda node: node.get("name") in busy,
    )
    groups: list[list[Record]] = [[] for _ in ranks]
    for node in sorted(others, key=lambda node: str(node.get("name"))):
        rank = next((y for y, test in enumerate(ranks) if test(node)), None)
        if rank is not None:
            groups[rank].append(node)
    # Whoever is down for years is no news, nor is one of five hundred relayed.
    groups[3] = groups[3][:UNUSUAL]
    return [node for group in groups for node in group]


def traffic(node: Record) -> float:
    """Return the bytes that the node has had of us and we of it."""
    both = (node.get("sent") or {}, node.get("received") or {})
    return sum(number(way.get("bytes")) or 0 for way in both)


def with_links(nodes: Sequence[Record], links: Sequence[Record]) -> list[Record]:
    """Return the nodes with what went over their links, too, in what they count.

    The record of a node has its datagrams alone.
    """
    carried = {link.get("name"): link for link in links if link.get("active")}
    return [
        {
            **node,
            **{
                way: _sum(node.get(way), carried[node.get("name")].get(way))
                for way in ("sent", "received")
            },
        }
        if node.get("name") in carried
        else node
        for node in nodes
    ]


def _sum(one: Record | None, other: Record | None) -> Record | None:
    if one is None or other is None:
        return one if other is None else other
    return {
        unit: (number(one.get(unit)) or 0) + (number(other.get(unit)) or 0)
        for unit in ("packets", "bytes")
    }


def _sort_key(sort: str, now: float) -> Callable[[Record], float]:
    def key(node: Record) -> float:
        if sort == "rtt":
            return -(_seconds(node)[0] or 0)
        if sort == "since":
            found = age(node.get("since"), now)
            return -found if found is not None else 1.0
        return -(number((node.get(sort) or {}).get("bytes")) or 0)

    return key


def _rest(nodes: Sequence[Record], shown: Sequence[Record], style: Style) -> list[str]:
    names = {node.get("name") for node in shown}
    left = Counter(
        _kind(node)
        for node in nodes
        if not node.get("self") and node.get("name") not in names
    )
    if not left:
        return []
    total = left.total()
    if len(left) == 1:
        words = f"{total} more, {'all ' if total > 1 else ''}{next(iter(left))}"
    else:
        parts = ", ".join(f"{amount} {kind}" for kind, amount in left.most_common())
        words = f"{total} more: {parts}"
    return [style.dim(f"… {words} (-a shows them)")]


def _kind(node: Record) -> str:
    path = str(node.get("path"))
    return f"{_RELAYED[path]} relayed" if path in _RELAYED else _WAYS.get(path, path)


def _table(
    nodes: Sequence[Record], now: float, style: Style, width: int | None
) -> list[str]:
    rows = [_HEAD, *(_row(node, now) for node in nodes)]

    def paint(y: int, x: int, text: str) -> str:
        if y == 0:
            return style.bold(text)
        path = nodes[y - 1].get("path")
        if path == "none":
            return style.bad(text) if x < 2 else text
        return style.warn(text) if x == 1 and path not in _USUAL else text

    return table.lines(rows, width, least=_LEAST, flexible=_FLEXIBLE, paint=paint)


def way(node: Record) -> str:
    """Return the path to a node in words: ``udp``, ``udp via bravo``, ``down``."""
    path = str(node.get("path"))
    if path not in _RELAYED:
        return clean(_WAYS.get(path, path))
    via = node.get("via")
    if via in (None, node.get("name")):
        via = node.get("nexthop")
    return f"{_RELAYED[path]} via {clean(via)}"


def round_trip(node: Record) -> str:
    """Return the round trip to a node; ``~`` marks a sum of weights."""
    seconds, is_measured = _seconds(node)
    if seconds is None:
        return UNKNOWN
    if is_measured:
        return milliseconds(seconds)
    return f"~{round(seconds * 1000)}ms"


def _seconds(node: Record) -> tuple[float | None, bool]:
    """Return the round trip in seconds, and whether it was measured."""
    path = node.get("path")
    if path in ("none", "self"):
        return None, False
    names = ("rtt_udp", "rtt_link") if path == "udp" else ("rtt_link",)
    if path in ("udp", "tcp"):
        for name in names:
            if (measured := number(node.get(name))) is not None:
                return measured, True
    weight = number(node.get("weight"))
    return (None if weight is None else weight / 1000), False


def _row(node: Record, now: float) -> tuple[str, ...]:
    is_up = node.get("path") != "none"
    sent, received = node.get("sent") or {}, node.get("received") or {}
    mtu = number(node.get("mtu"))
    return (
        clean(node.get("name")),
        way(node),
        round_trip(node),
        str(int(mtu)) if mtu is not None and is_up else UNKNOWN,
        size(sent.get("bytes")) if is_up else UNKNOWN,
        size(received.get("bytes")) if is_up else UNKNOWN,
        duration(age(node.get("last_packet"), now)),
        duration(age(node.get("since"), now)),
    )
