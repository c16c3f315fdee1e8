"""Damaged key blocks: those that tincd does not see as such, for a line of theirs.

The lines of such a block then pass for assignments, and what follows it for a part of
the key.  So the block is mended first, in memory: one finding says what is wrong with
it, nothing else follows from that, and no part of a key is ever shown.
"""

from __future__ import annotations

import re
from typing import Final

from tincd_compat.config import parser
from tincd_compat.dataclass import dataclass

# Editors and web pages put other dashes in place of pairs or fives of them.
_DASHES: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_BLANKS: Final = " \t"
_MARK: Final = re.compile(
    r"\b(BEGIN|END)[ \t]{1,4}((?:[A-Z0-9]{1,16} ){0,4}(?:PUBLIC|PRIVATE) KEY)"
    # The end of the word, or base64 that has lost its line break.
    r"(?:\b|(?=[A-Za-z0-9+/]{12}))",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_SEPARATOR: Final = re.compile(r"[ \t=]")
#: Characters of base64 in a row that are not taken for the name of a variable.
_MUCH: Final = 40


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a key block, and the line where it can be mended."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Mended:
    """The numbered lines of a file whose key blocks are whole; parts share numbers."""

    lines: list[tuple[int, bytes]]
    damages: list[Damage]

    @property
    def data(self) -> bytes:
        return b"".join(line + b"\n" for _, line in self.lines)


@dataclass(frozen=True, slots=True)
class _Marker:
    """A BEGIN or END line, however it is written."""

    word: str
    label: str
    before: str
    after: str
    exact: bool

    @classmethod
    def find(cls, line: str) -> _Marker | None:
        match = _MARK.search(line)
        if match is None:
            return None
        word, label = match[1].upper(), match[2].upper()
        head = line[: match.start()].rstrip(_BLANKS)
        before = head.rstrip(_DASHES).rstrip(_BLANKS)
        if before and before == head:
            # Text without dashes, in which the words happen to be.
            return None
        after = line[match.end() :].lstrip(_BLANKS).lstrip(_DASHES).strip(_BLANKS)
        exact = line.rstrip() == _marker_line(word, label)
        return cls(word, label, before, after, exact)

    @property
    def right(self) -> str:
        """The line as it should be."""
        return _marker_line(self.word, self.label)


def _marker_line(word: str, label: str) -> str:
    return f"-----{word} {label}-----"


def mend(data: bytes) -> Mended:
    """Return the lines of a file with every key block that there is made whole."""
    mender = _Mender()
    for number, line in enumerate(parser.raw_lines(data), 1):
        mender.take(number, line.decode("utf-8", "surrogateescape"))
    mender.finish()
    lines = [(n, line.encode("utf-8", "surrogateescape")) for n, line in mender.lines]
    return Mended(lines, mender.damages)


class _Mender:
    """Goes through a file line by line, as tincd does, and mends what it meets."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.damages: list[Damage] = []
        #: Number of the BEGIN line of the block that is open, and what it should end
        #: with.
        self._begun: tuple[int, str] | None = None
        #: Where the base64 is that no BEGIN line came before: its place in ``lines``.
        self._orphan: int | None = None

    def take(self, number: int, line: str) -> None:
        if self._begun is not None:
            self._take_inside(number, line, self._begun[1])
        elif self._orphan is not None:
            self._take_orphan(number, line, self._orphan)
        else:
            self._take_outside(number, line)

    def finish(self) -> None:
        if self._orphan is not None:
            self._drop(self._orphan)
        if self._begun is not None:
            number, end = self._begun
            text = "this key block has no END line: the rest of the file is not read"
            self._damaged(number, text)
            self._emit(number, end)

    def _take_outside(self, number: int, line: str) -> None:
        marker = None if line.startswith("#") else _Marker.find(line)
        if marker is not None and marker.word == "BEGIN":
            self._begin(number, marker)
            return
        if line.startswith("-----BEGIN"):
            self._begun = number, line.replace("BEGIN", "END", 1)
        elif len(line) >= _MUCH and _BASE64.fullmatch(line.strip()):
            self._orphan = len(self.lines)
        self._emit(number, line)

    def _begin(self, number: int, marker: _Marker) -> None:
        right = marker.right
        if not marker.exact:
            text = f"a key block must begin with the line `{right}', and nothing else"
            self._damaged(number, f"{text} in it: here it is not seen as one")
        # What an assignment has; a ">" in front of all lines of a block is none.
        before = marker.before if _SEPARATOR.search(marker.before) else ""
        self._emit_parts(number, before, right, marker.after)
        self._begun = number, _marker_line("END", marker.label)

    def _take_inside(self, number: int, line: str, end: str) -> None:
        marker = _Marker.find(line)
        if line.startswith("-----BEGIN") or (marker and marker.word == "BEGIN"):
            text = "a key block begins inside another one, which has no END line"
            self._damaged(number, text)
            self._emit(number, end)
            self._begun = None
            self._take_outside(number, line)
        elif marker is not None:
            self._end(number, marker, end)
        else:
            self._emit(number, line)
            if line.startswith("-----END"):
                self._begun = None

    def _end(self, number: int, marker: _Marker, right: str) -> None:
        if not marker.exact or marker.right != right:
            # A BEGIN line of this length may have a key in it, which is not shown.
            shown = right if len(right) < _MUCH else marker.right
            text = f"a key block must end with the line `{shown}', and nothing else"
            self._damaged(number, f"{text} in it: here it is not seen as one")
        self._emit_parts(number, marker.before, right, marker.after)
        self._begun = None

    def _take_orphan(self, number: int, line: str, start: int) -> None:
        marker = _Marker.find(line)
        if marker is not None and marker.word == "END":
            begin = _marker_line("BEGIN", marker.label)
            first, _ = self.lines[start]
            text = f"a key block without its first line: `{begin}' belongs here"
            self._damaged(first, text)
            self.lines.insert(start, (first, begin))
            self._orphan = None
            self._end(number, marker, marker.right)
        elif _BASE64.fullmatch(line.strip()):
            self._emit(number, line)
        else:
            self._drop(start)
            self._take_outside(number, line)

    def _drop(self, start: int) -> None:
        """Leave out base64 that neither BEGIN nor END says anything about."""
        text = "a key stands here without the lines BEGIN and END around it"
        self._damaged(self.lines[start][0], f"{text}: copy it again, with both")
        del self.lines[start:]
        self._orphan = None

    def _emit(self, number: int, line: str) -> None:
        self.lines.append((number, line))

    def _emit_parts(self, number: int, *parts: str) -> None:
        self.lines += [(number, part) for part in parts if part]

    def _damaged(self, line: int, text: str) -> None:
        self.damages.append(Damage(line, text))
