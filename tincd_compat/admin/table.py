"""Rows in columns: as wide as what is in them, and no wider than the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tincd_compat.admin.text import shorten

#: Between two columns.
_GAP: Final = "  "
#: Narrower than this no column becomes.
_NARROWEST: Final = 8

#: What a cell looks like, given its row, its column and its padded text.
Paint = Callable[[int, int, str], str]


def _unpainted(row: int, column: int, text: str) -> str:
    return text


def lines(
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    least: Sequence[int] = (),
    flexible: Sequence[int] = (),
    paint: Paint = _unpainted,
) -> list[str]:
    """Return the rows, aligned to the left, without blanks at their ends.

    If that is wider than ``width``, columns in ``flexible`` are cut, the widest first.
    """
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for place, fewest in enumerate(least):
        widths[place] = max(widths[place], fewest)
    if width is not None:
        _fit(widths, width, flexible)
    text = []
    for y, row in enumerate(rows):
        cells = []
        last = max((x for x, cell in enumerate(row) if cell), default=0)
        for x, cell in enumerate(row[: last + 1]):
            short = shorten(cell, widths[x])
            padding = " " * (widths[x] - len(short)) if x < last else ""
            cells.append(paint(y, x, short) + padding)
        text.append(_GAP.join(cells))
    return text


def _fit(widths: list[int], width: int, flexible: Sequence[int]) -> None:
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0 and flexible:
        place = max(flexible, key=lambda column: widths[column])
        others = [widths[x] for x in flexible if x != place]
        # The widest becomes as wide as the next, and then both become narrower.
        cut = min(excess, max(widths[place] - max(others, default=_NARROWEST), 1))
        if widths[place] - cut < _NARROWEST:
            return
        widths[place] -= cut
        excess -= cut
