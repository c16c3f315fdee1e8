"""As much of an ELF file (gABI) as tells how a shared library was linked."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PT_DYNAMIC: Final = 2
PT_GNU_STACK: Final = 0x6474E551
PT_GNU_RELRO: Final = 0x6474E552
_EXECUTABLE: Final = 1

_SHT_DYNSYM: Final = 11
_LOCAL: Final = 0

_DT_BIND_NOW: Final = 24
_DT_FLAGS: Final = 30
_DF_BIND_NOW: Final = 8
_DT_FLAGS_1: Final = 0x6FFFFFFB
_DF_1_NOW: Final = 1


@dataclass(frozen=True)
class Library:
    """A shared library: the names that it has for others, and that it wants of them."""

    exported: frozenset[str]
    wanted: frozenset[str]
    #: Whether all names are looked up when it is loaded ...
    binds_now: bool
    #: ... and what came of it is read-only from then on.
    has_relro: bool
    has_executable_stack: bool


class _Reader:
    def __init__(self, data: bytes) -> None:
        assert data[:4] == b"\x7fELF", "no ELF file"
        self.data = data
        self.wide = data[4] == 2
        self.order = "<" if data[5] == 1 else ">"

    def unpack(self, narrow: str, wide: str, at: int) -> tuple[int, ...]:
        layout = self.order + (wide if self.wide else narrow)
        return struct.unpack_from(layout, self.data, at)

    def table(self, at: int, size: int, count: int) -> list[int]:
        return [at + number * size for number in range(count)]


def read_library(path: Path) -> Library:
    """Read a file of either width and either order of bytes."""
    reader = _Reader(path.read_bytes())
    (
        _,
        _,
        _,
        _,
        segments,
        sections,
        _,
        _,
        size,
        count,
        section_size,
        section_count,
        _,
    ) = reader.unpack("HHIIIIIHHHHHH", "HHIQQQIHHHHHH", 16)
    kinds = {}
    for at in reader.table(segments, size, count):
        if reader.wide:
            kind, flags, offset, _, _, length = reader.unpack("", "IIQQQQ", at)
        else:
            kind, offset, _, _, length, _, flags = reader.unpack("IIIIIII", "", at)
        kinds[kind] = flags, offset, length
    exported, wanted = _symbols(reader, sections, section_size, section_count)
    stack = kinds.get(PT_GNU_STACK)
    return Library(
        exported,
        wanted,
        _binds_now(reader, *kinds[_PT_DYNAMIC][1:]),
        PT_GNU_RELRO in kinds,
        stack is None or bool(stack[0] & _EXECUTABLE),
    )


def _symbols(
    reader: _Reader, at: int, size: int, count: int
) -> tuple[frozenset[str], frozenset[str]]:
    headers = [
        reader.unpack("IIIIIIIIII", "IIQQQQIIQQ", place)
        for place in reader.table(at, size, count)
    ]
    exported, wanted = set[str](), set[str]()
    for _, kind, _, _, offset, length, link, _, _, entry in headers:
        if kind != _SHT_DYNSYM:
            continue
        names = headers[link][4]
        for place in reader.table(offset, entry, length // entry):
            if reader.wide:
                name, info, _, section, _, _ = reader.unpack("", "IBBHQQ", place)
            else:
                name, _, _, info, _, section = reader.unpack("IIIBBH", "", place)
            if info >> 4 == _LOCAL:
                continue
            end = reader.data.index(b"\0", names + name)
            word = reader.data[names + name : end].decode()
            (exported if section else wanted).add(word)
    return frozenset(exported), frozenset(wanted)


def _binds_now(reader: _Reader, offset: int, length: int) -> bool:
    size = 16 if reader.wide else 8
    tags = {}
    for place in reader.table(offset, size, length // size):
        tag, value = reader.unpack("II", "QQ", place)
        tags[tag] = value
    return (
        _DT_BIND_NOW in tags
        or bool(tags.get(_DT_FLAGS, 0) & _DF_BIND_NOW)
        or bool(tags.get(_DT_FLAGS_1, 0) & _DF_1_NOW)
    )
