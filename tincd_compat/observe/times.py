"""Points in time, and their text: UTC, ISO 8601, whole seconds, with Z.

The library's ``datetime`` would cost a daemon of 40 MB half a megabyte for this alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NewType

#: Seconds since 1970 by the wall clock; other times of the daemon are not this type.
Time = NewType("Time", float)

#: The years that the text has room for.
_FIRST: Final = -62_135_596_800
_LAST: Final = 253_402_300_799
_DAY: Final = 86_400
#: Days from March 1st of the year 0 to the beginning of 1970; days of 400 years.
_EPOCH: Final = 719_468
_ERA: Final = 146_097

_TEXT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z", re.ASCII
)


def utc(time: Time) -> str:
    """Return ``2026-11-30T02:47:31Z``; a part of a second is left out."""
    return _text(int(time // 1))


@lru_cache(maxsize=1024)
def _text(seconds: int) -> str:
    # What happened to many nodes has mostly happened at once.
    seconds = min(max(seconds, _FIRST), _LAST)
    days, rest = divmod(seconds, _DAY)
    hours, rest = divmod(rest, 3600)
    minutes, second = divmod(rest, 60)
    year, month, day = _date(days)
    return f"{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{second:02}Z"


def parse(text: str) -> Time:
    """Read what :func:`utc` writes; ValueError if it is something else."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time like 2026-11-30T02:47:31Z")
    year, month, day, hours, minutes, seconds = map(int, found.groups())
    time = Time(_days(year, month, day) * _DAY + hours * 3600 + minutes * 60 + seconds)
    if utc(time)[:19] != text[:19]:
        raise ValueError(f"{text!r} is not in the calendar")
    return time


def _date(days: int) -> tuple[int, int, int]:
    """Return year, month and day so many days after the beginning of 1970.

    Years begin in March here, so that the day that some of them lack is the last.
    """
    era, day = divmod(days + _EPOCH, _ERA)
    year = (day - day // 1460 + day // 36_524 - day // (_ERA - 1)) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    return era * 400 + year + (month > 9), month + (-9 if month > 9 else 3), day + 1


def _days(year: int, month: int, day: int) -> int:
    """Return the number of days from the beginning of 1970 to a date."""
    year -= month < 3
    era, year = divmod(year, 400)
    month += 9 if month < 3 else -3
    of_year = (153 * month + 2) // 5 + day - 1
    return era * _ERA + year * 365 + year // 4 - year // 100 + of_year - _EPOCH
