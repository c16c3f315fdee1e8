"""The tables of ciphers and digests, and what is refused."""

from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.errors import ConfigError
from tincd_compat.tunnel import libcrypto
from tincd_compat.tunnel.suites import (
    CIPHERS,
    DIGESTS,
    CipherSuite,
    Digest,
    Mode,
    Suite,
    find_cipher,
    find_digest,
    meta_cipher_for,
    refusal,
)

# nid, name, key, iv, block, key block
CIPHER_ROWS = [
    (0, "none", 0, 0, 1, 1),
    (427, "aes-256-cbc", 32, 16, 16, 48),
    (423, "aes-192-cbc", 24, 16, 16, 40),
    (419, "aes-128-cbc", 16, 16, 16, 32),
    (429, "aes-256-cfb", 32, 16, 1, 48),
    (425, "aes-192-cfb", 24, 16, 1, 40),
    (421, "aes-128-cfb", 16, 16, 1, 32),
    (428, "aes-256-ofb", 32, 16, 1, 48),
    (424, "aes-192-ofb", 24, 16, 1, 40),
    (420, "aes-128-ofb", 16, 16, 1, 32),
    (426, "aes-256-ecb", 32, 0, 16, 32),
    (422, "aes-192-ecb", 24, 0, 16, 24),
    (418, "aes-128-ecb", 16, 0, 16, 16),
    (91, "bf-cbc", 16, 8, 8, 24),
    (93, "bf-cfb", 16, 8, 1, 24),
    (94, "bf-ofb", 16, 8, 1, 24),
    (92, "bf-ecb", 16, 0, 8, 16),
    (44, "des-ede3-cbc", 24, 8, 8, 32),
    (108, "cast5-cbc", 16, 8, 8, 24),
    (751, "camellia-128-cbc", 16, 16, 16, 32),
    (752, "camellia-192-cbc", 24, 16, 16, 40),
    (753, "camellia-256-cbc", 32, 16, 16, 48),
    (653, "aes-128-cfb8", 16, 16, 1, 32),
    (655, "aes-256-cfb8", 32, 16, 1, 48),
    (31, "des-cbc", 8, 8, 8, 16),
    (37, "rc2-cbc", 16, 8, 8, 24),
    (777, "seed-cbc", 16, 16, 16, 32),
    (1066, "aria-128-cbc", 16, 16, 16, 32),
    (1076, "aria-256-cbc", 32, 16, 16, 48),
    (1134, "sm4-cbc", 16, 16, 16, 32),
    (654, "aes-192-cfb8", 24, 16, 1, 40),
    (1071, "aria-192-cbc", 24, 16, 16, 40),
    (757, "camellia-128-cfb", 16, 16, 1, 32),
    (758, "camellia-192-cfb", 24, 16, 1, 40),
    (759, "camellia-256-cfb", 32, 16, 1, 48),
    (766, "camellia-128-ofb", 16, 16, 1, 32),
    (767, "camellia-192-ofb", 24, 16, 1, 40),
    (768, "camellia-256-ofb", 32, 16, 1, 48),
    (61, "des-ede3-cfb", 24, 8, 1, 32),
    (63, "des-ede3-ofb", 24, 8, 1, 32),
    (110, "cast5-cfb", 16, 8, 1, 24),
    (111, "cast5-ofb", 16, 8, 1, 24),
    (1137, "sm4-cfb", 16, 16, 1, 32),
    (1135, "sm4-ofb", 16, 16, 1, 32),
]

DIGEST_ROWS = [
    (0, "none", 0),
    (4, "md5", 16),
    (64, "sha1", 20),
    (672, "sha256", 32),
    (673, "sha384", 48),
    (674, "sha512", 64),
    (675, "sha224", 28),
    (117, "ripemd160", 20),
    (1056, "blake2b512", 64),
    (1057, "blake2s256", 32),
    (1097, "sha3-256", 32),
    (1099, "sha3-512", 64),
    (1096, "sha3-224", 28),
    (1098, "sha3-384", 48),
    (1094, "sha512-224", 28),
    (1095, "sha512-256", 32),
    (1143, "sm3", 32),
]


@pytest.mark.parametrize(
    ("nid", "name", "key", "iv", "block", "key_block"), CIPHER_ROWS
)
def test_cipher_row(
    nid: int, name: str, key: int, iv: int, block: int, key_block: int
) -> None:
    cipher = find_cipher(nid)
    assert cipher is not None
    assert (cipher.nid, cipher.name) == (nid, name)
    assert (cipher.key_length, cipher.iv_length, cipher.block_size) == (key, iv, block)
    assert cipher.key_block_size == key_block
    assert find_cipher(name.upper()) is cipher


def test_the_tables_have_no_other_rows() -> None:
    assert [cipher.nid for cipher in CIPHERS] == [row[0] for row in CIPHER_ROWS]
    assert sorted(d.nid for d in DIGESTS) == sorted(row[0] for row in DIGEST_ROWS)


@pytest.mark.parametrize(("nid", "name", "size"), DIGEST_ROWS)
def test_digest_row(nid: int, name: str, size: int) -> None:
    digest = find_digest(nid)
    assert digest is not None
    assert (digest.nid, digest.name, digest.size) == (nid, name, size)
    assert find_digest(name.title()) is digest
    assert digest.usable
    if size:
        assert len(digest.new(b"abc").digest()) == size


@pytest.mark.parametrize(
    ("alias", "nid"),
    [
        ("AES256", 427),
        ("aes128", 419),
        ("blowfish", 91),
        ("BF", 91),
        ("des3", 44),
        ("cast", 108),
    ],
)
def test_cipher_alias(alias: str, nid: int) -> None:
    assert find_cipher(alias) is find_cipher(nid)


def test_unknown_names_and_numbers() -> None:
    assert find_cipher("rot13") is None
    assert find_cipher(-1) is None
    assert find_digest("md4") is None
    assert find_digest(257) is None


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda cipher: str(cipher.name))
def test_usable_says_whether_a_context_can_be_made(cipher: CipherSuite) -> None:
    # The library this package requires brings the legacy ciphers along, the system's
    # OpenSSL has ARIA.
    assert cipher.usable


def test_a_cipher_that_this_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "_library", lambda: None)
    cipher = find_cipher("aria-128-cbc")
    assert cipher is not None
    assert not cipher.usable
    with pytest.raises(UnsupportedAlgorithm):
        cipher.context(bytes(32)).encryptor()
    suite = Suite.configured("aria-128-cbc", "sha256", 4)
    assert not suite.usable
    assert suite.warnings() == [
        "aria-128-cbc is not available on this machine:"
        " packets to us have to travel over TCP"
    ]


def test_a_digest_that_this_machine_lacks() -> None:
    assert not Digest(257, "md4", "no-such-function", 16).usable


def test_a_mode_the_library_lacks_for_a_cipher() -> None:
    assert not CipherSuite(0, "rc2-ofb", "rc2", Mode.OFB, 16, 8, 1).usable


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("aes-256-ctr", "key stream runs on"),
        ("ChaCha20", "key stream runs on"),
        ("RC4", "key stream runs on"),
        ("rc4-40", "key stream runs on"),
        ("AES-128-GCM", "authentication tag"),
        ("aes-256-ccm", "authentication tag"),
        ("aes-256-ocb", "authentication tag"),
        ("chacha20-poly1305", "authentication tag"),
        ("aes-256-xts", "disk sectors"),
        ("id-aes256-wrap", "made for keys"),
    ],
)
def test_ciphers_that_cannot_carry_packets(name: str, why: str) -> None:
    assert find_cipher(name) is None
    assert why in str(refusal(name))
    with pytest.raises(ConfigError, match=f"Cipher {name} cannot be used: .*{why}"):
        Suite.configured(name, "sha256", 4)


def test_no_refusal_for_what_is_merely_unknown() -> None:
    assert refusal("rot13") is None
    assert all(refusal(cipher.name) is None for cipher in CIPHERS)


@pytest.mark.parametrize(
    ("name", "nid"),
    [
        ("none", 421),
        ("des-cbc", 421),
        ("aes-128-cbc", 421),
        ("bf-cbc", 421),
        ("aes-192-cbc", 425),
        ("des-ede3-cbc", 425),
        ("aes-256-cbc", 429),
        ("camellia-256-cbc", 429),
    ],
)
def test_meta_cipher_follows_the_key_length(name: str, nid: int) -> None:
    cipher = find_cipher(name)
    assert cipher is not None
    assert meta_cipher_for(cipher) == nid


def test_the_configured_suite() -> None:
    suite = Suite.configured("AES-256-CBC", "SHA256", 4)
    assert (suite.cipher.nid, suite.digest.nid, suite.maclength) == (427, 672, 4)
    assert suite.encrypts
    assert suite.authenticates
    assert suite.usable
    assert suite.warnings() == []


@pytest.mark.parametrize(
    ("cipher", "digest", "maclength", "words"),
    [
        ("none", "sha256", 4, ["Cipher = none: whoever is on their way can read"]),
        ("aes-256-cbc", "none", 4, ["Digest = none: anybody can forge and alter"]),
        ("aes-256-cbc", "sha256", 0, ["MACLength = 0: anybody can forge and alter"]),
        ("none", "none", 0, ["Cipher = none", "Digest = none"]),
    ],
)
def test_what_is_unsafe(
    cipher: str, digest: str, maclength: int, words: list[str]
) -> None:
    found = Suite.configured(cipher, digest, maclength).warnings()
    assert len(found) == len(words)
    assert all(text.startswith(start) for text, start in zip(found, words, strict=True))


@pytest.mark.parametrize(
    ("cipher", "digest", "maclength", "message"),
    [
        ("rot13", "sha256", 4, "Unrecognized cipher type!"),
        ("none", "md4", 4, "Unrecognized digest type!"),
        ("none", "sha256", 33, "MAC length exceeds size of digest!"),
        ("none", "sha1", 21, "MAC length exceeds size of digest!"),
        ("none", "sha256", -1, "Bogus MAC length!"),
    ],
)
def test_bad_configuration(
    cipher: str, digest: str, maclength: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Suite.configured(cipher, digest, maclength)


@pytest.mark.parametrize(
    ("digest", "maclength"), [("none", 4), ("none", 99), ("md5", 0)]
)
def test_suites_without_a_mac(digest: str, maclength: int) -> None:
    suite = Suite.configured("none", digest, maclength)
    assert not suite.encrypts
    assert not suite.authenticates
    assert suite.maclength == maclength


def test_the_key_block_is_the_key_and_then_the_iv() -> None:
    cipher = find_cipher("bf-cbc")
    assert cipher is not None
    assert cipher.split(bytes(range(24))) == (bytes(range(16)), bytes(range(16, 24)))
