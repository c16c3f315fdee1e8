"""A session whose datagrams are made and opened in trains, apart from its handshake."""

from __future__ import annotations

import pytest

from tests.crypto.sptps.vectors import both_terms, offers
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.handshake import HandshakeState
from tincd_compat.tunnel.sptpscodec import SptpsOpener, SptpsSealer, session_ends

FRAME = bytes(12) + b"\x08\x00" + b"E" + bytes(40)


def ready(*, switching: bool) -> tuple[DatagramSession, DatagramSession]:
    ends = session_ends(switching=switching)
    mine, his = both_terms()
    one = DatagramSession(mine, offers(b"own"), ends)
    other = DatagramSession(his, offers(b"peer"), ends)
    settle(other, one, other.begin() + give(other, one.begin()))
    return one, other


def give(party: DatagramSession, records: tuple[bytes, ...]) -> tuple[bytes, ...]:
    replies: tuple[bytes, ...] = ()
    for record in records:
        replies += party.receive(record, over_tcp=True).replies
    return replies


def settle(
    one: DatagramSession, other: DatagramSession, records: tuple[bytes, ...]
) -> None:
    """Pass handshake records to and fro; ``records`` are those of ``one``."""
    while records:
        one, other, records = other, one, give(other, records)


def carry(one: DatagramSession, other: DatagramSession) -> None:
    """Let a train of three frames pass."""
    sealer, opener = one.sealer, other.opener
    assert isinstance(sealer, SptpsSealer)
    assert isinstance(opener, SptpsOpener)
    train = sealer.seal_train([FRAME] * 3)
    assert [each.frame for each in opener.open_train(train)] == [FRAME] * 3


@pytest.mark.parametrize("switching", [False, True])
def test_trains_and_records_share_numbers_keys_and_window(switching: bool) -> None:
    one, other = ready(switching=switching)
    assert one.sealer is not None
    assert one.sealer.number == 2
    carry(one, other)
    carry(other, one)
    settle(one, other, one.begin())
    assert one.state is other.state is HandshakeState.READY
    # Three frames, then KEX, SIG and ACK.
    assert one.sealer.number == 8
    carry(one, other)
    carry(other, one)
    assert other.receive(one.seal(0, FRAME[14:]), over_tcp=True).record == (
        0,
        FRAME[14:],
    )
