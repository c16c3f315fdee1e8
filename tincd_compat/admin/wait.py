"""The verb ``wait``: come back when nodes can be reached, for boot scripts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat.admin.client import Client, Forbidden, Unanswered
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import Record, clean, number

#: So long between two questions.
_PAUSE: Final = 0.2
#: So long without ``--timeout``.
_TIMEOUT: Final = 60.0


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NODE",
        help="this node; without, any other node",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT,
        metavar="S",
        help="seconds to wait at most (%(default).0f)",
    )


def run(session: Session) -> int:
    """Wait; 0 when all are reached, 1 if the time has passed."""
    options = session.options
    missing, record = patiently(
        lambda: look(session.find, options.node),
        options.timeout,
        time.monotonic,
        time.sleep,
    )
    if options.json:
        session.say(Client.text(record))
    elif missing:
        session.say(f"not there after {options.timeout:g} s: {missing}")
    return FINDING if missing else FINE


def patiently(
    look: Callable[[], tuple[str, Record]],
    timeout: float,
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> tuple[str, Record]:
    """Return what ``look`` says when nothing is missing, or in the end."""
    end = clock() + timeout
    while True:
        missing, record = look()
        left = end - clock()
        if not missing or left <= 0:
            return missing, record
        pause(min(_PAUSE, left))


def look(
    clients: Callable[[], Sequence[Client]], names: list[str]
) -> tuple[str, Record]:
    """Return what is missing, in words, and the record of it."""
    missing: list[str] = []
    try:
        for client in clients():
            missing += _missing(client, names)
    except Forbidden:
        raise
    except Unanswered as error:
        missing = [str(error)]
    record = {
        "record": "wait",
        "nodes": names,
        "ready": not missing,
        "missing": missing,
    }
    return ", ".join(map(clean, missing)), record


def _missing(client: Client, names: list[str]) -> list[str]:
    if not names:
        nodes = client.one("status").get("nodes") or {}
        reached = (number(nodes.get("known")) or 0) - (number(nodes.get("none")) or 0)
        return [] if reached > 0 else ["any other node"]
    nodes = {node.get("name"): node for node in client.many("nodes")}
    return [
        name
        for name in names
        if not (node := nodes.get(name))
        or not (node.get("reachable") or node.get("self"))
    ]
