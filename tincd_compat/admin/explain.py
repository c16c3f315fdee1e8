"""The verb ``explain``: why packets go as they go, in the order of their way."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tincd_compat.admin import routes
from tincd_compat.admin.client import Client
from tincd_compat.admin.findings import LABELS, detail, is_worth_a_line
from tincd_compat.admin.kernel import HostCheck, kernel_checks
from tincd_compat.admin.session import FINDING, FINE, Session
from tincd_compat.admin.status import way
from tincd_compat.admin.text import (
    Record,
    Style,
    clean,
    clock,
    milliseconds,
    number,
    wrap,
)

#: The result of a check stands in this column, or where the terminal ends before.
_RESULTS: Final = 74
_HERE: Final = "<-- here"
#: What a check finds stands in this column, behind what it looks at.
_FOUND: Final = 29

#: Checks that come before the sentence about the path, with their own words.
_BEFORE: Final = {"kernel-route": "Kernel", "device": "Device"}
#: Checks whose words open the text.
_OPENING: Final = ("subnet", "owner")
_PATHS: Final = {
    "udp": "by UDP",
    "tcp": "over TCP",
    "relay_udp": "by UDP",
    "relay_tcp": "over TCP",
}
#: As many of its last events close the text.
_EVENTS: Final = 3


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "to", metavar="NODE|ADDRESS", help="a node's name, or an address in the mesh"
    )


def run(session: Session) -> int:
    """Explain in each net that is meant; 1 if a cause was found."""
    result = FINE
    for place, client in enumerate(session.clients):
        if place and not session.options.json:
            session.say()
        result = max(result, _explain(session, client))
    return result


def _explain(session: Session, client: Client) -> int:
    found = client.one("explain", to=session.options.to)
    status, links = client.one("status"), client.many("links")
    interface = status.get("interface")
    subnets = _subnets(client, found.get("node"))
    found = with_kernel(found, kernel_checks(found, subnets, interface, routes.run))
    if session.options.json:
        session.say(Client.text(found))
    else:
        for line in render(
            found, links, session.now(), style=session.style, width=session.width
        ):
            session.say(line)
    return FINDING if found.get("cause") else FINE


def _subnets(client: Client, node: object) -> Sequence[str]:
    """Return the subnets of a node as text."""
    if not isinstance(node, str):
        return ()
    found = client.many("nodes", node=node)
    return list(found[0].get("subnets") or ()) if found else ()


def with_kernel(explanation: Record, host: Sequence[HostCheck]) -> Record:
    """Return the explanation with what the host has found before the daemon's checks.

    The first finding is the cause; what the kernel keeps from the daemon is the first.
    """
    checks = [found.check for found in host]
    both = {**explanation, "checks": [*checks, *(explanation.get("checks") or [])]}
    for found in host:
        if found.cause is not None:
            return {**both, "cause": found.cause, "command": found.command}
    return both


def render(
    explanation: Record,
    links: Sequence[Record],
    now: float,
    *,
    style: Style,
    width: int | None,
) -> list[str]:
    """Return the text of an explanation."""
    checks = {str(check.get("check")): check for check in explanation["checks"]}
    writer = _TextWriter(style, width)
    writer.say(_opening(explanation, checks))
    for name, label in _BEFORE.items():
        if name in checks and checks[name].get("result") != "skipped":
            writer.result(f"{label}: {clean(checks[name].get('text'))}", checks[name])
    writer.say(_path(explanation, now))
    for line in _links(explanation, links):
        writer.say(line, "  ", "    ")
    shown = [check for check in explanation["checks"] if _is_shown(check)]
    if shown:
        writer.say(style.bold(_title(explanation)))
        for check in shown:
            name = str(check["check"])
            writer.check(LABELS.get(name, name), detail(check, now), check)
    _conclude(writer, explanation)
    writer.say(_fallback(explanation))
    writer.say(_before(explanation, now))
    return writer.lines


class _TextWriter:
    """Lines of text, each no wider than the terminal."""

    def __init__(self, style: Style, width: int | None) -> None:
        self.lines: list[str] = []
        self._style = style
        self._width = width
        room = _RESULTS if width is None else min(_RESULTS, width - len(_HERE))
        self._results = max(room, _FOUND + 10)

    def say(self, text: str, indent: str = "", further: str = "  ") -> None:
        if text:
            lines = wrap(f"{indent}{text}", self._width, further)
            self.lines += lines

    def result(self, text: str, check: Record) -> None:
        """Write text with the result of a check at the right."""
        *lines, last = wrap(text, self._results - 1, "  ")
        self.lines += [*lines, f"{last:{self._results}}{self._mark(check)}"]

    def check(self, label: str, found: str, check: Record) -> None:
        """Write what was looked at, what was found, and the result."""
        room = self._results - _FOUND - 1
        first, *more = wrap(found, room, "")
        head = f"  {label:{_FOUND - 2}}"
        self.lines.append(f"{head + first:{self._results}}{self._mark(check)}")
        self.lines += [f"{'':{_FOUND}}{line}" for line in more]

    def _mark(self, check: Record) -> str:
        result = check.get("result")
        if result == "here":
            return self._style.bad(_HERE)
        return self._style.good("ok") if result == "ok" else self._style.dim("-")


def _is_shown(check: Record) -> bool:
    """Return whether a check is one of the list, and not said before."""
    return check.get("check") not in _BEFORE and is_worth_a_line(check)


def _opening(explanation: Record, checks: Mapping[str, Record]) -> str:
    """Return the sentence about the address and who owns it."""
    said = [
        clean(checks[name].get("text"))
        for name in _OPENING
        if name in checks and checks[name].get("result") == "ok"
    ]
    if len(said) == 2 and said[0].endswith(")"):
        return f"{said[0][:-1]}; {said[1]})."
    return " ".join(map(_sentence, said))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _path(explanation: Record, now: float) -> str:
    """Return the sentence about the path of today."""
    node, path = explanation.get("node"), explanation.get("path")
    if node is None:
        return ""
    since = _since(explanation, now)
    if path == "self":
        return f"{clean(node)} is this node."
    if path == "none":
        return f"{clean(node)} cannot be reached{since}."
    if path is None:
        return f"{clean(node)} is reachable; no packet has gone there yet."
    words = f"{clean(node)} is reachable; packets travel {_PATHS.get(path, path)}"
    if path in ("relay_udp", "relay_tcp"):
        words += f" {way({**explanation, 'name': node}).partition(' ')[2]}"
    rtt = number(explanation.get("rtt"))
    if rtt is not None:
        words += f", {_rounded(rtt)}"
    return f"{words}{',' if since else ''}{since}."


def _rounded(seconds: float) -> str:
    """Return a round trip within a sentence: ``48 ms``."""
    text = milliseconds(seconds)
    for unit in ("ms", "s"):
        if text.endswith(unit):
            return f"{text.removesuffix(unit).removesuffix('.0')} {unit}"
    return text


def _since(explanation: Record, now: float) -> str:
    since = explanation.get("since")
    return f" since {clock(since, now)}" if since else ""


def _links(explanation: Record, links: Sequence[Record]) -> list[str]:
    """Return the way, and our own link at its beginning."""
    names = [clean(name) for name in explanation.get("way") or ()]
    if len(names) < 2:
        return []
    text = " → ".join(names)
    first = explanation["way"][1]
    for link in links:
        if link.get("name") == first and link.get("active"):
            text += f", link {_address(link.get('address') or {})}, opened by "
            text += "us" if link.get("opened") == "us" else clean(first)
            text += " (ConnectTo)" if link.get("connect_to") else ""
    return [text]


def _address(address: Record) -> str:
    return f"{clean(address.get('host'))} port {clean(address.get('port'))}"


def _title(explanation: Record) -> str:
    """Return the question that the checks answer."""
    path = explanation.get("path")
    if path == "none" or explanation.get("node") is None:
        return "Why not at all"
    if path in ("tcp", "relay_tcp"):
        return "Why not UDP"
    return "Why not directly" if path == "relay_udp" else "What was looked at"


def _conclude(writer: _TextWriter, explanation: Record) -> None:
    """Write the cause, and the command that shows more of it."""
    cause: Any = explanation.get("cause")
    if not cause:
        return
    writer.say(_sentence(clean(cause.get("text"))), "  ", "  ")
    if explanation.get("command"):
        # A command is one line, to be copied.
        writer.lines.append(f"  Look there: {clean(explanation['command'])}")


def _fallback(explanation: Record) -> str:
    """Return what happens if the first link of the way breaks."""
    fallback: Any = explanation.get("fallback")
    if not fallback:
        return ""
    nexthop, weight = fallback.get("nexthop"), number(fallback.get("weight"))
    if nexthop is None:
        return "If this link breaks: there is no other way."
    words = f"If this link breaks: through {clean(nexthop)}"
    today = number(explanation.get("weight"))
    if weight is not None and today is not None:
        words += f", weight {weight:.0f} instead of {today:.0f}"
    return f"{words}."


def _before(explanation: Record, now: float) -> str:
    """Return the last events of the node, the newest first."""
    events = list(explanation.get("events") or ())[:_EVENTS]
    if not events:
        return ""
    node = clean(explanation.get("node") or explanation.get("to"))
    told = []
    for event in events:
        text = clean(event.get("text")).removeprefix(f"{node}: ").rstrip(".")
        told.append(f"{clock(event.get('at'), now)} {text}")
    return f"Before: {'; '.join(told)}"
