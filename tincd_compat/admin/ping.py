"""The verb ``ping``: ask a node itself, and tell by which path each answer came.

The daemon sends the questions, one for each request: an MTU probe by UDP, or a PING
over the link with a neighbour whose packets go over TCP.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Final

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINDING, FINE, UNTOLD, Session
from tincd_compat.admin.text import Record, clean, count, milliseconds, number, wrap

#: Questions without ``-c``, and at most.
_COUNT: Final = 4
_MOST: Final = 1_000_000
#: Seconds between two questions without ``-i``, and at least; the daemon has a bound of
#: its own for all who ask.
_INTERVAL: Final = 1.0
_LEAST: Final = 0.1
#: What became of a question that cannot be asked; the first one says that of all.
_FINAL: Final = frozenset({"relayed", "self"})
#: How answers come, as ``status`` names the paths.
_CARRIERS: Final = {"udp": "udp", "tcp": "tcp (link)"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.description = f"{parser.description} Takes root's rights."
    parser.add_argument("node", metavar="NODE", help="the node")
    parser.add_argument(
        "-c",
        "--count",
        type=_whole,
        default=_COUNT,
        metavar="N",
        help="so many questions (%(default)s)",
    )
    parser.add_argument(
        "-i",
        "--interval",
        type=_seconds,
        default=_INTERVAL,
        metavar="S",
        help="seconds between two of them (%(default)g)",
    )


def _whole(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST}")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if _LEAST <= value < 1e6:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is no time of {_LEAST:g} s or more")


def run(session: Session) -> int:
    """Ask; 0 if any question was answered, 1 if none was, 2 if nothing can ask it."""
    options = session.options
    client = session.only()
    heard: list[Record] = []
    pace = paced(options.count, options.interval, time.monotonic, time.sleep)
    try:
        for turn in pace:
            record = client.change("ping", node=options.node)
            heard.append(record)
            if options.json:
                session.say(Client.text(record))
            else:
                for line in wrap(line_of(turn, record), session.width, " " * 5):
                    session.say(line)
            session.flush()
            if turn == 1 and record.get("result") in _FINAL:
                break
    except KeyboardInterrupt:
        # Whoever has seen enough still wants to know what it came to.
        pass
    if not options.json and len(heard) > 1:
        session.say(summary(heard))
    return status_of(heard)


def paced(
    turns: int,
    interval: float,
    clock: Callable[[], float],
    pause: Callable[[float], object],
) -> Iterator[int]:
    """Yield 1 to ``turns``, at least ``interval`` seconds apart."""
    for turn in range(1, turns + 1):
        began = clock()
        yield turn
        left = began + interval - clock()
        if turn < turns and left > 0:
            pause(left)


def line_of(turn: int, record: Record) -> str:
    """Return the line about one question."""
    words = clean(record.get("text") or record.get("result"))
    if record.get("result") != "answered":
        return f"{turn:3}  {words}"
    carrier = _CARRIERS.get(str(record.get("carrier")), "-")
    address = record.get("address") or {}
    where = f"  from {clean(address.get('host'))} port {clean(address.get('port'))}"
    took = milliseconds(record.get("rtt"))
    return f"{turn:3}  {took:>7}  by {carrier}{where if address else ''}"


def summary(records: list[Record]) -> str:
    """Return what all questions came to."""
    times = sorted(
        rtt
        for record in records
        if record.get("result") == "answered"
        and (rtt := number(record.get("rtt"))) is not None
    )
    answered = sum(record.get("result") == "answered" for record in records)
    text = f"{count(len(records), 'question')}, {count(answered, 'answer')}"
    if not times:
        return text
    middle = times[len(times) // 2]
    took = (milliseconds(each) for each in (times[0], middle, times[-1]))
    return f"{text}; least, median, most: {', '.join(took)}"


def status_of(records: list[Record]) -> int:
    """Return the exit status."""
    results = {record.get("result") for record in records}
    if "answered" in results:
        return FINE
    return FINDING if results & {"lost", "unreachable"} else UNTOLD
