"""An ordered table whose cost does not depend on the order of additions and removals.

A sorted list finds an item in few steps, but an insertion moves all items behind it.
So the items lie in pieces of bounded length, and an insertion moves one piece.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

#: Items of a piece at most; one that gets longer is cut in two.
MAX_PIECE: Final = 512


class Ordered(Generic[T]):
    """Items in ascending order of ``key(item)``, no two of which are equal.

    Adding, removing and finding cost the same few comparisons for every order of
    events.  ``items``, if given, have to be in order.
    """

    __slots__ = ("_key", "_pieces")

    def __init__(self, key: Callable[[T], Any], items: Iterable[T] = ()) -> None:
        self._key = key
        every, size = list(items), MAX_PIECE // 2
        starts = range(0, len(every), size)
        self._pieces = [every[start : start + size] for start in starts]

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items; none may come or go meanwhile."""
        return chain.from_iterable(self._pieces)

    def __contains__(self, item: T) -> bool:
        number, index = self._place(item)
        return self._is_at(item, number, index)

    @property
    def first(self) -> T:
        """The least item; there has to be one."""
        return self._pieces[0][0]

    @property
    def last(self) -> T:
        """The greatest item; there has to be one."""
        return self._pieces[-1][-1]

    def add(self, item: T) -> bool:
        """Put an item in; False if there is an equal one."""
        number, index = self._place(item)
        if self._is_at(item, number, index):
            return False
        if number == len(self._pieces):
            # An item greater than all goes into the last piece, if there is one.
            if not self._pieces:
                self._pieces.append([item])
                return True
            number -= 1
            index = len(self._pieces[number])
        piece = self._pieces[number]
        piece.insert(index, item)
        if len(piece) > MAX_PIECE:
            self._pieces.insert(number + 1, piece[MAX_PIECE // 2 :])
            del piece[MAX_PIECE // 2 :]
        return True

    def remove(self, item: T) -> bool:
        """Take out the item that is equal; False if there is none."""
        number, index = self._place(item)
        if not self._is_at(item, number, index):
            return False
        piece = self._pieces[number]
        del piece[index]
        if not piece:
            del self._pieces[number]
        return True

    def _place(self, item: T) -> tuple[int, int]:
        """Return the piece and the index in it of the first item that is not less."""
        key, pieces = self._key, self._pieces
        wanted = key(item)
        number = bisect_left(pieces, wanted, key=lambda piece: key(piece[-1]))
        if number == len(pieces):
            return number, 0
        return number, bisect_left(pieces[number], wanted, key=key)

    def _is_at(self, item: T, number: int, index: int) -> bool:
        if number == len(self._pieces):
            return False
        return bool(self._key(self._pieces[number][index]) == self._key(item))
