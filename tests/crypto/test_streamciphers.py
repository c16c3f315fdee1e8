"""Stream ciphers and digests against published vectors."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

from tincd_compat.crypto import algorithms
from tincd_compat.crypto.algorithms import Digest
from tincd_compat.crypto.streamciphers import (
    CIPHERS,
    BudgetExceeded,
    StreamCipher,
    digest,
    digest_size,
)

AES_KEYS = {
    16: "2b7e151628aed2a6abf7158809cf4f3c",
    24: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    32: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
}
COUNTING_IV = "000102030405060708090a0b0c0d0e0f"
HIGH_IV = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
AES_TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
)
BF_KEY = "0123456789ABCDEFF0E1D2C3B4A59687"
BF_IV = "FEDCBA9876543210"
BF_TEXT = b"7654321 Now is the time for \0"

# NIST SP 800-38A, sections F.3.13 to F.5.5; Schneier's vectors for Blowfish.
VECTORS = [
    (421, AES_KEYS[16], COUNTING_IV, AES_TEXT, "3b3fd92eb72dad20333449f8e83cfb4a"
     "c8a64537a0b3a93fcde3cdad9f1ce58b"),
    (425, AES_KEYS[24], COUNTING_IV, AES_TEXT, "cdc80d6fddf18cab34c25909c99a4174"
     "67ce7f7f81173621961a2b70171d3d7a"),
    (429, AES_KEYS[32], COUNTING_IV, AES_TEXT, "dc7e84bfda79164b7ecd8486985d3860"
     "39ffed143b28b1c832113c6331e5407b"),
    (420, AES_KEYS[16], COUNTING_IV, AES_TEXT, "3b3fd92eb72dad20333449f8e83cfb4a"
     "7789508d16918f03f53c52dac54ed825"),
    (424, AES_KEYS[24], COUNTING_IV, AES_TEXT, "cdc80d6fddf18cab34c25909c99a4174"
     "fcc28b8d4c63837c09e81700c1100401"),
    (428, AES_KEYS[32], COUNTING_IV, AES_TEXT, "dc7e84bfda79164b7ecd8486985d3860"
     "4febdc6740d20b3ac88f6ad82a4fb08d"),
    (904, AES_KEYS[16], HIGH_IV, AES_TEXT[:16], "874d6191b620e3261bef6864990db6ce"),
    (905, AES_KEYS[24], HIGH_IV, AES_TEXT[:16], "1abc932417521ca24f2b0459fe7e6e0b"),
    (906, AES_KEYS[32], HIGH_IV, AES_TEXT[:16], "601ec313775789a5b7a7f504bbf3d228"),
    (93, BF_KEY, BF_IV, BF_TEXT, "E73214A2822139CAF26ECF6D2EB9E76E"
     "3DA3DE04D1517200519D57A6C3"),
    (94, BF_KEY, BF_IV, BF_TEXT, "E73214A2822139CA62B343CC5B655873"
     "10DD908D0C241B2263C2CF80DA"),
]  # fmt: skip


def test_every_cipher_has_a_vector() -> None:
    assert {nid for nid, *_ in VECTORS} == set(CIPHERS)


@pytest.mark.parametrize(("nid", "key", "iv", "text", "expected"), VECTORS)
def test_published_vectors(
    nid: int, key: str, iv: str, text: bytes, expected: str
) -> None:
    # The key is the end of the block, the IV lies in front of it.
    block = b"ignored" + bytes.fromhex(iv) + bytes.fromhex(key)
    encryptor = CIPHERS[nid].encryptor(block)
    assert encryptor.update(text) == bytes.fromhex(expected)
    decryptor = CIPHERS[nid].decryptor(block)
    single = b"".join(
        decryptor.update(bytes([byte])) for byte in bytes.fromhex(expected)
    )
    assert single == text


@pytest.mark.parametrize("nid", sorted(CIPHERS))
def test_a_block_too_short_for_key_and_iv(nid: int) -> None:
    cipher = CIPHERS[nid]
    least = cipher.suite.key_length + cipher.suite.iv_length
    cipher.encryptor(bytes(least))
    with pytest.raises(ValueError, match="too short"):
        cipher.encryptor(bytes(least - 1))


def test_a_cipher_that_this_openssl_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(key: bytes) -> BlockCipherAlgorithm:
        raise UnsupportedAlgorithm("legacy ciphers are not loaded")

    monkeypatch.setitem(algorithms.ALGORITHMS, "bf", unsupported)
    with pytest.raises(ValueError, match="legacy ciphers are not loaded"):
        CIPHERS[94].decryptor(bytes(24))


def test_budget_follows_the_block_size() -> None:
    assert {CIPHERS[nid].budget for nid in (93, 94)} == {2**31}
    assert {c.budget for n, c in CIPHERS.items() if n > 94} == {2**63}


def test_bytes_can_be_counted_before_they_are_encrypted() -> None:
    stream = StreamCipher(bytes, 5, "encryption of data to")
    stream.reserve(3)
    with pytest.raises(BudgetExceeded):
        stream.update(b"678")
    assert stream.update_reserved(b"123") == b"123"
    assert stream.update(b"45") == b"45"


def test_budget_ends_the_stream() -> None:
    stream = StreamCipher(bytes, 5, "encryption of data to")
    stream.update(b"123")
    stream.update(b"45")
    with pytest.raises(BudgetExceeded) as caught:
        stream.update(b"6")
    assert (
        caught.value.text("b (H)")
        == "Byte limit exceeded for encryption of data to b (H)"
    )


@pytest.mark.parametrize(
    "refused", [0, 426, 418, 422, 901, 895, 427, 91, 1018, 9999, -1]
)
def test_only_byte_streams_are_known(refused: int) -> None:
    assert refused not in CIPHERS


def test_digests() -> None:
    assert digest(672, b"abc") == hashlib.sha256(b"abc").digest()
    assert digest(64, b"abc") == hashlib.sha1(b"abc").digest()
    assert digest(0, b"abc") is None
    assert digest(9999, b"abc") is None
    sizes = {4: 16, 64: 20, 672: 32, 673: 48, 674: 64, 675: 28}
    assert {nid: digest_size(nid) for nid in sizes} == sizes


def test_a_digest_that_this_openssl_lacks_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Digest, "usable", False)
    assert digest_size(672) is None
