"""Digits, keys, their text, signatures and agreement, against recorded ones."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.sptps.vectors import EPOCHS, PARTIES, PLANES, VECTORS, label, private
from tincd_compat.crypto.sptps import digits, keytext
from tincd_compat.crypto.sptps.derivation import (
    INVITATION_LABEL,
    meta_label,
    node_id,
    prf,
    session_keys,
    tunnel_label,
)
from tincd_compat.crypto.sptps.edwards import Ephemeral, SigningKey, VerifyingKey

P = 2**255 - 19
seeds = st.binary(min_size=32, max_size=32)


def test_digits_of_the_specification() -> None:
    assert digits.encode(bytes.fromhex("004180")) == "AEEg"
    assert digits.encode(b"abc") == "hJ2Y"
    assert digits.encode(bytes.fromhex("000000008000")) == "AAAAAAIA"
    assert digits.encode(b"\xff\xff\xff") == "////"
    assert digits.encode(b"\xff\xff\xff", url=True) == "____"


@given(st.binary(max_size=200), st.booleans())
def test_digits_are_packed_least_significant_first(data: bytes, url: bool) -> None:
    text = digits.encode(data, url=url)
    assert digits.decode(text) == data
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    alphabet += "-_" if url else "+/"
    number = int.from_bytes(data, "little")
    literal = [number >> 6 * n & 63 for n in range((8 * len(data) + 5) // 6)]
    assert text == "".join(alphabet[value] for value in literal)


@given(st.text(max_size=12))
def test_text_is_refused_or_comes_back(text: str) -> None:
    try:
        data = digits.decode(text)
    except ValueError:
        return
    assert digits.encode(data) == text.translate(str.maketrans("-_", "+/"))


@pytest.mark.parametrize(
    "text", ["A", "AAAAA", "A=", "AA==", "=AAA", "AA A", "AAA\n", "ÄAAA", "AAA.", "//"]
)
def test_no_digits(text: str) -> None:
    with pytest.raises(ValueError, match="text"):
        digits.decode(text)


@pytest.mark.parametrize("party", PARTIES)
def test_recorded_identities(party: str) -> None:
    known = VECTORS["identity"][party]
    key = private(party)
    assert key.public.data.hex() == known["public"]
    assert keytext.public_text(key.public) == known["public_text"]
    assert keytext.parse_public(known["public_text"]) == key.public
    assert keytext.private_block(key) == known["private_file_text"]
    assert keytext.find_private_block(known["private_file_text"]) == key
    assert node_id(known["name"]).hex() == known["node_id"]
    assert key.data.hex() not in repr(key)


@pytest.mark.parametrize(("plane", "epoch"), EPOCHS)
def test_recorded_signatures(plane: str, epoch: dict[str, str]) -> None:
    mine, his = bytes.fromhex(epoch["mykex"]), bytes.fromhex(epoch["hiskex"])
    my_text = b"\1" + mine + his + label(plane)
    his_text = b"\0" + his + mine + label(plane)
    # Of both sides the private key is known.
    assert private("b").sign(my_text).hex() == epoch["mysig"]
    assert private("a").sign(his_text).hex() == epoch["hissig"]
    assert private("a").public.verify(bytes.fromhex(epoch["hissig"]), his_text)
    assert not private("b").public.verify(bytes.fromhex(epoch["hissig"]), his_text)


@pytest.mark.parametrize(("plane", "epoch"), EPOCHS)
def test_recorded_agreements(plane: str, epoch: dict[str, str]) -> None:
    mine, his = bytes.fromhex(epoch["mykex"]), bytes.fromhex(epoch["hiskex"])
    own = Ephemeral(bytes.fromhex(epoch["my_ephemeral_scalar"]), mine[33:])
    secret = own.agree(his[33:])
    assert secret.hex() == epoch["shared"]
    nonces = mine[1:33], his[1:33]
    material = prf(secret, b"key expansion" + b"".join(nonces) + label(plane))
    assert material.hex() == epoch["key_material"]
    keys = session_keys(secret, *nonces, label(plane))
    assert keys.to_initiator.hex() == epoch["key_material"][:64]
    assert keys.to_responder.hex() == epoch["key_material"][128:192]


def test_labels() -> None:
    assert meta_label("bravo", "alpha") == label(PLANES[0])
    assert tunnel_label("bravo", "alpha") == label(PLANES[1])
    assert len(INVITATION_LABEL) == 15


def test_small_vectors() -> None:
    known = "edc5b5ac8ee1e7c8a119585ab20f9711d22d9bacec21f8c5f3740ae8b23a2bcb"
    assert prf(b"\1" * 32, b"seed")[:32].hex() == known
    key = SigningKey.generate(bytes)
    text = keytext.public_text(key.public)
    assert text == "7o2J86stk2iYjiK0q8WDzVmMVcXHiPkp6AMShuYWanC"
    assert key.sign(b"abc").hex().startswith("885dfb07cab2796eb960531a2f09b972")
    one = Ephemeral.generate(lambda size: b"\1" * size)
    two = Ephemeral.generate(lambda size: b"\2" * size)
    known = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    assert one.public.hex() == known
    known = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394"
    assert two.public.hex() == known
    known = "4181d7302557342bdb6d061c4b1eebea828ecb625c3368b7111680793307220b"
    assert one.agree(two.public).hex() == two.agree(one.public).hex() == known
    assert known not in repr(one)


@given(seeds, st.binary(max_size=100))
def test_signatures_are_those_of_rfc_8032(seed: bytes, text: bytes) -> None:
    key = SigningKey.generate(lambda _size: seed)
    library = Ed25519PrivateKey.from_private_bytes(seed)
    assert key.public.data == library.public_key().public_bytes_raw()
    assert key.sign(text) == library.sign(text)
    assert key.public.verify(key.sign(text), text)
    assert not key.public.verify(key.sign(text), text + b"x")
    assert not key.public.verify(b"", text)


@given(seeds, seeds, st.booleans())
def test_a_pair_of_x25519_will_do(seed: bytes, scalar: bytes, sign: bool) -> None:
    # Only y counts, so the sign is free.
    other = X25519PrivateKey.from_private_bytes(scalar)
    u = int.from_bytes(other.public_key().public_bytes_raw(), "little")
    y = (u - 1) * pow(u + 1, -1, P) % P
    point = (y | sign << 255).to_bytes(32, "little")
    own = Ephemeral.generate(lambda _size: seed)
    assert own.agree(point) == Ephemeral(scalar, point).agree(own.public)


@pytest.mark.parametrize("y", [1, P - 1, P + 1, P, 0])
@pytest.mark.parametrize("sign", [0, 1])
def test_points_that_give_a_known_secret(y: int, sign: int) -> None:
    own = Ephemeral.generate(bytes)
    with pytest.raises(ValueError, match="the public key is"):
        own.agree((y | sign << 255).to_bytes(32, "little"))


@given(seeds, st.integers(0, 32 * 8 - 1))
def test_halves_that_do_not_fit(seed: bytes, bit: int) -> None:
    data = bytearray(SigningKey.generate(lambda _size: seed).data)
    for half in (0, 64):
        broken = data.copy()
        broken[half + bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="do not fit"):
            SigningKey(bytes(broken))


def test_a_machine_that_signs_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    key = private("a")
    monkeypatch.setattr(VerifyingKey, "verify", lambda *_: False)
    with pytest.raises(ArithmeticError, match="wrong result"):
        key.sign(b"text")
    with pytest.raises(ValueError, match="do not fit"):
        SigningKey(key.data)


@pytest.mark.parametrize("size", [0, 31, 33, 64, 95, 97])
def test_keys_of_other_lengths(size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        VerifyingKey(bytes(size))
    with pytest.raises(ValueError, match="bytes"):
        SigningKey(bytes(size))


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "!"])
def test_text_that_is_no_public_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"digits"):
        keytext.parse_public(text)


def test_blocks() -> None:
    key = private("a")
    private_block, public_block = (
        keytext.private_block(key),
        keytext.public_block(key.public),
    )
    disabled = "".join(f"# {line}\n" for line in keytext.private_block(key).split("\n"))
    for before, after in itertools.product(("", "Port = 1\n", disabled), repeat=2):
        assert keytext.find_private_block(before + private_block + after) == key
        found = keytext.find_public_block(before + public_block + after)
        assert found == key.public
    assert keytext.find_private_block(public_block + disabled) is None
    assert keytext.find_public_block(private_block) is None


def test_unsound_blocks() -> None:
    private_lines = keytext.private_block(private("a")).splitlines()
    public_lines = keytext.public_block(private("a").public).splitlines()
    for lines in (private_lines[:-1], private_lines[:2] + private_lines[3:]):
        with pytest.raises(ValueError, match="key"):
            keytext.find_private_block("\n".join(lines))
    for lines in (
        public_lines[:-1],
        [public_lines[0], public_lines[2]],
        [*public_lines[:2], *public_lines[1:]],
    ):
        with pytest.raises(ValueError, match="key"):
            keytext.find_public_block("\n".join(lines))
