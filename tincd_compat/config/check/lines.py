"""Lines of a file that tincd reads in another way than they look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tincd_compat.config import parser
from tincd_compat.config.check.blocks import mend
from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Entry
from tincd_compat.dataclass import dataclass

_COMMENT: Final = re.compile(r"\s#")
#: C tincd reads a line in pieces of this many bytes.
_C_LINE: Final = 2047


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that could be read; ``entries`` are its assignments that have a value.

    Damaged key blocks are whole in ``data``; ``damaged`` tells that there were some.
    """

    path: Path
    data: bytes
    entries: list[Entry]
    damaged: bool


def read(path: Path, report: Report, consequence: str) -> ConfigFile | None:
    """Read a file and look at its lines; None, and an error, if that is impossible.

    ``consequence`` says what happens because of a line without value.
    """
    data: bytes | None = None
    with report.blaming(path):
        data = parser.read_bytes(path)
    if data is None:
        return None
    mended = mend(data)
    for damage in mended.damages:
        report.error((path, damage.line), damage.text)
    entries: list[Entry] = []
    for entry in parser.numbered_assignments(mended.lines, str(path)):
        if not entry.value:
            text = f"No value for variable `{entry.variable}': {consequence}"
            report.error(entry, text)
        else:
            entries.append(entry)
            _check_assignment(entry, report)
    _check_raw(path, mended.lines, consequence, report)
    return ConfigFile(path, mended.data, entries, bool(mended.damages))


def _check_assignment(entry: Entry, report: Report) -> None:
    if not entry.variable:
        if not entry.value.startswith("#"):
            text = "a line that begins with a blank or `=' has no effect"
            report.warning(entry, text)
    elif _COMMENT.search(entry.value):
        text = "a comment cannot follow a value: `#' and the rest are part of it"
        report.warning(entry, text)


def _check_raw(
    path: Path, lines: list[tuple[int, bytes]], consequence: str, report: Report
) -> None:
    """Look at what C tincd takes in another way than we do."""
    in_block = False
    for number, line in lines:
        if line.startswith((b"-----BEGIN", b"-----END")):
            in_block = line.startswith(b"-----BEGIN")
        if len(line) > _C_LINE:
            text = f"C tincd takes what follows byte {_C_LINE + 1} for another line"
            report.warning((path, number), text)
        elif line and not in_block and not line.strip(b" \t"):
            text = f"with C tincd a line of blanks is an error: {consequence}"
            report.warning((path, number), f"{text}; leave the line empty")
