"""Lines of tinc.conf, conf.d and hosts/NAME, and the order in which they count.

The grammar and the precedence are those of tinc 1.0.36 (tinc.conf(5)), with two
liberties: a line may be of any length, so that the tail of a long comment is never
taken for configuration, and a line of blanks is skipped.  Text is UTF-8 with
``surrogateescape``: whatever bytes a file holds come out again unchanged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from tincd_compat import logs
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

# The name ends at the first blank or "="; one "=" with blanks around it is optional.
_ASSIGNMENT: Final = re.compile(r"([^ \t=]*)[ \t]*=?[ \t]*(.*)", re.DOTALL)
_BEGIN: Final = b"-----BEGIN"
_END: Final = b"-----END"


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment.  ``file`` is None for ``-o``, whose ``line`` counts from 1."""

    variable: str
    value: str
    file: str | None
    line: int

    @property
    def place(self) -> str:
        """Where the assignment was made, for messages."""
        if self.file is None:
            return f"command line option {self.line}"
        return f"{self.file} line {self.line}"


#: What ``-o`` gave: the host named before the dot (None = everybody's) and the entry.
Options: TypeAlias = Sequence[tuple[str | None, Entry]]


class IncompleteConfigError(ConfigError):
    """A file was not read to its end; ``entries`` is what came before.

    ``reason`` is the system's word if the file could not be opened, and None for any
    other problem, such as a wrong line.
    """

    def __init__(
        self, text: str, entries: Sequence[Entry] = (), reason: str | None = None
    ) -> None:
        super().__init__(text)
        self.entries = list(entries)
        self.reason = reason


def raw_lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines; a CR is part of the line end only where an LF follows."""
    *complete, last = data.split(b"\n")
    for line in complete:
        # A NUL ends a string for tincd, and no path or name can contain one.
        yield line.removesuffix(b"\r").partition(b"\0")[0]
    if last:
        yield last.partition(b"\0")[0]


def _statements(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not comments, blank or key blocks."""
    in_block = False
    for number, line in lines:
        if in_block:
            in_block = not line.startswith(_END)
        elif line.startswith(_BEGIN):
            in_block = True
        elif not line.startswith(b"#") and line.strip(b" \t"):
            yield number, line.decode("utf-8", "surrogateescape")


def _split(line: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line.rstrip(" \t"))
    assert match is not None, "every part of the pattern may be empty"
    return match[1], match[2]


def assignments(data: bytes, file: str) -> Iterator[Entry]:
    """Yield all assignments of a file; a wrong one has an empty value.

    An indented line has the empty name, under which nobody looks for it.
    """
    return numbered_assignments(enumerate(raw_lines(data), 1), file)


def numbered_assignments(
    lines: Iterable[tuple[int, bytes]], file: str
) -> Iterator[Entry]:
    """Yield all assignments of a file in numbered lines, as :func:`assignments`."""
    for number, line in _statements(lines):
        variable, value = _split(line)
        yield Entry(variable, value, file, number)


def parse_lines(data: bytes, file: str) -> list[Entry]:
    """Return the assignments of a file; IncompleteConfigError at one without value."""
    entries: list[Entry] = []
    for entry in assignments(data, file):
        if not entry.value:
            raise IncompleteConfigError(
                f"No value for variable `{entry.variable}' on line {entry.line} "
                f"while reading config file {file}",
                entries,
            )
        entries.append(entry)
    return entries


def parse_option(argument: str, number: int) -> tuple[str | None, Entry]:
    """Read the argument of the ``number``-th ``-o``: ``[HOST.]KEY=VALUE``."""
    variable, value = _split(argument)
    if not value:
        raise ConfigError(
            f"No value for variable `{variable}' in command line option {number}"
        )
    host, dot, key = variable.partition(".")
    if not dot:
        return None, Entry(variable, value, None, number)
    return host, Entry(key, value, None, number)


def options_for(options: Options, host: str | None) -> list[Entry]:
    """Return the command-line settings of one host, or the global ones for None."""
    return [entry for owner, entry in options if owner == host]


def _fold(variable: str) -> bytes:
    """Fold the case of ASCII letters only, as the C locale does."""
    return variable.encode("utf-8", "surrogateescape").lower()


def _precedence(entry: Entry) -> tuple[bool, int, bytes]:
    file = entry.file or ""
    return entry.file is not None, entry.line, file.encode("utf-8", "surrogateescape")


class Config:
    """A collection of settings in tinc's order of precedence.

    The command line comes first, then the lowest line number, whatever the file, and
    only at equal numbers the path in byte order.  So ``Port`` on line 1 of
    hosts/NAME beats ``Port`` on line 3 of tinc.conf.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_name: dict[bytes, list[Entry]] = {}
        for entry in sorted(entries, key=_precedence):
            self._by_name.setdefault(_fold(entry.variable), []).append(entry)

    def first(self, variable: str) -> Entry | None:
        """Return the setting that counts for a variable with one value."""
        entries = self._by_name.get(_fold(variable))
        return entries[0] if entries else None

    def all(self, variable: str) -> list[Entry]:
        """Return every setting of a variable that may be given more than once."""
        return list(self._by_name.get(_fold(variable), ()))


def read_bytes(path: Path) -> bytes:
    """Return a file's content; IncompleteConfigError in tincd's words otherwise."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"Cannot open config file {path}: {reason}"
        raise IncompleteConfigError(text, reason=reason) from error


def read_file(path: Path) -> list[Entry]:
    """Read one configuration file; IncompleteConfigError if that is impossible."""
    return parse_lines(read_bytes(path), str(path))


def conf_d_files(directory: Path) -> list[Path]:
    """Return the files of conf.d whose names are longer than ``.conf`` and end so."""
    folder = directory / "conf.d"
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise IncompleteConfigError(f"Failed to read `{folder}': {reason}") from error
    return [folder / name for name in names if len(name) > 5 and name.endswith(".conf")]


def read_server_config(directory: Path, options: Sequence[Entry]) -> list[Entry]:
    """Read tinc.conf and conf.d behind the global ``options``.

    IncompleteConfigError at the first file that cannot be read or parsed, with all
    that was read until then.
    """
    entries = list(options)
    path = directory / "tinc.conf"
    try:
        entries += read_file(path)
        for path in conf_d_files(directory):
            entries += read_file(path)
    except IncompleteConfigError as error:
        text = str(error)
        if error.reason is not None:
            logs.always.error("%s", text)
            text = f"Failed to read `{path}': {error.reason}"
        raise IncompleteConfigError(text, entries + error.entries) from error
    return entries


def read_host_config(
    directory: Path, name: str, options: Sequence[Entry]
) -> list[Entry]:
    """Read hosts/NAME behind the ``options`` for that host.

    IncompleteConfigError if the file is missing or has a wrong line: a peer is then
    locked out, even if the options say everything.
    """
    try:
        return [*options, *read_file(directory / "hosts" / name)]
    except IncompleteConfigError as error:
        error.entries[:0] = options
        raise


def read_own_host_config(
    directory: Path, name: str, options: Sequence[Entry]
) -> list[Entry]:
    """Read our own host file; an error in it is logged and cuts off the rest only."""
    try:
        return read_host_config(directory, name, options)
    except IncompleteConfigError as error:
        logs.always.error("%s", error)
        return error.entries
