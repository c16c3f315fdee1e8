"""Trains of datagrams for one address: the messages that the kernel cuts up.

Equal datagrams travel as one message (UDP_SEGMENT), and which may is decided here.
What it would refuse, the kernel says only when it is asked, and that depends on the
route: one with IPsec takes no such message (EIO), and one whose MTU is smaller than a
datagram none of that length, though it fragments each alone where it may (EMSGSIZE, or
EINVAL before Linux 6.14).
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any, Final

#: Kernels before 6.10 take 64 segments in one message, later ones 128.
MAX_SEGMENTS: Final = 64
#: Longer messages are cut once more on their way to a coalescing receiver.
MAX_RUN_BYTES: Final = 65400
#: Trains for an address in which its refusal is believed, then the kernel is asked
#: again: nobody says that a route has changed, and one attempt in so many is cheap.
TRAINS_REFUSED: Final = 1000
#: Addresses whose refusals are remembered; one more empties the table.
MAX_REFUSALS: Final = 1024

_REFUSALS: Final = frozenset({errno.EIO, errno.EINVAL, errno.EMSGSIZE})


def split_runs(
    sizes: Sequence[int], refused: int = 0, longest: int = MAX_RUN_BYTES
) -> list[tuple[int, int]]:
    """Cut a train into the ``[start, end)`` runs that one message each can carry.

    A run is equal sizes, of which the last may be shorter, and ``longest`` bytes at the
    most; what has ``refused`` bytes or more is alone, unless that is 0.
    """
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes):
        alone = 0 < refused <= sizes[start]
        end = start + 1 if alone else _run_end(sizes, start, longest)
        runs.append((start, end))
        start = end
    return runs


def _run_end(sizes: Sequence[int], start: int, longest: int) -> int:
    size = sizes[start]
    room = max(1, min(MAX_SEGMENTS, longest // max(1, size)))
    equal = sizes[start : start + room]
    count = len(equal)
    if equal.count(size) < count:
        count = next(i for i, other in enumerate(equal) if other != size)
    end = start + count
    # One shorter datagram may follow, and ends the run.
    if end < len(sizes) and sizes[end] < size and count < MAX_SEGMENTS:
        end += count * size + sizes[end] <= longest
    return end


class Refusals:
    """What the kernel takes only singly, by the address that it goes to."""

    def __init__(self) -> None:
        #: By address: the refused length, and the trains for which that is believed.
        self._refused: dict[tuple[Any, ...], tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._refused)

    def shortest(self, sockaddr: tuple[Any, ...]) -> int:
        """Return the length from which on a train's datagrams go singly, or 0.

        To be asked once for each train.
        """
        if not self._refused:
            return 0
        length, patience = self._refused.get(sockaddr, (0, 0))
        if patience > 1:
            self._refused[sockaddr] = length, patience - 1
            return length
        if patience:
            # The entry stays: the log has named its address already.
            self._refused[sockaddr] = 0, 0
        return 0

    def learn(self, sockaddr: tuple[Any, ...], error: int, length: int) -> bool:
        """Note why a message of datagrams of this length was refused.

        True if that says something of its address that was not known.
        """
        if error not in _REFUSALS:
            return False
        known = self._refused.get(sockaddr)
        if known is None and len(self._refused) >= MAX_REFUSALS:
            self._refused.clear()
        # A message that every path could carry is refused whatever its length.
        length = 1 if error == errno.EIO else length
        before = known[0] if known else 0
        length = min(length, before) if before else length
        self._refused[sockaddr] = length, TRAINS_REFUSED
        return known is None
