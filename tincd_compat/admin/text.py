"""Words, units and colours: what a record says, in the form that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

#: A record of the daemon, as it comes out of JSON.
Record = Mapping[str, Any]

#: What stands where nothing is known.
UNKNOWN: Final = "-"

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
#: Up to here a duration is told in the smaller unit: 90 minutes say more than 1 hour.
_FEW: Final = 2
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class Style(NamedTuple):
    """Whether colours go with the text, which says the same without."""

    colour: bool = False

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        return self._wrap("2", text)

    def good(self, text: str) -> str:
        return self._wrap("32", text)

    def warn(self, text: str) -> str:
        return self._wrap("33", text)

    def bad(self, text: str) -> str:
        return self._wrap("31;1", text)

    def by_severity(self, severity: object, text: str) -> str:
        return self.bad(text) if severity == "critical" else self.warn(text)


PLAIN: Final = Style()


def clean(value: object) -> str:
    """Return text that a terminal only prints: what would steer one is escaped.

    Names and addresses come from members of the mesh, and one of them may be hostile.
    """
    text = "-" if value is None else str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1]
        for character in text
    )


def shorten(text: str, width: int) -> str:
    """Return the text in ``width`` columns; what is left out is in its middle.

    Long names mostly differ at their ends.
    """
    if len(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    head = width // 2
    return f"{text[:head]}…{text[len(text) - (width - head - 1) :]}"


def wrap(text: str, width: int | None, indent: str) -> list[str]:
    """Return lines of at most ``width`` columns; all but the first are indented."""
    if width is None or len(text) <= width:
        return [text]
    import textwrap

    return textwrap.wrap(
        text, max(width, 20), subsequent_indent=indent, break_on_hyphens=False
    )


def number(value: object) -> float | None:
    """Return a JSON number; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def duration(seconds: object) -> str:
    """Return seconds as one number and one unit: ``47 min``, ``12 d``."""
    value = number(seconds)
    if value is None:
        return UNKNOWN
    value = max(value, 0.0)
    if value < _FEW * _MINUTE:
        return f"{int(value)} s"
    if value < _FEW * _HOUR:
        return f"{int(value // _MINUTE)} min"
    if value < _FEW * _DAY:
        return f"{int(value // _HOUR)} h"
    return f"{int(value // _DAY)} d"


def spoken(seconds: object) -> str:
    """Return a duration within a sentence: ``12 days``."""
    text = duration(seconds)
    return f"{text[:-1]}days" if text.endswith(" d") else text


def milliseconds(seconds: object) -> str:
    """Return a round trip: three figures and its unit."""
    value = number(seconds)
    if value is None:
        return UNKNOWN
    value *= 1000
    if value < 99.95:
        return f"{value:.1f}ms"
    if value < 9999.5:
        return f"{value:.0f}ms"
    return f"{value / 1000:.0f}s"


def size(amount: object) -> str:
    """Return bytes in binary units: ``884 MiB``, ``1.2 GiB``."""
    value = number(amount)
    if value is None:
        return UNKNOWN
    unit = 0
    while value >= 1023.5 and unit < len(_BINARY) - 1:
        value /= 1024
        unit += 1
    if unit and value < 9.95:
        return f"{value:.1f} {_BINARY[unit]}"
    return f"{value:.0f} {_BINARY[unit]}"


def count(amount: int, one: str, many: str | None = None) -> str:
    """Return a number and its noun: ``1 link``, ``3 links``."""
    return f"{amount} {one if amount == 1 else many or one + 's'}"


def moment(text: object) -> float | None:
    """Return the seconds since 1970 of a time in ISO 8601 with Z; None if unknown."""
    # datetime takes a while to be imported, and the form is always the same.
    if not isinstance(text, str) or not text.endswith("Z"):
        return None
    from calendar import timegm

    day, _, clock = text[:-1].partition("T")
    try:
        year, month, date = map(int, day.split("-"))
        hour, minute, second = clock.split(":")
        whole = timegm((year, month, date, int(hour), int(minute), 0))
        return whole + float(second)
    except ValueError:
        return None


def age(text: object, now: float) -> float | None:
    """Return how many seconds ago a time was; None if it is unknown."""
    then = moment(text)
    return None if then is None else max(now - then, 0.0)


def clock(text: object, now: float) -> str:
    """Return a time of the last 24 hours as ``02:47:31``, an earlier one as a date."""
    then = moment(text)
    if then is None:
        return UNKNOWN
    from time import gmtime, strftime

    then_of_day = gmtime(then)
    if now - then < _DAY:
        return strftime("%H:%M:%S", then_of_day)
    if now - then < 300 * _DAY:
        return strftime("%-d %b", then_of_day)
    return strftime("%-d %b %Y", then_of_day)
