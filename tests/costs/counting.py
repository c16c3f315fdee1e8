"""What a step costs, as a number that is the same on every machine.

Counted are the lines of the package that run, once for each turn of a loop.  What C
code walks shows as well where it sorts, and where it compares or hashes: subnets and
addresses do that in Python, and the names of nodes are made to.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable
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


def lines(step: Callable[[], object]) -> int:
    """Return how many lines of the package run in a step."""
    count = 0
    sort = builtins.sorted

    def note_sorting(values: Iterable[Any], **how: Any) -> list[Any]:
        nonlocal count
        found = sort(values, **how)
        count += len(found)
        return found

    def local(frame: FrameType, event: str, argument: object) -> _Trace:
        nonlocal count
        count += event == "line"
        return local

    def begin(frame: FrameType, event: str, argument: object) -> _Trace | None:
        file = frame.f_code.co_filename
        counts = file.startswith(_PACKAGE) or file in (_GENERATED, __file__)
        return local if counts else None

    before = sys.gettrace()
    builtins.sorted = note_sorting
    sys.settrace(begin)
    try:
        step()
    finally:
        sys.settrace(before)
        builtins.sorted = sort
    return count
