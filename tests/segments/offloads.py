"""The implementations of splitting and coalescing, which must not be told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import pytest

from tincd_compat import checksums
from tincd_compat._fast import core
from tincd_compat.checksums import Buffer
from tincd_compat.segments import coalescing, offload, splitting
from tincd_compat.segments.superpacket import SuperPacket


class Implementation(NamedTuple):
    split: Callable[..., list[bytes]]
    coalesce: Callable[[Sequence[Buffer], bool], list[Buffer | SuperPacket]]
    fill_checksum: Callable[[bytearray, int, int], bool]


IMPLEMENTATIONS: Final = {
    "python": Implementation(
        splitting.split, coalescing.coalesce, checksums.fill_checksum
    ),
}
if core is not None:
    IMPLEMENTATIONS["compiled"] = Implementation(
        offload.split, offload.coalesce, offload.fill_checksum
    )

#: Takes the place of a fixture in tests that hypothesis runs many times over.
each_implementation = pytest.mark.parametrize(
    "implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS
)
