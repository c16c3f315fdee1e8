"""Walks through what members can make long, cut into steps of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

#: Entries of a table that are looked at in one step.
AT_ONCE: Final = 16


def in_steps(entries: Iterable[T]) -> Iterator[T | None]:
    """Yield the entries, and None after some of them, where a step may end."""
    for number, entry in enumerate(entries, 1):
        yield entry
        if number % AT_ONCE == 0:
            yield None
