"""Sealing and opening: round trips, rough wires, order of checks, limits."""

from __future__ import annotations

import itertools
import logging
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.tunnel import reference
from tests.tunnel.samples import DEFAULT, FRAME_A, KEY, seal, suite_of
from tincd_compat import logs
from tincd_compat.crypto import library
from tincd_compat.crypto.suites import (
    CIPHERS,
    DIGESTS,
    CipherMode,
    CipherSuite,
    Digest,
    Suite,
    find_digest,
)
from tincd_compat.tunnel import compression, pure
from tincd_compat.tunnel.codec import (
    LAST_SEQUENCE,
    MAX_SEQNO,
    Drop,
    Opened,
    Opener,
    Sealer,
    log_train,
)

pytestmark = pytest.mark.usefixtures("implementation")

USABLE = [cipher for cipher in CIPHERS if cipher.usable]
HASHES = [digest for digest in DIGESTS if digest.usable]
LEVELS = [level for level in range(1, 34) if compression.available(level)]
frames = st.binary(max_size=80)


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    digest = draw(st.sampled_from(HASHES))
    maclength = draw(st.integers(0, digest.size or 64))
    return Suite(draw(st.sampled_from(USABLE)), digest, maclength)


def arriving(suite: Suite, frame: bytes) -> bytes:
    """Return what comes out of a frame, however short."""
    return reference.filled(suite.cipher, bytes(4) + frame)[4:]


@settings(max_examples=200)
@given(suites(), st.sampled_from([0, 0, *LEVELS]), st.data())
def test_round_trip(suite: Suite, level: int, data: st.DataObject) -> None:
    assume(not level or suite.cipher.mode is not CipherMode.XTS)
    key = bytes(range(suite.cipher.key_block_size))
    sealer, opener = Sealer(suite, key, level), Opener(suite, key, level)
    sizes = st.binary(min_size=1 if level else 0, max_size=80)
    number = 0
    for _ in range(3):
        train = data.draw(st.lists(sizes, min_size=1, max_size=5))
        sealed = sealer.seal_train(train)
        if not level:
            assert sealed == [
                reference.seal(suite, key, seqno, frame)
                for seqno, frame in enumerate(train, number + 1)
            ]
        # The MAC's length counts as a minimum even where there is no MAC.
        long = [len(datagram) >= 4 + suite.maclength for datagram in sealed]
        expected = [
            (arriving(suite, frame), None) if enough else (b"", Drop.TOO_SHORT)
            for frame, enough in zip(train, long, strict=True)
        ]
        opened = opener.open_train(sealed)
        assert [(result.frame, result.drop) for result in opened] == expected
        number += len(train)
        assert sealer.sequence == number
        assert opener.highest == number or not all(long)


@pytest.mark.parametrize("level", [0, *LEVELS])
def test_every_suite_at_every_level(level: int) -> None:
    """Both ends of any two suites agree, and so do a live context and a fresh one."""
    train = [b"x", FRAME_A, FRAME_A * 20, bytes(1518)]
    for number, cipher in enumerate(USABLE):
        digest = HASHES[(number + level) % len(HASHES)]
        suite = Suite(cipher, digest, (number * 7 + level) % (digest.size + 1))
        key = bytes(range(cipher.key_block_size))
        sealer, opener = Sealer(suite, key, level), Opener(suite, key, level)
        # XTS makes the first longer.
        frames = train[cipher.mode is CipherMode.XTS :]
        for _ in range(2):
            opened = opener.open_train(sealer.seal_train(frames))
            assert [result.frame for result in opened] == frames


@settings(max_examples=200)
@given(suites(), st.lists(frames, min_size=1, max_size=12), st.randoms())
def test_a_rough_wire_like_the_reference(
    suite: Suite, train: list[bytes], chance: random.Random
) -> None:
    key = bytes(range(suite.cipher.key_block_size))
    wire = seal(suite, key, *train, first=chance.choice([1, 100, 200]))
    # Duplicated, reordered, lost, cut, corrupted.
    wire = [chance.choice(wire) for _ in range(2 * len(wire))]
    for index in range(0, len(wire), 3):
        damaged = bytearray(wire[index])
        if chance.random() < 0.5:
            damaged = damaged[: chance.randrange(len(damaged) + 1)]
        elif damaged:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        wire[index] = bytes(damaged)
    opener = Opener(suite, key)
    literal = reference.Codec(suite, key, reference.Window(16))
    cut = chance.randrange(len(wire) + 1)
    opened = opener.open_train(wire[:cut]) + opener.open_train(wire[cut:])
    expected = [literal.open(datagram) for datagram in wire]
    assert [None if o.drop else o.frame for o in opened] == expected
    assert opener.highest == literal.window.received


@given(st.binary(max_size=100), st.sampled_from(USABLE))
def test_garbage_never_raises(data: bytes, cipher: CipherSuite) -> None:
    digest = find_digest("none")
    assert digest is not None
    for suite in (Suite(cipher, digest, 0), Suite(cipher, DEFAULT.digest, 4)):
        opener = Opener(suite, bytes(range(cipher.key_block_size)), level=9)
        (opened,) = opener.open_train([data])
        assert opened.drop is not None or opened.frame


def test_every_corrupted_byte_is_noticed() -> None:
    (datagram,) = seal(DEFAULT, KEY, FRAME_A)
    opener = Opener(DEFAULT, KEY)
    broken = []
    for index in range(len(datagram)):
        damaged = bytearray(datagram)
        damaged[index] ^= 0x40
        broken.append(bytes(damaged))
    opened = opener.open_train(broken)
    assert {result.drop for result in opened} == {Drop.UNAUTHENTICATED}
    assert opener.open_train([datagram])[0].frame == FRAME_A


def test_a_bad_length_does_not_harm_its_neighbours() -> None:
    # No MAC, so that the length is what stops it.
    suite = suite_of(427, 0, 0)
    sealed = seal(suite, KEY, b"one", b"two", b"three")
    wire = [sealed[0], sealed[1] + b"x", b"", sealed[1][:-1], sealed[1], sealed[2]]
    opened = Opener(suite, KEY).open_train(wire)
    assert [result.frame for result in opened] == [
        b"one",
        b"",
        b"",
        b"",
        b"two",
        b"three",
    ]
    drops = [result.drop for result in opened]
    bad = Drop.UNDECRYPTABLE
    assert drops == [None, bad, Drop.TOO_SHORT, bad, None, None]


def test_a_plaintext_too_short_for_a_number() -> None:
    suite = suite_of(427, 672, 4)
    sealed = reference.encrypt(suite.cipher, KEY, b"abc")
    tagged = pure.Mac(suite.digest, KEY, 4).append([sealed])
    (opened,) = Opener(suite, KEY).open_train(tagged)
    assert opened.drop is Drop.TOO_SHORT


@pytest.mark.parametrize("nid", [0, 672])
def test_the_mac_length_counts_even_without_a_digest(nid: int) -> None:
    suite = suite_of(0, nid, 4)
    opener = Opener(suite, b"k")
    drops = [result.drop for result in opener.open_train([bytes(7), bytes(3), b""])]
    assert drops == [Drop.TOO_SHORT] * 3
    assert opener.open_train([bytes(8)])[0].drop is not Drop.TOO_SHORT


def test_frames_of_any_length_pass() -> None:
    train: list[bytes | bytearray] = [b"", b"x", bytes(13), bytes(1518)]
    train.append(bytearray(b"writable"))
    opener = Opener(DEFAULT, KEY)
    opened = opener.open_train(Sealer(DEFAULT, KEY).seal_train(train))
    assert [result.frame for result in opened] == train


class TestMatches:
    def test_by_the_mac_alone(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, FRAME_A)
        opener = Opener(DEFAULT, KEY)
        assert opener.authenticates
        assert opener.matches(datagram)
        assert opener.matches(datagram)
        assert not Opener(DEFAULT, bytes(48)).matches(datagram)
        assert not opener.matches(datagram[:-1])
        assert not opener.matches(datagram[:7])
        assert not opener.matches(b"")

    def test_also_what_was_opened_before(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, FRAME_A)
        opener = Opener(DEFAULT, KEY)
        opener.open_train([datagram])
        assert opener.matches(datagram)
        assert opener.highest == 1

    @pytest.mark.parametrize(("digest", "maclength"), [(0, 4), (672, 0)])
    def test_never_without_a_mac(self, digest: int, maclength: int) -> None:
        suite = suite_of(0, digest, maclength)
        opener = Opener(suite, b"k")
        assert not opener.authenticates
        assert not opener.matches(seal(suite, b"k", FRAME_A)[0])


class TestOrder:
    """MAC, decryption, replay window, decompression: the first that fails decides."""

    def test_a_replayed_packet_is_not_decompressed(self) -> None:
        (bad,) = seal(DEFAULT, KEY, b"not zlib")
        opened = Opener(DEFAULT, KEY, level=9).open_train([bad, bad])
        assert [o.drop for o in opened] == [Drop.UNCOMPRESSABLE, Drop.LATE]

    def test_a_forged_packet_does_not_touch_the_window(self) -> None:
        (forged,) = seal(DEFAULT, bytes(48), FRAME_A, first=90)
        opener = Opener(DEFAULT, KEY)
        assert opener.open_train([forged])[0].drop is Drop.UNAUTHENTICATED
        assert opener.highest == 0

    def test_the_window_works_within_a_train(self) -> None:
        one, two, three = seal(DEFAULT, KEY, b"1", b"2", b"3")
        opened = Opener(DEFAULT, KEY).open_train([three, one, one, two, three])
        assert [result.frame for result in opened] == [b"3", b"1", b"", b"2", b""]
        assert opened[2] == Opened(b"", 1, Drop.LATE, 1, 3)
        assert opened[4] == Opened(b"", 1, Drop.LATE, 3, 3)

    def test_far_future(self) -> None:
        far = seal(DEFAULT, KEY, *[b"x"] * 6, first=500)
        opened = Opener(DEFAULT, KEY).open_train(far)
        assert [result.drop for result in opened] == [Drop.FUTURE] * 4 + [None] * 2
        assert [result.strays for result in opened] == [1, 2, 3, 4, 0, 0]
        assert [result.lost for result in opened] == [0, 0, 0, 0, 503, 0]

    def test_without_a_window_everything_passes(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, b"x", first=1000)
        opened = Opener(DEFAULT, KEY, window_bytes=0).open_train([datagram] * 3)
        assert [result.frame for result in opened] == [b"x"] * 3


class TestNumbers:
    def test_from_one(self) -> None:
        sealer = Sealer(DEFAULT, KEY)
        assert sealer.sequence == 0
        sealer.seal_train([b"a", b"b"])
        assert sealer.sequence == 2
        sealer.seal_train([])
        assert sealer.sequence == 2

    @pytest.mark.parametrize("level", [0, 1])
    def test_sealing_stops_when_they_run_out(self, level: int) -> None:
        sealer = Sealer(DEFAULT, KEY, level)
        sealer.sequence = LAST_SEQUENCE - 2
        assert len(sealer.seal_train([b"x"] * 5)) == 2
        assert sealer.exhausted
        assert sealer.seal_train([b"x"]) == []
        assert sealer.sequence == LAST_SEQUENCE

    def test_a_new_key_is_due_beyond_the_limit(self) -> None:
        opener = Opener(DEFAULT, KEY, window_bytes=0)
        first, second = seal(DEFAULT, KEY, b"x", b"y", first=MAX_SEQNO)
        opener.open_train([first])
        assert not opener.needs_rekey
        opener.open_train([second])
        assert opener.needs_rekey


class TestUnusable:
    def test_a_cipher_this_machine_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(library, "_library", lambda: None)
        suite = suite_of(1066, 672, 4)
        for refuse in (Sealer, Opener):
            with pytest.raises(ValueError, match="aria-128-cbc is not available"):
                refuse(suite, bytes(32))

    def test_a_digest_this_machine_lacks(self) -> None:
        suite = Suite(DEFAULT.cipher, Digest(257, "no-such", "no-such", 16), 4)
        with pytest.raises(ValueError, match="no-such is not available"):
            Sealer(suite, KEY)

    def test_a_compressor_this_machine_lacks(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compression, "_LZO", None)
        with pytest.raises(ValueError, match="level 10 is not available"):
            Sealer(DEFAULT, KEY, level=10)
        opener = Opener(DEFAULT, KEY, level=10)
        (opened,) = opener.open_train(seal(DEFAULT, KEY, b"x"))
        assert opened.drop is Drop.UNCOMPRESSABLE


def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logs.traffic.name)
    peer = "b (10.0.0.2 port 655)"
    train = [
        Opened(b"frame", 5, None, 1, 0),
        Opened(b"", drop=Drop.TOO_SHORT),
        Opened(b"", drop=Drop.UNAUTHENTICATED),
        Opened(b"", drop=Drop.UNDECRYPTABLE),
        Opened(b"", 5, Drop.LATE, 7, 9),
        Opened(b"", 5, Drop.FUTURE, 500, 9, strays=2),
        Opened(b"frame", 5, None, 500, 9, lost=490),
        Opened(b"", 5, Drop.UNCOMPRESSABLE, 10, 9),
    ]
    log_train(train, peer)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.DEBUG, f"Got too short packet from {peer}"),
        (logging.DEBUG, f"Got unauthenticated packet from {peer}"),
        (logging.DEBUG, f"Error decrypting packet from {peer}: bad decrypt"),
        (
            logging.WARNING,
            f"Got late or replayed packet from {peer}, seqno 7, last received 9",
        ),
        (
            logging.WARNING,
            f"Packet from {peer} is 490 seqs in the future, dropped (2)",
        ),
        (logging.WARNING, f"Lost 490 packets from {peer}"),
        (logging.ERROR, f"Error while uncompressing packet from {peer}"),
    ]
    assert {record.name for record in caplog.records} == {logs.traffic.name}


def test_every_drop_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logs.traffic.name)
    log_train([Opened(b"", drop=drop) for drop in Drop], "b")
    assert len(caplog.records) == len(Drop)


def test_wire_lengths() -> None:
    """Payload minus frame, as the padding and the MAC make it."""
    rows = {(427, 4): range(9, 25), (91, 4): range(9, 17), (429, 4): [8], (0, 4): [8]}
    for ((nid, maclength), growth), size in itertools.product(
        rows.items(), range(60, 90)
    ):
        suite = suite_of(nid, 672, maclength)
        key = bytes(suite.cipher.key_block_size)
        (datagram,) = seal(suite, key, bytes(size))
        assert len(datagram) - size in growth
