"""What a step costs, as a number that is the same on every machine.

Counted are the lines of the package that run, once for each turn of a loop.  What C
code walks shows as well where it sorts, and where it compares or hashes: subnets and
addresses do that in Python, and the names of nodes are made to.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import tincd_compat

_PACKAGE = str(Path(tincd_compat.__file__).parent)
#: Methods that a dataclass has been given.
_GENERATED = "<string>"

_Trace: TypeAlias = Callable[[FrameType, str, Any], Any]


class Name(str):
    """The name of a node, which shows who sorts, searches or hashes names."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__lt__(self, other)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


_COMPARING = {each.__code__ for each in (Name.__lt__, Name.__eq__, Name.__hash__)}


class Count:
    """The lines of the package that have run since :func:`counting` began."""

    def __init__(self) -> None:
        self.lines = 0


def lines(step: Callable[[], object]) -> int:
    """Return how many lines of the package run in a step."""
    with counting() as count:
        step()
    return count.lines


@contextmanager
def counting() -> Iterator[Count]:
    """Count the lines of the package that run meanwhile."""
    count = Count()
    sort = builtins.sorted

    def note_sorting(values: Iterable[Any], **how: Any) -> list[Any]:
        found = sort(values, **how)
        count.lines += len(found)
        return found

    def local(frame: FrameType, event: str, argument: object) -> _Trace:
        count.lines += event == "line"
        return local

    def begin(frame: FrameType, event: str, argument: object) -> _Trace | None:
        file = frame.f_code.co_filename
        counts = file.startswith(_PACKAGE) or file == _GENERATED
        counts = counts or frame.f_code in _COMPARING
        return local if counts else None

    before = sys.gettrace()
    builtins.sorted = note_sorting
    sys.settrace(begin)
    try:
        yield count
    finally:
        sys.settrace(before)
        builtins.sorted = sort
