"""Fragments as tincd 1.0.36 cut them for a path MTU of 1451."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.frames import PAYLOAD, checksum, echo, ipv4, tagged
from tincd_compat.routing.fragments import fragment
from tincd_compat.routing.verdicts import Reason

A, B = "192.168.1.1", "192.168.2.1"


@pytest.mark.parametrize(
    ("size", "field", "expected"),
    [
        (
            1438,
            0,
            [
                (1450, "4500059c123420004001bedac0a80101c0a80201"),
                (56, "4500002a123400b14001e39bc0a80101c0a80201"),
            ],
        ),
        (
            1480,
            0,
            [
                (1450, "4500059c123420004001bedac0a80101c0a80201"),
                (98, "45000054123400b14001e371c0a80101c0a80201"),
            ],
        ),
        # A fragment is cut again: offsets continue, the last piece is not the last.
        (
            1480,
            0x2010,
            [
                (1450, "4500059c123420104001becac0a80101c0a80201"),
                (98, "45000054123420c14001c361c0a80101c0a80201"),
            ],
        ),
        # The reserved bit travels along.
        (
            1480,
            0x8000,
            [
                (1450, "4500059c1234a00040013edac0a80101c0a80201"),
                (98, "45000054123480b140016371c0a80101c0a80201"),
            ],
        ),
    ],
)
def test_real_fragments(size: int, field: int, expected: list[tuple[int, str]]) -> None:
    pieces = fragment(ipv4(A, B, echo(size), field=field), 14, 1451)
    assert not isinstance(pieces, Reason)
    assert [(len(piece), piece[14:34].hex()) for piece in pieces] == expected
    assert b"".join(piece[34:] for piece in pieces) == echo(size)
    assert all(piece[:14] == bytes(12) + b"\x08\0" for piece in pieces)


def test_options_are_not_cut() -> None:
    frame = ipv4(A, B, echo(1480), field=0)
    frame[14] = 0x46
    assert fragment(frame, 14, 1451) is Reason.HAS_OPTIONS


@pytest.mark.parametrize("wrong", [1, -1])
def test_length_must_be_true(wrong: int) -> None:
    frame = ipv4(A, B, echo(1480), field=0)
    frame[17] += wrong
    assert fragment(frame, 14, 1451) is Reason.BAD_LENGTH


@pytest.mark.parametrize(
    ("base", "fits"), [(0x1F44, True), (0x1F45, False), (0x1FFF, False)]
)
def test_a_piece_ends_within_the_longest_packet(base: int, fits: bool) -> None:
    frame = ipv4(A, B, echo(1480), field=base)
    pieces = fragment(frame, 14, 1451)
    assert fits is (pieces is not Reason.BAD_OFFSET)


@given(
    st.integers(1, 3000), st.integers(576, 1500), st.booleans(), st.integers(0, 0x1FF)
)
def test_pieces_are_the_whole(size: int, room: int, tag: bool, base: int) -> None:
    frame = ipv4(A, B, PAYLOAD[:size], field=0x2000 | base)
    if tag:
        frame = tagged(frame)
    ip = 18 if tag else 14
    before = bytes(frame)
    pieces = fragment(frame, ip, ip + room)
    assert not isinstance(pieces, Reason)
    assert frame == before
    seen = b""
    for piece in pieces:
        header = bytes(piece[ip : ip + 20])
        assert len(piece) <= ip + room
        assert int.from_bytes(header[2:4], "big") == len(piece) - ip
        field = int.from_bytes(header[6:8], "big")
        assert field == 0x2000 | base + len(seen) // 8
        assert checksum(header) == 0
        seen += piece[ip + 20 :]
    assert seen == PAYLOAD[:size]
