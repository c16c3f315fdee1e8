"""``python -m tests.fuzz.sptps SECONDS [SEED]``: damage what a session of SPTPS gets.

A session of either kind is taken to any point of its handshake, and records that are
cut, joined, changed, repeated or made up go in.  What comes out may be a record that
the peer has sent, and that only once, or a PeerError; anything else ends the run with
the seed that shows it again.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.crypto.sptps.ends import ENDS
from tests.crypto.sptps.vectors import both_terms
from tincd_compat.crypto.sptps.datagram import DatagramSession
from tincd_compat.crypto.sptps.handshake import HandshakeState, Offer
from tincd_compat.crypto.sptps.stream import StreamSession
from tincd_compat.errors import PeerError

READY: Final = HandshakeState.READY
TERMS: Final = both_terms()
#: Pieces that are tried on each point of a handshake: to get there takes long.
PIECES: Final = 200


def damaged(draw: random.Random, data: bytes) -> bytes:
    """Return data with one kind of damage; sometimes with none."""
    piece = bytearray(data)
    at = draw.randrange(len(piece) + 1)
    match draw.randrange(6):
        case 0:
            del piece[at:]
        case 1 if at < len(piece):
            piece[at] ^= 1 << draw.randrange(8)
        case 2:
            piece[at:at] = draw.randbytes(draw.randrange(40))
        case 3:
            piece += data
        case 4:
            return draw.randbytes(draw.randrange(200))
    return bytes(piece)


def stream(draw: random.Random) -> int:
    """Play one connection; return how many pieces went in."""
    offers = _offers(draw)
    one, other = (StreamSession(terms, offers) for terms in TERMS)
    if draw.getrandbits(1):
        one, other = other, one
    one.begin()
    other.begin()
    for _ in range(draw.randrange(6)):
        other.feed(one.take_output())
        assert other.next_record() is None
        one, other = other, one
    sent = []
    for number in range(draw.randrange(4)):
        if one.state is READY and not draw.randrange(4):
            one.begin()
        elif one.encrypted:
            sent.append((number, b"%d" % number))
            one.send(*sent[-1])
    wire = damaged(draw, one.take_output())
    got: list[tuple[int, bytes]] = []
    pieces = 0
    try:
        while wire:
            size = draw.choice((1, 2, 20, len(wire)))
            other.feed(wire[:size])
            wire = wire[size:]
            pieces += 1
            while (record := other.next_record()) is not None:
                got.append(record)
    except PeerError:
        pass
    assert got == sent[: len(got)], (got, sent)
    return pieces


def datagrams(draw: random.Random) -> int:
    """Play one session of nodes; return how many pieces went in."""
    offers = _offers(draw)
    one, other = (DatagramSession(terms, offers, ENDS) for terms in TERMS)
    if draw.getrandbits(1):
        one, other = other, one
    #: Handshake records on their way, and everything that was ever sent to the other.
    lines, coming = [*one.begin()], [*other.begin()]
    genuine = lines.copy()
    sent: set[tuple[int, bytes]] = set()
    got: Counter[tuple[int, bytes]] = Counter()
    pieces = 0
    while pieces < PIECES:
        said: tuple[bytes, ...] = ()
        if coming:
            try:
                said = one.receive(coming.pop(0), over_tcp=True).replies
            except PeerError:
                # The other has taken part in a handshake with plain records that were
                # changed on the way.
                break
        elif one.sealer is not None and draw.randrange(3):
            record = (len(sent) % 128, b"%d" % len(sent))
            sent.add(record)
            genuine.append(one.seal(*record))
        elif one.state is READY and not draw.randrange(9):
            said = one.begin()
        lines += said
        genuine += said
        over_tcp = bool(draw.getrandbits(1))
        if lines and over_tcp:
            wire = lines.pop(0)
        else:
            wire = draw.choice(genuine[-20:])
            # Plain records are not protected, and a handshake with a changed one ends.
            if other.opener or not draw.randrange(50):
                wire = damaged(draw, wire)
            elif over_tcp:
                continue
        pieces += 1
        try:
            delivery = other.receive(wire, over_tcp=over_tcp)
        except PeerError:
            continue
        coming += delivery.replies
        if delivery.record is not None:
            got[delivery.record] += 1
    assert set(got) <= sent
    assert all(count == 1 for count in got.values()), got
    return pieces


def _offers(draw: random.Random) -> Callable[[], Offer]:
    return lambda: Offer.fresh(draw.randbytes)


def main(seconds: float, seed: int) -> None:
    """Play until the time is over."""
    end = time.monotonic() + seconds
    pieces = 0
    while time.monotonic() < end:
        draw = random.Random(seed)
        play = draw.choice((stream, datagrams))
        try:
            pieces += play(draw)
        except BaseException:
            print(f"{play.__name__}: seed {seed}", file=sys.stderr)
            raise
        seed += 1
    print(f"{pieces} pieces, up to seed {seed}: nothing found")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
