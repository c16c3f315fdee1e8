"""Lines of a file that tincd reads in another way than they look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tincd_compat.config import parser
from tincd_compat.config.check.findings import Report
from tincd_compat.config.parser import Entry

_MARK: Final = "\ufeff"
_COMMENT: Final = re.compile(r"\s#")
#: C tincd reads a line in pieces of this many bytes.
_C_LINE: Final = 2047


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that could be read; ``entries`` are its assignments that have a value."""

    path: Path
    data: bytes
    entries: list[Entry]


def read(path: Path, report: Report, consequence: str) -> ConfigFile | None:
    """Read a file and look at its lines; None, and an error, if that is impossible.

    ``consequence`` says what happens because of a line without value.
    """
    data: bytes | None = None
    with report.blaming(path):
        data = parser.read_bytes(path)
    if data is None:
        return None
    entries: list[Entry] = []
    for entry in parser.assignments(data, str(path)):
        if not entry.value:
            text = f"No value for variable `{entry.variable}': {consequence}"
            report.error(entry, text)
        else:
            entries.append(entry)
            _check_assignment(entry, report)
    _check_raw(path, data, report)
    return ConfigFile(path, data, entries)


def _check_assignment(entry: Entry, report: Report) -> None:
    if not entry.variable:
        if not entry.value.startswith("#"):
            text = "a line that begins with a blank or `=' has no effect"
            report.warning(entry, text)
    elif entry.variable.startswith(_MARK):
        text = "a byte order mark is part of the name: this line has no effect"
        report.warning(entry, text)
    elif _COMMENT.search(entry.value):
        text = "a comment cannot follow a value: `#' and the rest are part of it"
        report.warning(entry, text)


def _check_raw(path: Path, data: bytes, report: Report) -> None:
    begun: int | None = None
    for number, line in enumerate(parser.raw_lines(data), 1):
        if len(line) > _C_LINE:
            text = f"C tincd takes what follows byte {_C_LINE + 1} for another line"
            report.warning((path, number), text)
        if begun is None:
            begun = number if line.startswith(b"-----BEGIN") else None
        elif line.startswith(b"-----END"):
            begun = None
        elif line.startswith(b"-----BEGIN"):
            text = "a key block begins inside another one, which has no END line"
            report.warning((path, number), text)
    if begun is not None:
        text = "this key block has no END line: the rest of the file is not read"
        report.warning((path, begun), text)
