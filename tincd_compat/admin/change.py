"""Verbs that change a running daemon: signals, with an answer."""

from __future__ import annotations

import argparse
import time
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.text import clean

#: A reload of many files takes a while; so often it is looked whether it is over.
_LOOKS: Final = 100
_PAUSE: Final = 0.1
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
    if options.verb == "reload":
        return _reload(session, client)
    answer = client.change(
        options.verb,
        node=getattr(options, "node", None),
        level=getattr(options, "level", None),
    )
    if options.json:
        session.say(Client.text(answer))
    else:
        session.say(clean(answer.get("text") or _DONE[options.verb]))
    return FINE


def _reload(session: Session, client: Client) -> int:
    """Have the files read, and wait until it is known how that went."""
    last = client.one("status").get("last_event")
    answer = client.change("reload")
    for _ in range(_LOOKS):
        events = client.many("events", since=str(last))
        told = next((each for each in events if each.get("kind") == "reload"), None)
        if told is not None:
            break
        time.sleep(_PAUSE)
    is_wrong = client.one("status").get("reload_ok") is False
    if session.options.json:
        session.say(Client.text(answer))
    else:
        session.say(clean((told or answer).get("text") or _DONE["reload"]))
    return FINDING if is_wrong else FINE
