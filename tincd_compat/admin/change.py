"""Verbs that change a running daemon: signals, with an answer."""

from __future__ import annotations

import argparse
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import clean

_LEVELS: Final = ("0", "1", "2", "3", "4", "5")
_DONE: Final = {
    "reload": "The configuration was read again.",
    "retry": "All connections that are wanted are tried now.",
    "purge": "Nodes that cannot be reached are being forgotten.",
    "disconnect": "The connection is closed.",
    "log-level": "The log has another level now.",
}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.description = f"{parser.description} Takes root's rights."
    if verb == "disconnect":
        parser.add_argument("node", metavar="NODE", help="the neighbour")
    if verb == "log-level":
        parser.add_argument("level", choices=_LEVELS, metavar="LEVEL", help="0 to 5")


def run(session: Session) -> int:
    """Ask for the change, and tell the answer; 1 if the daemon says it has failed."""
    options = session.options
    client = session.only()
    answer = client.change(
        options.verb,
        node=getattr(options, "node", None),
        level=getattr(options, "level", None),
    )
    if options.json:
        session.say(Client.text(answer))
    else:
        session.say(clean(answer.get("text") or _DONE[options.verb]))
    return FINDING if answer.get("result") == "failed" or answer.get("error") else FINE
