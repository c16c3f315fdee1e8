"""Sealers and openers of SPTPS: the recorded session, and both halves side by side."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crypto.sptps.vectors import VECTORS
from tincd_compat._fast import core
from tincd_compat.crypto.sptps.derivation import node_id
from tincd_compat.crypto.sptps.records import HANDSHAKE, LIMIT
from tincd_compat.tunnel import codec, sptpscodec
from tincd_compat.tunnel.drops import Drop
from tincd_compat.tunnel.sptpscodec import SptpsOpener, SptpsSealer
from tincd_compat.tunnel.sptpspure import (
    COMPRESSED,
    FRAME,
    OVERHEAD,
    PACKET,
    PROBE,
    PureSptpsOpener,
    PureSptpsSealer,
    SptpsOpened,
    frame_of,
)
from tincd_compat.tunnel.traffic import Traffic

KEYS = [bytes((start + i) % 256 for i in range(32)) for start in (0, 50, 100, 150)]
KEY = KEYS[0]
MACS = bytes.fromhex("020000000001 020000000002")
IPV4 = bytes(12) + b"\x08\x00" + b"\x45" + bytes(19)
IPV6 = bytes(12) + b"\x86\xdd" + b"\x60" + bytes(39)
PROBE_FRAME = bytes(14) + b"rand"
IDS = bytes(6) + node_id("bravo")

#: From one number: these draw too many bytes for hypothesis to shrink.
CHANCES = st.integers(0, 2**32).map(random.Random)

HALVES = ["pure"] if core is None else ["pure", "compiled", "portable"]


class Portable:
    """The compiled half without the instructions of the processor."""

    if core is not None:
        SptpsSealer = functools.partial(core.SptpsSealer, portable=True)
        SptpsOpener = functools.partial(core.SptpsOpener, portable=True)


def let_work(half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"pure": None, "compiled": core, "portable": Portable}
    monkeypatch.setattr(sptpscodec, "core", made[half])


@pytest.fixture(params=HALVES)
def half(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one half of the codec do the work, in one way."""
    let_work(request.param, monkeypatch)


@pytest.fixture(params=HALVES[1:] or HALVES)
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the compiled half do the work, in one way."""
    let_work(request.param, monkeypatch)


@pytest.mark.usefixtures("half")
class TestOfBothHalves:
    def pair(self, switching: bool = False) -> tuple[SptpsSealer, SptpsOpener]:
        return SptpsSealer(KEY, switching=switching), SptpsOpener(
            KEY, switching=switching
        )

    def test_the_vector(self) -> None:
        sealer = SptpsSealer(bytes(range(32)), switching=False)
        text = "000000024d99e0a35a2ed6ef35e27d25772db7270daeb1b6de45"
        assert sealer.seal(0, b"SPTPS") == bytes.fromhex(text)
        assert sealer.number == 3

    def test_the_recorded_session(self) -> None:
        """Every encrypted record, in both directions and under both keys of each."""
        tunnel = VECTORS["tunnel"]
        keys = [bytes.fromhex(epoch["key_material"]) for epoch in tunnel["epochs"]]
        # bravo, whose record it is, is the initiator.
        outgoing = [material[64:96] for material in keys]
        incoming = [material[:32] for material in keys]
        sealer = SptpsSealer(outgoing[0], switching=False)
        opener = SptpsOpener(incoming[0], switching=False)
        opened = rekeyed = 0
        for record in tunnel["records"]:
            if not record["encrypted"]:
                continue
            kind, data = record["type"], bytes.fromhex(record["data"])
            wire = bytes.fromhex(record["wire"])
            if record["dir"] == "out":
                assert sealer.number == record["seq"]
                assert sealer.seal(kind, data) == wire
                if kind == HANDSHAKE and not data:
                    sealer.rekey(outgoing[1])
                    rekeyed += 1
                continue
            if kind == HANDSHAKE:
                assert opener.unseal(wire) == (record["seq"], kind, data)
                assert opener.reaches(record["seq"])
                assert opener.admit(record["seq"])
                if len(data) == 64:
                    opener.expect(incoming[1])
                if not data:
                    opener.change()
                continue
            (result,) = opener.open_train([wire])
            assert (result.seqno, result.kind, result.drop) == (
                record["seq"],
                kind,
                None,
            )
            assert result.frame == frame_of(kind, data, switching=False)
            opened += 1
        assert opened
        assert rekeyed == 1

    def test_a_router_strips_the_header_and_puts_it_back(self) -> None:
        sealer, opener = self.pair()
        frames = [MACS + IPV4[12:], MACS + IPV6[12:], PROBE_FRAME]
        train = sealer.seal_train(frames)
        assert [len(data) for data in train] == [
            OVERHEAD + len(IPV4) - 14,
            OVERHEAD + len(IPV6) - 14,
            OVERHEAD + len(PROBE_FRAME),
        ]
        opened = opener.open_train(train)
        assert [(o.frame, o.kind, o.seqno) for o in opened] == [
            (IPV4, PACKET, 2),
            (IPV6, PACKET, 3),
            (PROBE_FRAME, PROBE, 4),
        ]
        assert sealer.sent == opener.received == Traffic(3, sum(map(len, frames)))

    def test_a_switch_keeps_the_header(self) -> None:
        sealer, opener = self.pair(switching=True)
        frames = [MACS + IPV4[12:], MACS + b"\x12\x34" + b"x", PROBE_FRAME]
        opened = opener.open_train(sealer.seal_train(frames))
        assert [o.frame for o in opened] == frames
        assert [o.kind for o in opened] == [FRAME, FRAME, PROBE]
        assert sealer.sent == opener.received == Traffic(3, sum(map(len, frames)))

    def test_a_router_takes_frames_and_a_switch_no_packets(self) -> None:
        router, switch = self.pair()[1], self.pair(switching=True)[1]
        assert [
            o.frame for o in router.open_train(self.pair(True)[0].seal_train([IPV4]))
        ] == [IPV4]
        (refused,) = switch.open_train(self.pair()[0].seal_train([IPV4]))
        assert refused == SptpsOpened(b"", 20, Drop.UNDECRYPTABLE, 2, 1)

    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            (PACKET, b""),
            (PACKET, b"\x55" + bytes(19)),
            (FRAME, IPV4[:13]),
            (FRAME, PROBE_FRAME),
            (PROBE, IPV4),
            (PROBE, PROBE_FRAME[:13]),
            (PROBE | COMPRESSED, b"x"),
            (PROBE | FRAME, PROBE_FRAME),
            (8, IPV4),
            (127, b""),
            (129, b""),
            (255, b""),
        ],
    )
    def test_what_no_node_says_is_refused(self, kind: int, data: bytes) -> None:
        sealer, opener = self.pair()
        datagram = sealer.seal(kind, data)
        assert datagram is not None
        assert opener.open_train([datagram]) == [
            SptpsOpened(b"", len(data), Drop.UNDECRYPTABLE, 2, 1, kind=kind)
        ]
        assert opener.received == Traffic()

    @pytest.mark.parametrize("kind", [COMPRESSED, FRAME | COMPRESSED, HANDSHAKE])
    def test_what_is_for_others_comes_as_it_is(self, kind: int) -> None:
        sealer, opener = self.pair()
        datagram = sealer.seal(kind, b"some data")
        assert datagram is not None
        (opened,) = opener.open_train([datagram])
        assert opened == SptpsOpened(b"some data", 9, None, 2, 1, kind=kind)
        assert sealer.sent == opener.received == Traffic()

    def test_ids_come_first(self) -> None:
        with_ids, without = self.pair()[0], self.pair()[0]
        assert with_ids.seal_train([IPV4] * 3, IDS) == [
            IDS + data for data in without.seal_train([IPV4] * 3)
        ]
        sealed = without.seal(HANDSHAKE, b"x")
        assert sealed is not None
        assert with_ids.seal(HANDSHAKE, b"x", IDS) == IDS + sealed
        with pytest.raises(ValueError, match="12 bytes"):
            with_ids.seal(0, b"x", IDS[1:])
        with pytest.raises(ValueError, match="12 bytes"):
            with_ids.seal_train([IPV4], IDS + b"x")
        assert with_ids.number == without.number

    def test_numbers_run_out(self) -> None:
        sealer = SptpsSealer(KEY, switching=False, number=LIMIT - 2)
        assert not sealer.exhausted
        assert len(sealer.seal_train([IPV4] * 3)) == 2
        assert sealer.exhausted
        assert sealer.seal_train([IPV4]) == []
        assert sealer.seal(HANDSHAKE, b"") is None
        assert sealer.number == LIMIT

    def test_numbers_that_no_session_has_are_refused(self) -> None:
        opener = SptpsOpener(KEY, switching=False, window_bytes=0)
        cipher = PureSptpsSealer(KEY, False)._cipher
        for number in (LIMIT, 2**32 - 1):
            datagram = number.to_bytes(4) + cipher.seal(number, b"\0" + IPV4[14:])
            (opened,) = opener.open_train([datagram])
            assert opened.drop is Drop.FUTURE
            assert opener.unseal(datagram) is None
            assert opener.matches(datagram)
        assert opener.highest == 1

    def test_nonsense_is_refused(self) -> None:
        for wrong in (b"", KEY[:-1], KEY + b"x"):
            with pytest.raises(ValueError, match=r"\w"):
                SptpsSealer(wrong, switching=False)
            with pytest.raises(ValueError, match=r"\w"):
                SptpsOpener(wrong, switching=False)
            with pytest.raises(ValueError, match=r"\w"):
                self.pair()[0].rekey(wrong)
            with pytest.raises(ValueError, match=r"\w"):
                self.pair()[1].expect(wrong)
        sealer = self.pair()[0]
        with pytest.raises(ValueError, match="too short"):
            sealer.seal_train([IPV4, IPV4[:13]])
        assert sealer.number == 2

    def test_numbers_of_the_first_handshake_never_come(self) -> None:
        opener = self.pair()[1]
        early = SptpsSealer(KEY, switching=False, number=0).seal_train([IPV4] * 3)
        drops = [opened.drop for opened in opener.open_train(early)]
        assert drops == [Drop.LATE, Drop.LATE, None]

    def test_a_rekey(self) -> None:
        """Both keys fit until the peer has said that it changed, and has."""
        sealer, opener = self.pair()
        old = sealer.seal_train([IPV4] * 5)
        sealer.rekey(KEYS[1])
        new = sealer.seal_train([IPV4] * 3)
        assert [o.drop for o in opener.open_train(new[:1])] == [Drop.UNAUTHENTICATED]
        opener.expect(KEYS[1])
        train = [old[0], new[0], old[1], new[1], old[2]]
        assert [o.drop for o in opener.open_train(train)] == [None] * 5
        # The old key has fitted last: it is still on its way.
        opener.change()
        assert opener.matches(old[3])
        assert opener.matches(new[2])
        assert [o.drop for o in opener.open_train([old[3], new[2], old[4]])] == [
            None,
            None,
            Drop.UNAUTHENTICATED,
        ]
        assert not opener.matches(old[4])
        assert opener.highest == 9
        assert opener.received.packets == 7
        assert sealer.sent.packets == 8

    def test_a_change_ends_a_key_that_has_been_left(self) -> None:
        sealer, opener = self.pair()
        old = sealer.seal_train([IPV4])
        opener.expect(KEYS[1])
        sealer.rekey(KEYS[1])
        assert opener.open_train(sealer.seal_train([IPV4]))[0].drop is None
        assert opener.matches(old[0])
        opener.change()
        assert not opener.matches(old[0])

    def test_a_third_key_takes_the_place_of_the_one_that_was_not_used(self) -> None:
        opener = self.pair()[1]
        trains = [SptpsSealer(key, switching=False).seal_train([IPV4]) for key in KEYS]
        opener.expect(KEYS[1])
        opener.expect(KEYS[2])
        assert [opener.matches(train[0]) for train in trains] == [
            True,
            False,
            True,
            False,
        ]

    def test_an_unsealed_record_leaves_the_window_alone(self) -> None:
        sealer, opener = self.pair()
        record = sealer.seal(HANDSHAKE, b"hello")
        assert record is not None
        assert (
            opener.unseal(record) == opener.unseal(record) == (2, HANDSHAKE, b"hello")
        )
        assert opener.highest == 1
        assert opener.unseal(record[:-1]) is None
        assert opener.unseal(b"") is None
        assert opener.admit(2)
        assert not opener.admit(2)
        assert opener.open_train([record])[0].drop is Drop.LATE

    def test_heard_is_what_pumps_say(self) -> None:
        sealer, opener = self.pair()
        opener.open_train(sealer.seal_train([IPV4]))
        assert opener.heard == 0


def test_who_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = SptpsSealer(KEY, switching=False)
    opener = SptpsOpener(KEY, switching=False)
    assert (sealer.compiled is None) == (opener.compiled is None) == (core is None)
    monkeypatch.setattr(sptpscodec, "core", None)
    assert SptpsSealer(KEY, switching=False).compiled is None
    assert SptpsOpener(KEY, switching=False).compiled is None


class Model:
    """The window of tinc 1.1 as it is written down: a bit for each number."""

    def __init__(self, window_bytes: int) -> None:
        self.next = 2
        self.span = 8 * window_bytes
        self.patience = window_bytes // 4
        self.far = 0
        self.wanted: set[int] = set()

    def accepts(self, number: int) -> bool:
        if self.span:
            if number >= self.next + self.span:
                if self.far < self.patience:
                    self.far += 1
                    return False
                self.wanted = set(range(number - self.span, number))
            elif number < self.next:
                if number < self.next - self.span or number not in self.wanted:
                    return False
            else:
                self.wanted |= set(range(self.next, number))
        self.wanted.discard(number)
        self.far = 0
        self.next = max(self.next, number + 1)
        return True


@pytest.mark.usefixtures("half")
class TestOfWindows:
    @settings(max_examples=60)
    @given(
        window=st.sampled_from([0, 1, 2, 4, 16]),
        steps=st.lists(
            st.integers(-40, 40) | st.sampled_from([-129, -128, 127, 128, 129, 400]),
            max_size=50,
        ),
    )
    def test_windows_are_those_of_the_model(
        self, window: int, steps: list[int]
    ) -> None:
        opener = SptpsOpener(KEY, switching=False, window_bytes=window)
        model = Model(window)
        number = 1
        for step in steps:
            number = max(0, number + step)
            reaches = not window or model.next - model.span <= number < (
                model.next + model.span
            )
            assert opener.reaches(number) == reaches
            assert opener.admit(number) == model.accepts(number)
            assert opener.highest == model.next - 1


def both_openers(switching: bool, window: int) -> tuple[SptpsOpener, PureSptpsOpener]:
    fast = SptpsOpener(KEY, switching=switching, window_bytes=window)
    return fast, PureSptpsOpener(KEY, switching, window)


def frames(chance: random.Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        size = chance.choice([0, 1, 49, 50, 63, 64, 65, 200, 1400])
        kind = chance.choice([b"\x08\x00", b"\x86\xdd", b"\0\0", b"\x12\x34"])
        yield chance.randbytes(12) + kind + chance.randbytes(size)


@pytest.mark.usefixtures("compiled")
@settings(max_examples=30)
@given(
    switching=st.booleans(),
    first=st.integers(0, LIMIT),
    ids=st.sampled_from([b"", IDS]),
    count=st.integers(0, 20) | st.just(130),
    chance=CHANCES,
)
def test_sealing_in_both_halves(
    switching: bool, first: int, ids: bytes, count: int, chance: random.Random
) -> None:
    fast = SptpsSealer(KEY, switching=switching, number=first)
    pure = PureSptpsSealer(KEY, switching, first)
    for key in KEYS[:2]:
        fast.rekey(key)
        pure.rekey(key)
        train = list(frames(chance, count))
        assert fast.seal_train(train, ids) == pure.seal_train(train, ids)
        kind = chance.randrange(256)
        assert fast.seal(kind, b"x" * count) == pure.seal(kind, b"x" * count)
        assert fast.number == pure.number
        assert fast.sent == Traffic(pure.packets_sealed, pure.bytes_sealed)


class Peer:
    """Somebody who seals, rekeys, jumps and says odd things, and a network to match."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._sealer = PureSptpsSealer(KEY, switching=chance.random() < 0.3)
        self._key = 0

    def rekey(self) -> bytes:
        self._key += 1
        self._sealer.rekey(KEYS[self._key % len(KEYS)])
        return KEYS[self._key % len(KEYS)]

    def says(self) -> list[bytes]:
        sealer, chance = self._sealer, self._chance
        sealer.number += chance.choice([0, 0, 0, 1, 5, 127, 128, 129, 500])
        wire = sealer.seal_train(list(frames(chance, chance.randrange(12))))
        odd = sealer.seal(chance.choice([0, 1, 2, 3, 4, 5, 128, 129]), b"odd")
        assert odd is not None
        return self._damaged([*wire, odd])

    def _damaged(self, wire: list[bytes]) -> list[bytes]:
        chance = self._chance
        wire = [wire[max(0, i - chance.randrange(3))] for i in range(len(wire))]
        for index in range(0, len(wire), 3):
            data = bytearray(wire[index])
            match chance.randrange(4):
                case 0:
                    del data[chance.randrange(len(data) + 1) :]
                case 1:
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            wire[index] = bytes(data)
        return wire


@pytest.mark.usefixtures("compiled")
@settings(max_examples=60)
@given(
    switching=st.booleans(),
    window=st.sampled_from([0, 1, 2, 16]),
    chance=CHANCES,
)
def test_opening_in_both_halves(
    switching: bool, window: int, chance: random.Random
) -> None:
    """Whatever comes, in whatever pieces, both say the same, with one key and two."""
    peer = Peer(chance)
    fast, pure = both_openers(switching, window)
    held: list[bytes] = []
    for _ in range(8):
        held += peer.says()
        if chance.random() < 0.4:
            key = peer.rekey()
            fast.expect(key)
            pure.expect(key)
            held += peer.says()
            chance.shuffle(held)
        if chance.random() < 0.4:
            fast.change()
            pure.change()
        cut = chance.randrange(len(held) + 1)
        wire, held = held[:cut], held[cut:]
        assert [*map(fast.matches, wire)] == [*map(pure.matches, wire)]
        if chance.random() < 0.2:
            assert [*map(fast.unseal, wire)] == [*map(pure.unseal, wire)]
        assert fast.open_train(wire) == pure.open_train(wire)
        assert fast.highest == pure.highest
        assert fast.received == Traffic(pure.packets_opened, pure.bytes_opened)


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes(data: bytes, switching: bool) -> None:
    fast, pure = both_openers(switching, 16)
    assert fast.open_train([data]) == pure.open_train([data])
    assert fast.matches(data) == pure.matches(data)


@pytest.mark.skipif(core is None, reason="the compiled half is not built")
def test_only_bytes_pass() -> None:
    sealer, opener = core.SptpsSealer(KEY, False), core.SptpsOpener(KEY, False, 16)
    for call in (sealer.seal_train, opener.open_train):
        for nonsense in ([1], ["x"], 1, [IPV4, None]):
            with pytest.raises(TypeError):
                call(nonsense)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="too long"):
            call([bytes(1 << 21)])
    for one in (sealer.rekey, opener.expect, opener.unseal, opener.matches):
        with pytest.raises(TypeError):
            one(1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="number"):
        core.SptpsSealer(KEY, False, LIMIT + 1)
    with pytest.raises(ValueError, match="window"):
        core.SptpsOpener(KEY, False, -1)
    for number in (-1, 2**32):
        for judge in (opener.admit, opener.reaches):
            with pytest.raises(OverflowError):
                judge(number)
    assert sealer.number == 2
    assert opener.highest == 1


@pytest.mark.skipif(core is None, reason="the compiled half is not built")
def test_a_library_that_lacks_it_leaves_it_to_python(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> None:
        raise ValueError("OpenSSL 3 cannot work this suite")

    codec.fall_back.cache_clear()
    monkeypatch.setattr(core, "SptpsSealer", refuse)
    monkeypatch.setattr(core, "SptpsOpener", refuse)
    sealer = SptpsSealer(KEY, switching=False)
    opener = SptpsOpener(KEY, switching=False)
    assert sealer.compiled is None
    assert opener.compiled is None
    assert opener.open_train(sealer.seal_train([IPV4]))[0].frame == IPV4
    assert [record.getMessage() for record in caplog.records] == [
        "Packets with chacha20 and poly1305 go the Python way: "
        "OpenSSL 3 cannot work this suite"
    ]
    codec.fall_back.cache_clear()
