"""Trains under live contexts against one fresh context per packet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel import reference
from tincd_compat.crypto.packetciphers import decryptor, encryptor
from tincd_compat.crypto.suites import CIPHERS, CipherSuite, find_cipher

USABLE = [cipher for cipher in CIPHERS if cipher.usable]
bodies = st.binary(max_size=50)
trains = st.lists(st.lists(bodies, max_size=6), max_size=4)


def key_block(cipher: CipherSuite) -> bytes:
    return bytes(range(17, 17 + cipher.key_block_size))


def arriving(cipher: CipherSuite, plain: list[bytes]) -> list[bytes]:
    return [reference.filled(cipher, data) for data in plain]


@pytest.fixture(params=USABLE, ids=lambda cipher: str(cipher.name))
def cipher(request: pytest.FixtureRequest) -> CipherSuite:
    assert isinstance(request.param, CipherSuite)
    return request.param


@given(st.sampled_from(USABLE), trains)
def test_like_fresh_contexts(cipher: CipherSuite, packets: list[list[bytes]]) -> None:
    key = key_block(cipher)
    sealing, opening = encryptor(cipher, key), decryptor(cipher, key)
    number = 1
    for train in packets:
        sealed = sealing.encrypt_train(number, train)
        plain = [n.to_bytes(4) + body for n, body in enumerate(train, number)]
        assert sealed == [reference.encrypt(cipher, key, data) for data in plain]
        assert opening.decrypt_train(sealed) == arriving(cipher, plain)
        number += len(train)


@given(st.sampled_from(USABLE), trains)
def test_one_by_one_as_in_a_train(
    cipher: CipherSuite, packets: list[list[bytes]]
) -> None:
    key = key_block(cipher)
    sealing, opening = encryptor(cipher, key), decryptor(cipher, key)
    number = 1
    for bodies in packets:
        train = [sealing.encrypt(n, body) for n, body in enumerate(bodies, number)]
        plain = [n.to_bytes(4) + body for n, body in enumerate(bodies, number)]
        assert train == [reference.encrypt(cipher, key, data) for data in plain]
        assert [opening.decrypt(data) for data in train] == arriving(cipher, plain)
        number += len(bodies)
        # And a train in between.
        sealed = sealing.encrypt_train(number, bodies)
        plain = [n.to_bytes(4) + body for n, body in enumerate(bodies, number)]
        assert sealed == [reference.encrypt(cipher, key, data) for data in plain]
        assert opening.decrypt_train(sealed) == arriving(cipher, plain)
        number += len(bodies)


@given(st.sampled_from(USABLE), st.lists(st.binary(max_size=70), max_size=8))
def test_garbage_one_by_one(cipher: CipherSuite, garbage: list[bytes]) -> None:
    key = key_block(cipher)
    good = encryptor(cipher, key).encrypt_train(1, [b"first", b"second", b"third"])
    opening = decryptor(cipher, key)
    for data in [good[0], *garbage, good[1], *garbage, good[2]]:
        assert opening.decrypt(data) == reference.decrypt(cipher, key, data)


def test_every_length(cipher: CipherSuite) -> None:
    key = key_block(cipher)
    train = [bytes(length) for length in range(40)] + [bytearray(b"frame" * 300)]
    sealed = encryptor(cipher, key).encrypt_train(7, train)
    plain = [n.to_bytes(4) + body for n, body in enumerate(train, 7)]
    assert sealed == [reference.encrypt(cipher, key, data) for data in plain]
    assert decryptor(cipher, key).decrypt_train(sealed) == arriving(cipher, plain)


@given(st.sampled_from(USABLE), st.lists(st.binary(max_size=70), max_size=8))
def test_garbage_among_the_packets(cipher: CipherSuite, garbage: list[bytes]) -> None:
    key = key_block(cipher)
    good = encryptor(cipher, key).encrypt_train(1, [b"first", b"second", b"third"])
    train = [good[0], *garbage, good[1], *garbage, good[2]]
    opening = decryptor(cipher, key)
    expected = [reference.decrypt(cipher, key, data) for data in train]
    assert opening.decrypt_train(train) == expected
    plain = [b"\0\0\0\1first", b"\0\0\0\2second", b"\0\0\0\3third"]
    assert opening.decrypt_train(good) == arriving(cipher, plain)


@pytest.mark.parametrize("name", ["aes-256-cbc", "aes-128-ecb", "bf-cbc"])
@pytest.mark.parametrize("last", ["00", "11", "ff", "0102", "030302", "02030303ff"])
def test_bad_padding(name: str, last: str) -> None:
    cipher = find_cipher(name)
    assert cipher is not None
    key = key_block(cipher)
    block = bytes.fromhex(last).rjust(cipher.block_size, b"\x55")
    sealed = cipher.context(key).encryptor().update(block)
    assert decryptor(cipher, key).decrypt_train([sealed]) == [None]


def test_padding_of_a_whole_block() -> None:
    cipher = find_cipher("aes-256-cbc")
    assert cipher is not None
    key = key_block(cipher)
    (sealed,) = encryptor(cipher, key).encrypt_train(1, [bytes(12)])
    assert len(sealed) == 32
    assert decryptor(cipher, key).decrypt_train([sealed]) == [b"\0\0\0\1" + bytes(12)]


def test_a_failure_does_not_spoil_the_live_context() -> None:
    cipher = find_cipher("aes-256-cbc")
    assert cipher is not None
    key = key_block(cipher)
    sealing = encryptor(cipher, key)
    sealing.encrypt_train(1, [b"one"])
    with pytest.raises(OverflowError):
        sealing.encrypt_train(2**32 - 1, [b"fits", b"does not"])
    (sealed,) = sealing.encrypt_train(2, [b"two"])
    assert sealed == reference.encrypt(cipher, key, b"\0\0\0\2two")


def test_empty_trains(cipher: CipherSuite) -> None:
    key = key_block(cipher)
    assert encryptor(cipher, key).encrypt_train(1, []) == []
    assert decryptor(cipher, key).decrypt_train([]) == []
