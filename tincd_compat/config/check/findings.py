"""Findings, where they are, and the lines that a start would log turned into them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

from tincd_compat import logs
from tincd_compat.config.parser import Entry
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError


class FindingSeverity(Enum):
    """How bad a finding is.

    ``ERROR``: tincd does not start, or something that is configured does not work.
    ``WARNING``: it works, but perhaps not as it was meant, or not safely.  ``INFO``:
    good to know.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


#: Exit statuses: nothing worse than INFO, warnings, errors.
STATUSES: Final = {
    FindingSeverity.INFO: 0,
    FindingSeverity.WARNING: 1,
    FindingSeverity.ERROR: 2,
}

#: Where a finding is: an assignment, a file as a whole, a line of a file, or None for
#: the command line as a whole.
Place: TypeAlias = Entry | Path | tuple[Path, int] | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    ``file`` is None for the command line, and ``line`` then the number of an ``-o``,
    from 1.  ``line`` is None for a file, or the command line, as a whole.
    """

    file: str | None
    line: int | None
    severity: FindingSeverity
    message: str
    variable: str | None = None

    def __str__(self) -> str:
        place, mark = self.file or "command line", ":" if self.file else " option "
        number = "" if self.line is None else f"{mark}{self.line}"
        return f"{place}{number}: {self.severity.value}: {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the finding for JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "severity": self.severity.value,
            "message": self.message,
            "variable": self.variable,
        }


def exit_status(findings: list[Finding]) -> int:
    """Return 0 if all is well, 1 with warnings and 2 with errors."""
    return max((STATUSES[finding.severity] for finding in findings), default=0)


def summary(findings: list[Finding]) -> str:
    """Return how many findings of each severity there are, in words."""
    counts = [
        f"{count} {severity.value}{'s' if count > 1 else ''}"
        for severity in (FindingSeverity.ERROR, FindingSeverity.WARNING)
        if (count := sum(finding.severity is severity for finding in findings))
    ]
    return ", ".join(counts) or "no errors and no warnings"


class _Listener(logging.Handler):
    """Keeps what is logged; the messages say by themselves what they are about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[tuple[FindingSeverity, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        bad = record.levelno >= logging.ERROR
        severity = FindingSeverity.ERROR if bad else FindingSeverity.WARNING
        self.heard.append((severity, record.getMessage()))


@contextmanager
def listening() -> Iterator[list[tuple[FindingSeverity, str]]]:
    """Collect the warnings and errors that are logged meanwhile, instead of a log."""
    listener = _Listener()
    propagate = logs.always.propagate
    logs.always.addHandler(listener)
    logs.always.propagate = False
    try:
        yield listener.heard
    finally:
        logs.always.propagate = propagate
        logs.always.removeHandler(listener)


class Report:
    """Collects findings, each of them once."""

    def __init__(self) -> None:
        # Findings are keys of a dictionary: each once, in their order.
        self._findings: dict[Finding, None] = {}

    @property
    def findings(self) -> list[Finding]:
        """All findings: the files as they came up first, then the lines of each."""
        order = {
            file: number
            for number, file in enumerate(
                dict.fromkeys(finding.file for finding in self._findings)
            )
        }
        return sorted(self._findings, key=lambda f: (order[f.file], f.line or 0))

    def add(
        self, place: Place, severity: FindingSeverity, message: str, variable: str = ""
    ) -> None:
        file: str | None
        line: int | None
        match place:
            case Entry():
                file, line = place.file, place.line
                variable = variable or place.variable
                message = _without_place(message, place)
            case (path, number):
                file, line = str(path), number
            case _:
                file, line = None if place is None else str(place), None
        finding = Finding(file, line, severity, message, variable or None)
        self._findings.setdefault(finding)

    def error(self, place: Place, message: str, variable: str = "") -> None:
        self.add(place, FindingSeverity.ERROR, message, variable)

    def warning(self, place: Place, message: str, variable: str = "") -> None:
        self.add(place, FindingSeverity.WARNING, message, variable)

    def info(self, place: Place, message: str, variable: str = "") -> None:
        self.add(place, FindingSeverity.INFO, message, variable)

    @contextmanager
    def blaming(
        self,
        place: Place,
        worst: FindingSeverity = FindingSeverity.ERROR,
        variable: str = "",
    ) -> Iterator[None]:
        """Turn what is logged or raised as ConfigError meanwhile into findings.

        Errors become ``worst``.  What this user may not read is not an error of the
        configuration.
        """
        with listening() as heard:
            try:
                yield
            except ConfigError as error:
                if isinstance(error.__cause__, PermissionError):
                    text = f"{error}: it was not checked"
                    heard.append((FindingSeverity.WARNING, text))
                else:
                    heard.append((FindingSeverity.ERROR, str(error)))
        for severity, message in heard:
            capped = worst if severity is FindingSeverity.ERROR else severity
            self.add(place, capped, message.removeprefix("Warning: "), variable)


def _without_place(message: str, entry: Entry) -> str:
    """Take out where the entry is, which the line of the report begins with."""
    return re.sub(rf" in {re.escape(entry.place)}(?![0-9])", "", message)
