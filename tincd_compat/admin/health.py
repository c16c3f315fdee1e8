"""The verb ``health``: one line and an exit status, as Nagios and its kin expect."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from tincd_compat.admin.client import Client, Forbidden, RequestRefused, Unanswered
from tincd_compat.admin.session import Session
from tincd_compat.admin.text import Record, clean, count, number

OK: Final = 0
WARNING: Final = 1
CRITICAL: Final = 2
#: The exit status where it cannot be told.
FAILED: Final = 3

_WORDS: Final = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", FAILED: "UNKNOWN"}
#: Of two results the worse one counts; that nothing is known is worse than a warning.
_RANK: Final = (OK, WARNING, FAILED, CRITICAL)


class Health(NamedTuple):
    """What is wrong with one net."""

    result: int
    net: str
    text: str
    record: Record


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.epilog = "Exit status: 0 OK, 1 warning, 2 critical, 3 unknown."
    parser.add_argument(
        "--check",
        choices=("live", "ready"),
        help="live: the daemon answers; ready: and it has a link to its mesh",
    )
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NODE",
        help="this node has to be reachable; may be given several times",
    )


def run(session: Session) -> int:
    """Check each net; the worst result is the exit status."""
    try:
        clients = session.clients
    except Unanswered as error:
        return _tell(session, [unanswered("", error)])
    return _tell(session, [_asked(client, session.options) for client in clients])


def _asked(client: Client, options: argparse.Namespace) -> Health:
    try:
        status = client.one("status")
        nodes = [(name, _node(client, name)) for name in options.node]
    except Unanswered as error:
        return unanswered(client.net, error)
    return judge(client.net, status, options.check, nodes)


def _node(client: Client, name: str) -> Record | None:
    try:
        found = client.many("nodes", node=name)
    except RequestRefused as error:
        if error.status == 404:
            return None
        raise
    return found[0] if found else None


def unanswered(net: str, error: Unanswered) -> Health:
    """Return the health of a net that cannot be asked; one that is down is critical."""
    result = FAILED if isinstance(error, Forbidden) else CRITICAL
    text = clean(error)
    return Health(result, net, text, _record(net, result, None, text, []))


def judge(
    net: str,
    status: Record,
    check: str | None,
    nodes: Sequence[tuple[str, Record | None]] = (),
) -> Health:
    """Return the health of a net by its records."""
    problems = [] if check == "live" else list(status.get("problems") or [])
    if check == "ready":
        problems = [one for one in problems if one.get("severity") == "critical"]
        if _has_no_link(status) and not problems:
            problems = [
                {
                    "code": "no-link",
                    "severity": "critical",
                    "text": "no link to anybody",
                }
            ]
    for name, node in nodes:
        if node is None or not (node.get("self") or node.get("reachable")):
            words = "is not known" if node is None else "cannot be reached"
            problems.append(
                {
                    "code": "unreachable",
                    "severity": "critical",
                    "node": name,
                    "text": f"{name} {words}",
                }
            )
    result = OK
    if problems:
        is_critical = any(one.get("severity") == "critical" for one in problems)
        result = CRITICAL if is_critical else WARNING
    text = _summary(status, problems)
    return Health(result, net, text, _record(net, result, check, text, problems))


def _has_no_link(status: Record) -> bool:
    """Return whether a node that knows or wants others has no link to any.

    With its last link a daemon forgets all others, but not its ConnectTo.
    """
    known = number((status.get("nodes") or {}).get("known")) or 0
    wanted = status.get("connect_to") or ()
    return (known > 0 or len(wanted) > 0) and not number(status.get("links"))


def _summary(status: Record, problems: Sequence[Record]) -> str:
    if not problems:
        nodes = status.get("nodes") or {}
        known = int(number(nodes.get("known")) or 0)
        up = known - int(number(nodes.get("none")) or 0)
        links = count(int(number(status.get("links")) or 0), "link")
        return f"{up} of {count(known, 'node')} reachable, {links}"
    ordered = sorted(problems, key=lambda one: one.get("severity") != "critical")
    parts = []
    for problem in ordered:
        node, text = problem.get("node"), clean(problem.get("text"))
        has_name = node is None or text.startswith(clean(node))
        parts.append(text if has_name else f"{clean(node)}: {text}")
    return "; ".join(parts)


def _record(
    net: str,
    result: int,
    check: str | None,
    text: str,
    problems: Sequence[Record],
) -> Record:
    return {
        "record": "health",
        "net": net or None,
        "check": check,
        "result": _WORDS[result].lower(),
        "text": text,
        "problems": list(problems),
    }


def _tell(session: Session, found: Sequence[Health]) -> int:
    """Print what was found, without ``|``: behind that Nagios expects figures."""
    for health in found:
        if session.options.json:
            session.say(Client.text(health.record))
            continue
        name = f"tinc.{clean(health.net)}" if health.net else "tinc"
        text = health.text.replace("|", "/")
        line = f"{_WORDS[health.result]} - {name}: {text}"
        session.say(_painted(session, health.result, line))
    sys.stdout.flush()
    return max((health.result for health in found), key=_RANK.index)


def _painted(session: Session, result: int, line: str) -> str:
    style = session.style
    if result == OK:
        return style.good(line)
    return style.bad(line) if result == CRITICAL else style.warn(line)
