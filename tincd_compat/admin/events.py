"""The verb ``events``: what happened, when, to whom and why."""

from __future__ import annotations

import argparse
import json
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINE, Session
from tincd_compat.admin.text import Record, Style, clean, moment, wrap

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
#: Kinds that tell of something lost, and of something found.
_LOSSES: Final = frozenset({"link-down", "unreachable", "problem", "drop"})
_GAINS: Final = frozenset({"link-up", "reachable", "start"})
#: Where the words begin, if the name is no longer than most.
_NAME: Final = 10
_KIND: Final = 11


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument("node", nargs="?", metavar="NODE", help="of this node alone")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on as events happen"
    )
    parser.add_argument(
        "--since",
        type=seconds,
        metavar="AGO",
        help="not older than this: 90s, 15m, 1h, 2d",
    )


def seconds(text: str) -> float:
    """Return the seconds of ``1h``."""
    unit = _UNITS.get(text[-1:], None)
    try:
        return float(text if unit is None else text[:-1]) * (unit or 1)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: a number and s, m, h, d or w"
        ) from None


def run(session: Session) -> int:
    """Print the events of each net, or follow those of one."""
    options = session.options
    now = session.now()
    since = None if options.since is None else timestamp(now - options.since)
    if options.follow:
        client = session.only()
        lines = client.follow("events", follow="1", since=since, node=options.node)
        for line in lines:
            _say(session, json.loads(line), line)
            session.flush()
        return FINE
    for client in session.clients:
        for record in client.many("events", since=since, node=options.node):
            _say(session, record, None)
    return FINE


def timestamp(when: float) -> str:
    """Return a time as records have it."""
    from time import gmtime, strftime

    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(when))


def _say(session: Session, record: Record, line: bytes | None) -> None:
    options = session.options
    if options.node is not None and record.get("node") not in (options.node, None):
        return
    if session.options.json:
        session.say(Client.text(record))
        return
    for text in render(record, session.now(), session.style, session.width):
        session.say(text)


def render(record: Record, now: float, style: Style, width: int | None) -> list[str]:
    """Return the lines of one event."""
    kind, node = clean(record.get("kind")), clean(record.get("node") or "")
    head = f"{_when(record.get('at'), now)}  {kind:{_KIND}}  "
    # A name belongs to the sentence where that begins with it.
    text = clean(record.get("text") or "")
    if node and not text.startswith(node):
        text = f"{node:{_NAME}} {text}" if len(node) <= _NAME else f"{node} {text}"
    first, *more = wrap(head + text, width, " " * len(head))
    painted = style.bad(kind) if record.get("kind") in _LOSSES else kind
    painted = style.good(kind) if record.get("kind") in _GAINS else painted
    return [first.replace(kind, painted, 1), *more]


def _when(text: object, now: float) -> str:
    """Return the time of an event; in the same form for all, to be compared."""
    then = moment(text)
    if then is None:
        return f"{'-':14}"
    from time import gmtime, strftime

    return strftime(
        "%d %b %H:%M:%S" if now - then < 3e7 else "%Y-%m-%d %H:%M", gmtime(then)
    )
