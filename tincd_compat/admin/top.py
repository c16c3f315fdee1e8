"""The verb ``top``: traffic by node, live, with keys to sort by."""

from __future__ import annotations

import argparse
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from tincd_compat.admin.client import Client
from tincd_compat.admin.session import FINE, UNTOLD, Session
from tincd_compat.admin.status import round_trip, way
from tincd_compat.admin.text import Record, clean, number
from tincd_compat.errors import TincError

if TYPE_CHECKING:
    from rich.table import Table

#: Key to the column that it sorts by.
KEYS: Final = {"s": "SENT/S", "r": "RECEIVED/S", "t": "RTT", "n": "NODE"}
_QUIT: Final = frozenset({"q", "\x03", "\x04", "\x1b"})
_COLUMNS: Final = ("NODE", "PATH", "RTT", "SENT/S", "RECEIVED/S", "PACKETS/S")
_UNITS: Final = ("", "k", "M", "G", "T")


class Row(NamedTuple):
    """One node and what it moved in the last second; None is not known."""

    node: Record
    sent: float | None
    received: float | None
    packets: float | None


class NoRich(TincError):
    """The library that draws is not installed."""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.epilog = (
        "Keys: s by bits sent, r by bits received, t by round trip, n by name, q quit."
    )
    parser.add_argument(
        "--delay",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds between two looks (%(default).0f)",
    )


def run(session: Session) -> int:
    """Draw until a key ends it; with ``--json`` print the rates once."""
    delay = max(session.options.delay, 0.1)
    client = session.only()
    if session.options.json:
        before = client.many("nodes")
        started = time.monotonic()
        time.sleep(delay)
        for row in rows(before, client.many("nodes"), time.monotonic() - started):
            session.say(Client.text(record(row)))
        return FINE
    if session.width is None:
        session.say("top needs a terminal; for figures see: tincd-compat top --json")
        return UNTOLD
    try:
        _draw(client, delay)
    except ImportError:
        raise NoRich(
            "top needs the library rich: pip install 'tincd-compat[top]'"
        ) from None
    return FINE


def rows(
    before: Sequence[Record], after: Sequence[Record], seconds: float
) -> list[Row]:
    """Return each node but this one, with what it has moved since ``before``."""
    earlier = {node.get("name"): node for node in before}
    return [
        _row(earlier.get(node.get("name")), node, seconds)
        for node in after
        if not node.get("self")
    ]


def _row(before: Record | None, after: Record, seconds: float) -> Row:
    sent, received = (
        _rate(before, after, (each,), "bytes", seconds) for each in ("sent", "received")
    )
    packets = _rate(before, after, ("sent", "received"), "packets", seconds)
    return Row(
        after,
        None if sent is None else 8 * sent,
        None if received is None else 8 * received,
        packets,
    )


def _rate(
    before: Record | None,
    after: Record,
    ways: Sequence[str],
    unit: str,
    seconds: float,
) -> float | None:
    """Return so much a second; None for a node that is new, or counts anew."""
    if before is None or seconds <= 0:
        return None
    total = 0.0
    for each in ways:
        old = number((before.get(each) or {}).get(unit))
        new = number((after.get(each) or {}).get(unit))
        if old is None or new is None or new < old:
            return None
        total += new - old
    return total / seconds


def record(row: Row) -> Mapping[str, object]:
    """Return the record of a row."""
    return {
        "record": "rate",
        "node": row.node.get("name"),
        "sent_bits_per_second": row.sent,
        "received_bits_per_second": row.received,
        "packets_per_second": row.packets,
    }


def ordered(found: Sequence[Row], column: str) -> list[Row]:
    """Return the rows by a column, the most first, and then by name."""

    def key(row: Row) -> tuple[float, str]:
        name = str(row.node.get("name"))
        value = {
            "SENT/S": row.sent,
            "RECEIVED/S": row.received,
            "RTT": number(row.node.get("rtt_udp")) or number(row.node.get("rtt_link")),
        }.get(column)
        return (-(value if value is not None else -1.0), name)

    return sorted(found, key=key)


def cells(row: Row) -> tuple[str, ...]:
    """Return the text of a row."""
    packets = "-" if row.packets is None else f"{row.packets:.0f}"
    return (
        clean(row.node.get("name")),
        way(row.node),
        round_trip(row.node),
        bits(row.sent),
        bits(row.received),
        packets,
    )


def bits(rate: float | None) -> str:
    """Return bits a second in decimal units, as lines are sold: ``1.2 Mbit``."""
    if rate is None:
        return "-"
    unit = 0
    while rate >= 999.5 and unit < len(_UNITS) - 1:
        rate /= 1000
        unit += 1
    figure = f"{rate:.1f}" if unit and rate < 9.95 else f"{rate:.0f}"
    return f"{figure} {_UNITS[unit]}bit"


def _draw(client: Client, delay: float) -> None:
    """Draw again and again, until a key ends it."""
    from rich.live import Live

    column = "SENT/S"
    before, started = client.many("nodes"), time.monotonic()
    with _keys() as key, Live(screen=True, auto_refresh=False) as live:
        found = rows(before, before, 0)
        while True:
            fitting = ordered(found, column)[: max(live.console.height - 5, 1)]
            live.update(_table(client, fitting, column), refresh=True)
            pressed = key(delay)
            if pressed in _QUIT:
                return
            if pressed in KEYS:
                column = KEYS[pressed]
                continue
            after, now = client.many("nodes"), time.monotonic()
            found = rows(before, after, now - started)
            before, started = after, now


def _table(client: Client, found: Sequence[Row], column: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=Text(f"{clean(client.net or 'tinc')}: traffic by node"),
        caption="s sent  r received  t round trip  n name  q quit",
        expand=True,
    )
    for name in _COLUMNS:
        is_figure = name not in ("NODE", "PATH")
        drawn.add_column(
            name,
            justify="right" if is_figure else "left",
            style="bold" if name == column else "",
            no_wrap=True,
        )
    for row in found:
        # Text and not str: a name is no markup.
        drawn.add_row(*(Text(cell) for cell in cells(row)))
    return drawn


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Have single keys arrive as they are pressed; yields what waits for the next."""
    import termios
    import tty

    if not sys.stdin.isatty():
        yield _no_key
        return
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    tty.setcbreak(stdin)
    try:
        yield lambda seconds: _next_key(stdin, seconds)
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def _next_key(stdin: int, seconds: float) -> str:
    """Return the key that is pressed within so long; "" if none is, q at the end."""
    if not select.select([stdin], [], [], seconds)[0]:
        return ""
    return os.read(stdin, 1).decode(errors="replace") or "q"


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
