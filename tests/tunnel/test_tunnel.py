"""Keys of both directions, what is refused, and the view for the dump."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import pytest

from tincd_compat import logs
from tincd_compat.crypto import library
from tincd_compat.crypto.suites import Suite
from tincd_compat.tunnel import compression
from tincd_compat.tunnel.codec import LAST_SEQUENCE, Drop, Sealer
from tincd_compat.tunnel.pmtu import MTU, PmtuDiscovery
from tincd_compat.tunnel.tunnel import DumpView, KeyFields, Parameters, Tunnel

PEER = "b (10.0.0.2 port 655)"
KEY = bytes(range(48)).hex().upper()


def counting(size: int) -> bytes:
    return bytes(range(size))


def tunnel(
    cipher: str = "aes-256-cbc",
    digest: str = "sha256",
    maclength: int = 4,
    compression: int = 0,
) -> Tunnel:
    suite = Suite.configured(cipher, digest, maclength)
    parameters = Parameters(suite=suite, compression=compression)
    return Tunnel(PEER, parameters, PmtuDiscovery(PEER))


def default_key(target: Tunnel) -> bool:
    return target.install_peer_key(KEY, 427, 672, 4, 0)


def test_a_new_tunnel_has_no_keys() -> None:
    fresh = tunnel()
    assert fresh.sealer is None
    assert fresh.opener is None
    assert not fresh.valid_key
    assert not fresh.needs_rekey
    assert fresh.dump() == DumpView(0, 0, 0, 0, 0, MTU, 0, MTU)


def test_two_tunnels_talk() -> None:
    here, there = tunnel("aes-128-cfb", "sha1", 20), tunnel("bf-cbc", "md5", 4, 9)
    for giver, taker in ((here, there), (there, here)):
        fields = giver.new_own_key(random.Random(2).randbytes)
        assert taker.install_peer_key(
            *(fields.key, fields.cipher, fields.digest),
            *(fields.maclength, fields.compression),
        )
    for sender, receiver in ((here, there), (there, here)):
        assert sender.sealer is not None
        assert receiver.opener is not None
        opened = receiver.opener.open_train(sender.sealer.seal_train([b"one", b"two"]))
        assert [result.frame for result in opened] == [b"one", b"two"]


class TestOwnKey:
    def test_fields_of_the_answer(self) -> None:
        fields = tunnel().new_own_key(counting)
        assert fields == KeyFields(KEY, 427, 672, 4, 0)

    def test_the_null_cipher_has_one_byte(self) -> None:
        fields = tunnel("none", "none", 4, 9).new_own_key(lambda size: b"\xab" * size)
        assert fields == KeyFields("AB", 0, 0, 4, 9)

    def test_it_replaces_the_previous_one_at_once(self) -> None:
        keys = tunnel()
        first, second = two_keys(keys)
        assert keys.opener is not None
        assert keys.opener.highest == 0
        opened = keys.opener.open_train(
            first.seal_train([b"old"]) + second.seal_train([b"new"])
        )
        assert [result.drop for result in opened] == [Drop.UNAUTHENTICATED, None]

    def test_the_previous_one_counts_if_the_node_uses_it(self) -> None:
        keys = tunnel()
        first, second = two_keys(keys)
        newer = keys.opener
        train = second.seal_train([b"new"]) + first.seal_train([b"old"])
        opened = keys.openers.open_train(train, 0.0)
        assert [result.frame for result in opened] == [b"new", b"old"]
        assert keys.opener is not newer

    @pytest.mark.parametrize("go", [Tunnel.reset, Tunnel.forget_peer, Tunnel.expire])
    def test_the_previous_one_ends(self, go: Callable[[Tunnel], None]) -> None:
        keys = tunnel()
        first, _ = two_keys(keys)
        go(keys)
        assert not keys.openers.matches(first.seal_train([b"old"])[0])

    def test_a_void_key_of_the_node_says_nothing_of_ours(self) -> None:
        keys = tunnel()
        first, _ = two_keys(keys)
        keys.void_peer_key()
        assert keys.openers.matches(first.seal_train([b"old"])[0])

    def test_the_replay_window_is_ours(self) -> None:
        suite = Suite.configured("none", "none", 0)
        parameters = Parameters(suite=suite, replay_window=0)
        keys = Tunnel(PEER, parameters, PmtuDiscovery(PEER))
        keys.new_own_key(counting)
        assert keys.opener is not None
        opened = keys.opener.open_train([b"\0\0\0\1frame"] * 2)
        assert [result.frame for result in opened] == [b"frame", b"frame"]

    def test_expiry(self) -> None:
        keys = tunnel()
        keys.new_own_key(counting)
        default_key(keys)
        keys.expire()
        assert keys.opener is None
        assert keys.valid_key

    def test_a_cipher_this_machine_lacks(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(library, "_library", lambda: None)
        keys = tunnel("aria-256-cbc")
        assert keys.new_own_key(counting).cipher == 1076
        assert keys.opener is None
        keys.new_own_key(counting)
        # The start has said it, once for all nodes.
        assert caplog.messages == []

    @pytest.mark.parametrize(
        ("cipher", "nid", "size"),
        [("id-aes256-GCM", 901, 44), ("aes-256-ctr", 906, 48), ("rc4", 5, 16)],
    )
    def test_a_cipher_that_cannot_carry_packets(
        self, cipher: str, nid: int, size: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """C tincd takes the answer as good, and probes in vain."""
        keys = tunnel(cipher)
        answer = keys.new_own_key(counting)
        assert (answer.cipher, len(answer.key)) == (nid, 2 * size)
        assert keys.opener is None
        assert caplog.messages == []

    def test_a_digest_that_cannot_authenticate(self) -> None:
        keys = tunnel("aes-256-cbc", "shake256")
        assert keys.new_own_key(counting).digest == 1101
        assert keys.opener is None

    def test_a_compressor_this_machine_lacks(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compression, "_LZO", None)
        keys = tunnel(compression=11)
        assert keys.new_own_key(counting).compression == 11
        assert keys.opener is not None
        assert len(caplog.records) == 1
        assert "compression level 11 is not available" in caplog.text

    def test_rekey_after_a_high_number(self) -> None:
        keys = tunnel("none", "none", 0)
        keys.new_own_key(counting)
        assert keys.opener is not None
        for _ in range(5):
            assert not keys.needs_rekey
            keys.opener.open_train([(2**30 + 1).to_bytes(4) + b"frame"])
        assert keys.needs_rekey
        keys.new_own_key(counting)
        assert not keys.needs_rekey


def two_keys(keys: Tunnel) -> list[Sealer]:
    """Give the node two keys, and return what it seals with under each."""
    made = [keys.new_own_key(random.Random(seed).randbytes).key for seed in (1, 2)]
    return [Sealer(keys._parameters.suite, bytes.fromhex(key)) for key in made]


class TestPeerKey:
    def test_a_good_one(self) -> None:
        keys = tunnel()
        assert default_key(keys)
        assert keys.valid_key
        assert keys.dump() == DumpView(427, 672, 4, 0, 2, MTU, 0, MTU)

    def test_either_case_and_an_odd_digit(self) -> None:
        sealed = []
        for key in (KEY, KEY.lower(), KEY + "f"):
            keys = tunnel()
            assert keys.install_peer_key(key, 427, 672, 4, 0)
            assert keys.sealer is not None
            sealed.append(keys.sealer.seal_train([b"frame"]))
        assert sealed[0] == sealed[1] == sealed[2]

    def test_numbers_start_again(self) -> None:
        keys = tunnel()
        for _ in range(2):
            default_key(keys)
            assert keys.sealer is not None
            keys.sealer.seal_train([b"x"] * 3)
            assert keys.sealer.sequence == 3

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            (("zz", 427, 672, 4, 0), f"Got bad ANS_KEY from {PEER}: invalid key"),
            ((KEY + " ", 427, 672, 4, 0), f"Got bad ANS_KEY from {PEER}: invalid key"),
            ((KEY, 257, 672, 4, 0), f"Node {PEER} uses unknown cipher!"),
            ((KEY, 901, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            ((KEY, -1, 672, 4, 0), f"Node {PEER} uses unknown cipher!"),
            ((KEY[2:], 427, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            ((KEY + "00", 427, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            (("", 427, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            # The man in the middle who flips bits towards the null cipher.
            ((KEY, 0, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            (("", 0, 672, 4, 0), f"Node {PEER} uses wrong keylength!"),
            ((KEY, 427, 258, 4, 0), f"Node {PEER} uses unknown digest!"),
            ((KEY, 427, 672, 33, 0), f"Node {PEER} uses bogus MAC length!"),
            ((KEY, 427, 672, -1, 0), f"Node {PEER} uses bogus MAC length!"),
            ((KEY, 427, 672, 4, 12), f"Node {PEER} uses bogus compression level!"),
            ((KEY, 427, 672, 4, -1), f"Node {PEER} uses bogus compression level!"),
            # The first fault in order decides.
            (("zz", 257, 257, 99, 99), f"Got bad ANS_KEY from {PEER}: invalid key"),
            (("00", 257, 257, 99, 99), f"Node {PEER} uses unknown cipher!"),
            (("00", 427, 257, 99, 99), f"Node {PEER} uses wrong keylength!"),
            ((KEY, 427, 258, 99, 99), f"Node {PEER} uses unknown digest!"),
            ((KEY, 427, 672, 99, 99), f"Node {PEER} uses bogus MAC length!"),
        ],
    )
    def test_bad_ones(
        self,
        fields: tuple[str, int, int, int, int],
        line: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        keys = tunnel()
        default_key(keys)
        for _ in range(2):
            assert not keys.install_peer_key(*fields)
            assert keys.sealer is None
            assert not keys.valid_key
        logged = [(r.name, r.levelno, r.getMessage()) for r in caplog.records]
        assert logged == [(logs.always.name, logging.ERROR, line)] * 2

    def test_a_null_digest_has_any_mac_length(self) -> None:
        keys = tunnel("none", "none")
        assert keys.install_peer_key("5A", 0, 0, 999, 0)
        assert keys.dump()[:4] == (0, 0, 999, 0)

    def test_it_ends_when_the_numbers_run_out(self) -> None:
        keys = tunnel()
        default_key(keys)
        assert keys.sealer is not None
        keys.sealer.sequence = LAST_SEQUENCE
        assert not keys.valid_key
        assert default_key(keys)
        assert keys.valid_key

    def test_key_changed(self) -> None:
        keys = tunnel()
        default_key(keys)
        assert keys.request_due(100)
        keys.void_peer_key()
        assert not keys.valid_key
        assert keys.request_due(100.1)


NO_CIPHER = f"Node {PEER} wants no encryption, forwarding via TCP"
NO_MAC = f"Node {PEER} wants no MAC, forwarding via TCP"


class TestPlaintextByThePeersWish:
    @pytest.mark.parametrize(
        ("own", "fields", "line"),
        [
            (("aes-256-cbc", "sha256", 4), ("5A", 0, 672, 4, 0), NO_CIPHER),
            (("aes-256-cbc", "sha256", 4), ("5A", 0, 0, 0, 0), NO_CIPHER),
            (("aes-256-cbc", "sha256", 4), (KEY, 427, 0, 4, 0), NO_MAC),
            (("aes-256-cbc", "sha256", 4), (KEY, 427, 672, 0, 0), NO_MAC),
            (("none", "sha256", 4), ("5A", 0, 0, 4, 0), NO_MAC),
            (("aes-256-cbc", "none", 4), ("5A", 0, 672, 4, 0), NO_CIPHER),
        ],
    )
    def test_is_refused_and_logged_once(
        self,
        own: tuple[str, str, int],
        fields: tuple[str, int, int, int, int],
        line: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        keys = tunnel(*own)
        for _ in range(3):
            assert not keys.install_peer_key(*fields)
            assert not keys.valid_key
        assert [record.getMessage() for record in caplog.records] == [line]
        keys.reset()
        keys.install_peer_key(*fields)
        assert len(caplog.records) == 2

    @pytest.mark.parametrize(
        ("own", "fields"),
        [
            (("none", "none", 4), ("5A", 0, 0, 4, 0)),
            (("none", "sha256", 0), ("5A", 0, 672, 0, 0)),
            (("none", "sha256", 4), ("5A", 0, 64, 4, 0)),
            (("aes-256-cbc", "none", 4), (KEY, 427, 672, 0, 0)),
        ],
    )
    def test_is_honoured_where_we_do_the_same(
        self, own: tuple[str, str, int], fields: tuple[str, int, int, int, int]
    ) -> None:
        assert tunnel(*own).install_peer_key(*fields)

    def test_leaves_packets_as_they_are(self) -> None:
        keys = tunnel("none", "none", 4)
        assert keys.install_peer_key("5A", 0, 0, 4, 0)
        assert keys.sealer is not None
        assert keys.sealer.seal_train([b"frame"]) == [b"\0\0\0\1frame"]


class TestWhatThisMachineCannotDo:
    def test_a_cipher(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(library, "_library", lambda: None)
        keys = tunnel()
        for _ in range(2):
            assert not keys.install_peer_key("00" * 32, 1066, 672, 4, 0)
        assert [record.getMessage() for record in caplog.records] == [
            f"Error during initialisation of key from {PEER}: "
            "the cipher aria-128-cbc is not available"
        ]

    @pytest.mark.parametrize(
        ("size", "cipher", "digest", "name"),
        [
            (44, 901, 672, "cipher aes-256-gcm"),
            (48, 906, 672, "cipher aes-256-ctr"),
            (48, 427, 1101, "digest shake256"),
        ],
    )
    def test_what_cannot_carry_packets(
        self,
        size: int,
        cipher: int,
        digest: int,
        name: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        keys = tunnel()
        for _ in range(2):
            assert not keys.install_peer_key("00" * size, cipher, digest, 4, 0)
        assert caplog.messages == [
            f"Error during initialisation of key from {PEER}: "
            f"the {name} cannot carry packets"
        ]
        # As with C tincd the dump says what the node wants,
        assert keys.dump()[:5] == (cipher, digest, 4, 0, 0)
        # and, since that takes such a key as good, nobody asks again and again.
        assert not keys.request_due(1000.0)
        keys.void_peer_key()
        assert keys.request_due(1000.0)

    @pytest.mark.parametrize("level", [10, 11])
    def test_a_compressor(
        self,
        level: int,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(compression, "_LZO", None)
        keys = tunnel()
        for _ in range(2):
            assert not keys.install_peer_key(KEY, 427, 672, 4, level)
        assert [record.getMessage() for record in caplog.records] == [
            f"Cannot seal packets to {PEER}, forwarding via TCP: "
            f"compression level {level} is not available"
        ]


class TestLevelsBeyondTinc:
    """Asked for and accepted only where both ends said that they know zstd."""

    @pytest.mark.parametrize(("own", "common"), [(12, 10), (14, 10), (15, 9), (33, 9)])
    def test_what_a_node_is_asked_for(self, own: int, common: int) -> None:
        keys = tunnel(compression=own)
        for methods, level in (((), common), (("zstd",), own), (("lz4",), common)):
            keys.methods = methods
            assert keys.new_own_key(counting).compression == level
            assert keys.opener is not None
            sealer = Sealer(keys._parameters.suite, counting(48), level)
            (opened,) = keys.opener.open_train(sealer.seal_train([b"frame" * 9]))
            assert opened.frame == b"frame" * 9

    def test_levels_of_tinc_need_no_word(self) -> None:
        for level in range(12):
            assert tunnel(compression=level).new_own_key(counting).compression == level

    @pytest.mark.parametrize("level", [12, 33])
    def test_what_a_node_may_ask_for(
        self, level: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        keys = tunnel()
        assert not keys.install_peer_key(KEY, 427, 672, 4, level)
        assert "uses bogus compression level!" in caplog.text
        keys.methods = ("zstd",)
        assert keys.install_peer_key(KEY, 427, 672, 4, level)
        assert keys.dump().compression == level
        assert not keys.install_peer_key(KEY, 427, 672, 4, 34)

    def test_what_was_said_lasts_until_the_node_goes(self) -> None:
        for go in (Tunnel.reset, Tunnel.forget_peer):
            keys = tunnel()
            keys.methods = ("zstd",)
            keys.requested(5.0)
            keys.void_peer_key()
            assert keys.methods
            assert keys.introduced
            go(keys)
            assert not keys.methods
            assert not keys.introduced

    def test_a_request_out_of_turn_counts_for_the_limit(self) -> None:
        keys = tunnel()
        keys.requested(5.0)
        assert not keys.request_due(14.9)
        assert keys.request_due(15.0)


def test_one_request_in_ten_seconds() -> None:
    keys = tunnel()
    due = [keys.request_due(now) for now in (0.0, 0.1, 9.9, 10.0, 15.0, 20.0)]
    assert due == [True, False, False, True, False, True]


def test_reachability_flip() -> None:
    keys = tunnel()
    keys.new_own_key(counting)
    default_key(keys)
    keys.request_due(5)
    keys.pmtu.limit(1300)
    keys.pmtu.minmtu = 1000
    opener = keys.opener
    keys.reset()
    assert not keys.valid_key
    assert keys.opener is opener
    assert keys.request_due(6)
    assert keys.dump() == DumpView(427, 672, 4, 0, 0, 1300, 0, MTU)


def test_no_key_material_in_representations() -> None:
    fields = tunnel().new_own_key(counting)
    assert fields.key not in repr(fields)
