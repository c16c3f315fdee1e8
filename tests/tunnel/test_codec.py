"""Sealing and opening: worked examples, captures of tincd 1.0.36, and properties."""

from __future__ import annotations

import ast
import hmac
import inspect
import itertools
import logging
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tunnel import reference
from tincd_compat import logs
from tincd_compat.tunnel import codec, compression
from tincd_compat.tunnel.codec import (
    LAST_SEQUENCE,
    MAX_SEQNO,
    Drop,
    Opened,
    Opener,
    Sealer,
    log_train,
)
from tincd_compat.tunnel.suites import (
    CIPHERS,
    DIGESTS,
    CipherSuite,
    Digest,
    Suite,
    find_cipher,
    find_digest,
)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def suite_of(cipher: int, digest: int, maclength: int) -> Suite:
    found, hashed = find_cipher(cipher), find_digest(digest)
    assert found is not None
    assert hashed is not None
    return Suite(found, hashed, maclength)


DEFAULT = suite_of(427, 672, 4)
KEY = bytes(range(48))

FRAME_A = unhex(
    "000000000000000000000000080045000024 2a174000 40018c6f c0a80101 c0a80201"
    "0800d4b5 12340001 4142434445464748"
)
CIPHERTEXT_A = unhex(
    "9c5048e8cb08b2b5aadb74a4b6da429c9a6a67dce9ceb9f73558ae252d1a599c"
    "1d9edac728a961c7181c58ce5133a3b2935edc0e727492bcd8e036ca84ef3d30"
)
FRAME_B = unhex(
    "0000000000000000000000000000030a11181f262d343b424950575e656c737a81888f969da4abb2"
    "b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a"
)
BODY_F_ZLIB = unhex(
    "78da636040000e06570606152d71070607c69efc032b18190fac6062e460b8b255c88481d1d1c9d9"
    "c5d5cddd03009e3b0900"
)


def seal(
    suite: Suite, key: bytes, *frames: bytes, level: int = 0, first: int = 1
) -> list[bytes]:
    sealer = Sealer(suite, key, level)
    sealer.sequence = first - 1
    return sealer.seal_train(frames)


class TestWorkedExamples:
    def test_a_data_packet(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, FRAME_A)
        assert datagram == CIPHERTEXT_A + unhex("36439037")
        opened = Opener(DEFAULT, KEY).open_train([datagram])
        assert opened == [Opened(FRAME_A, 50, None, 1, 0)]

    def test_b_probe_and_answer(self) -> None:
        request = unhex(
            "24987b2f2d03baece0b705d4903979a61be6b609fd49e479b47043ca84d87214"
            "c2192fbae962ef3499cf2eece9a0f6283236e31265b25d264f52ab3b22a057a8"
            "77783002a5b6bbc6a7aa8e82eb814ebf5f9e016e"
        )
        answer = unhex(
            "1b30819dfb9e6aeebdf949b82738711666f5f7211000c333bac16ba1a56e5a6d"
            "01dd41ab0591721d06250e11d301c96714e4cc5b52f6d8b8247c80b7f3e52f5e"
            "625eb96f73dc633c0860490b675f16da582fa526"
        )
        sealer = Sealer(DEFAULT, KEY)
        assert sealer.seal_train([FRAME_A, FRAME_B])[1] == request
        back = bytes(range(0x80, 0xB0))
        assert seal(DEFAULT, back, b"\1" + FRAME_B[1:]) == [answer]
        (opened,) = Opener(DEFAULT, KEY).open_train([request])
        assert (opened.frame, opened.seqno) == (FRAME_B, 2)

    def test_c_old_default(self) -> None:
        suite, key = suite_of(91, 64, 4), bytes(range(0x40, 0x58))
        datagram = unhex(
            "1608a68188ca12dd41628b91004d823c4e264f42b187c607c464fe098cd48a60"
            "a61ec32bb963b031c9c8d1766cc8321f293493332debe3822ff18f1c"
        )
        assert seal(suite, key, FRAME_A) == [datagram]
        assert Opener(suite, key).open_train([datagram])[0].frame == FRAME_A

    def test_d_null_cipher(self) -> None:
        datagram = unhex("00000001") + FRAME_A + unhex("ca878013")
        assert seal(suite_of(0, 672, 4), b"\x5a", FRAME_A) == [datagram]
        (opened,) = Opener(suite_of(0, 672, 4), b"\x5a").open_train([datagram])
        assert opened.frame == FRAME_A

    def test_e_null_cipher_and_digest(self) -> None:
        datagram = unhex("00000001") + FRAME_A
        assert seal(suite_of(0, 0, 4), b"\x5a", FRAME_A) == [datagram]
        (opened,) = Opener(suite_of(0, 0, 4), b"\x5a").open_train([datagram])
        assert opened.frame == FRAME_A

    def test_f_zlib_body(self) -> None:
        (datagram,) = seal(DEFAULT, KEY, BODY_F_ZLIB)
        (opened,) = Opener(DEFAULT, KEY, level=9).open_train([datagram])
        assert (opened.frame, opened.length) == (FRAME_A, len(BODY_F_ZLIB))
        (datagram,) = seal(DEFAULT, KEY, FRAME_A, level=9)
        (opened,) = Opener(DEFAULT, KEY, level=1).open_train([datagram])
        assert opened.frame == FRAME_A

    @pytest.mark.parametrize("level", [10, 11])
    def test_f_lzo_body(self, level: int) -> None:
        body = b"\x43" + FRAME_A + unhex("110000")
        (datagram,) = seal(DEFAULT, KEY, body)
        (opened,) = Opener(DEFAULT, KEY, level).open_train([datagram])
        assert opened.length == 54
        if compression.available(level):
            assert opened.frame == FRAME_A
        else:
            assert opened.drop is Drop.UNCOMPRESSABLE


# Name, cipher, digest, compression, key, datagram, seqno, frame (maclength is 4).
CAPTURES = [
    pytest.param(
        *(427, 672, 0),
        "8fc356e703e35c05fb11b4bd3e2db5232420866f25169ec91bb61b11316a4cd5"
        "e072f60232b4a9f5dc54346f88bc834d",
        "413de2c5fee69093dad36886990d51b7d5354235b97f2c0c1bd928592770d66a"
        "aa120dff042a8eaa65e9c42d2c302a5782c8bc30b08c4f079120245396e8f1ea"
        "3f97cc10036d7bb0c5f10ab9251d3d96a2fa3ad125a8969469c504108c20cde1"
        "6eb9d0a722d6adedd79022819f88ec80b73fcef5",
        13,
        "000000000000000000000000080045000054812b40004001352bc0a80101c0a8"
        "020108002c5d443100013ce1026b000000006517040000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G1 default",
    ),
    pytest.param(
        *(91, 64, 0),
        "f6860c52409947fb84a76902821e9870235db6395350af26",
        "11e12fbfcf9fd9a41813dfc9c53ef48ad40d70e201cb9cad5de03a60554a246b"
        "f90180e1019c015facd1491f60bb8cebb1fdfbdcd886635456c20d18f5f861ec"
        "a76663f78818fe31de2db8a63fc2a6a2854f3e01f01fbce423aa5a57ac9b6439"
        "e51278b1572aed1de3713c2b",
        13,
        "0000000000000000000000000800450000546a45400040014c11c0a80101c0a8"
        "02010800e0ed44c3000144e1026b00000000a6f4050000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G2 Blowfish and SHA1",
    ),
    pytest.param(
        *(427, 672, 10),
        "63916b1a6050aac9367e2c4e226ac6e42daa9c3d2b47a4010d5596df4f876de9"
        "b56a2fc92e6f2a8ec2bd0e65d0da3add",
        "ed236fcd654e5b36df5aa23d803a8c61b2f60588ed2560bc92f83162b0a0c11e"
        "64d4f6bfdfea6974b04867021c885007da24affbe89854d40b91bd50ed6d0621"
        "1f54c44167166a46064c2646bbe9b20a4ad4df21e434db66b77b90b0143999ed"
        "68fd1cd7",
        10,
        "000000000000000000000000080045000054813c40004001351ac0a80101c0a8"
        "02010800cce6453900014ce1026b00000000b185060000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G3 LZO, level 10",
    ),
    pytest.param(
        *(427, 672, 11),
        "b18dc9b181ea6d92b82960fe3cd97a10ab3848c77496bdb47eddc4390a7190ed"
        "3f24d591ce16c487d2111402ba89b3dc",
        "fe4d7cc4071088c835ab92f8179e7746baa4eb943cc8ba6226e334de752bffe9"
        "140deba9bc8a1baac89adf35654ec0aaef8b9e27951d14736678e45d3c90c180"
        "9657ae7b",
        6,
        "0000000000000000000000000800450000544b9c00004001aabac0a80201c0a8"
        "01010000d4e6453900014ce1026b00000000b185060000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G4 LZO, level 11",
    ),
    pytest.param(
        *(0, 64, 9),
        "1a",
        "0000000c78da636040000e0657068610a74f0e0c0e8cc529075630321e58c1c4"
        "c8c110c2ebba968131e42153364895ec6b2eb0eaffef0e108500795f2ddba777"
        "574d",
        12,
        "00000000000000000000000008004500005442f2400040017364c0a80101c0a8"
        "02010800540d45ad000154e1026b000000001deb0a0000000000ffeec0ffeec0"
        "ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"
        "c0ff",
        id="G5 null cipher, SHA1, zlib 9",
    ),
]


@pytest.mark.parametrize(
    ("cipher", "digest", "level", "key", "datagram", "seqno", "frame"), CAPTURES
)
def test_captures_of_tincd(
    cipher: int,
    digest: int,
    level: int,
    key: str,
    datagram: str,
    seqno: int,
    frame: str,
) -> None:
    suite, key_block, data = suite_of(cipher, digest, 4), unhex(key), unhex(datagram)
    opener = Opener(suite, key_block, level)
    assert opener.matches(data)
    (opened,) = opener.open_train([data])
    assert (opened.seqno, opener.highest) == (seqno, seqno)
    if compression.available(level):
        assert opened.drop is None
        assert opened.frame == unhex(frame)
    else:
        assert opened.drop is Drop.UNCOMPRESSABLE
    if level == 0:
        assert seal(suite, key_block, unhex(frame), first=seqno) == [data]


USABLE = [cipher for cipher in CIPHERS if cipher.usable]
frames = st.binary(max_size=80)


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    digest = draw(st.sampled_from(DIGESTS))
    maclength = draw(st.integers(0, digest.size or 64))
    return Suite(draw(st.sampled_from(USABLE)), digest, maclength)


@settings(max_examples=200)
@given(suites(), st.sampled_from([0, 0, 1, 9]), st.data())
def test_round_trip(suite: Suite, level: int, data: st.DataObject) -> None:
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
            (frame, None) if enough else (b"", Drop.TOO_SHORT)
            for frame, enough in zip(train, long, strict=True)
        ]
        opened = opener.open_train(sealed)
        assert [(result.frame, result.drop) for result in opened] == expected
        number += len(train)
        assert sealer.sequence == number
        assert opener.highest == number or not all(long)


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
    tag = codec.Mac(suite.digest, KEY, 4).tag(sealed)
    (opened,) = Opener(suite, KEY).open_train([sealed + tag])
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


class TestMac:
    @pytest.mark.parametrize("digest", DIGESTS[1:], ids=lambda digest: str(digest.name))
    @pytest.mark.parametrize("size", [1, 48, 64, 65, 128, 129, 200])
    def test_like_hmac(self, digest: Digest, size: int) -> None:
        key, data = bytes(range(size)), b"message" * 30
        whole = hmac.digest(key, data, digest.algorithm)
        for length in (1, 4, digest.size):
            assert codec.Mac(digest, key, length).tag(data) == whole[:length]

    def test_macs_are_compared_in_constant_time_only(self) -> None:
        """No comparison by value in the codec at all but those of small numbers."""
        tree = ast.parse(inspect.getsource(codec))
        equalities = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare)
            and any(
                isinstance(o, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for o in node.ops
            )
        ]
        assert equalities == []
        methods = {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        }
        assert "compare_digest" in methods
        assert not methods & {"endswith", "startswith", "find", "index", "__eq__"}


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
    def test_a_cipher_this_machine_lacks(self) -> None:
        suite = suite_of(1066, 672, 4)
        for refuse in (Sealer, Opener):
            with pytest.raises(ValueError, match="aria-128-cbc is not available"):
                refuse(suite, bytes(32))

    def test_a_digest_this_machine_lacks(self) -> None:
        suite = Suite(DEFAULT.cipher, Digest(257, "md4", "no-such", 16), 4)
        with pytest.raises(ValueError, match="md4 is not available"):
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
