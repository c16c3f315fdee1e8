"""The tables of ciphers and digests, and what is refused."""

from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.crypto import library
from tincd_compat.crypto.nids import CIPHER_ALIASES, DIGEST_ALIASES
from tincd_compat.crypto.packetciphers import decryptor, encryptor
from tincd_compat.crypto.suites import (
    CIPHERS,
    DIGESTS,
    CipherMode,
    CipherSuite,
    Digest,
    Suite,
    find_cipher,
    find_digest,
    meta_cipher_for,
)
from tincd_compat.errors import ConfigError

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
    # What OpenSSL 3 says of the others.
    (5, "rc4", 16, 0, 1, 16),
    (29, "des-ecb", 8, 0, 8, 8),
    (30, "des-cfb", 8, 8, 1, 16),
    (32, "des-ede", 16, 0, 8, 16),
    (33, "des-ede3", 24, 0, 8, 24),
    (38, "rc2-ecb", 16, 0, 8, 16),
    (39, "rc2-cfb", 16, 8, 1, 24),
    (40, "rc2-ofb", 16, 8, 1, 24),
    (43, "des-ede-cbc", 16, 8, 8, 24),
    (45, "des-ofb", 8, 8, 1, 16),
    (60, "des-ede-cfb", 16, 8, 1, 24),
    (62, "des-ede-ofb", 16, 8, 1, 24),
    (80, "desx-cbc", 24, 8, 8, 32),
    (97, "rc4-40", 5, 0, 1, 5),
    (98, "rc2-40-cbc", 5, 8, 8, 13),
    (109, "cast5-ecb", 16, 0, 8, 16),
    (166, "rc2-64-cbc", 8, 8, 8, 16),
    (246, "des3-wrap", 24, 0, 8, 24),
    (650, "aes-128-cfb1", 16, 16, 1, 32),
    (651, "aes-192-cfb1", 24, 16, 1, 40),
    (652, "aes-256-cfb1", 32, 16, 1, 48),
    (656, "des-cfb1", 8, 8, 1, 16),
    (657, "des-cfb8", 8, 8, 1, 16),
    (658, "des-ede3-cfb1", 24, 8, 1, 32),
    (659, "des-ede3-cfb8", 24, 8, 1, 32),
    (754, "camellia-128-ecb", 16, 0, 16, 16),
    (755, "camellia-192-ecb", 24, 0, 16, 24),
    (756, "camellia-256-ecb", 32, 0, 16, 32),
    (760, "camellia-128-cfb1", 16, 16, 1, 32),
    (761, "camellia-192-cfb1", 24, 16, 1, 40),
    (762, "camellia-256-cfb1", 32, 16, 1, 48),
    (763, "camellia-128-cfb8", 16, 16, 1, 32),
    (764, "camellia-192-cfb8", 24, 16, 1, 40),
    (765, "camellia-256-cfb8", 32, 16, 1, 48),
    (776, "seed-ecb", 16, 0, 16, 16),
    (778, "seed-ofb", 16, 16, 1, 32),
    (779, "seed-cfb", 16, 16, 1, 32),
    (788, "id-aes128-wrap", 16, 8, 8, 24),
    (789, "id-aes192-wrap", 24, 8, 8, 32),
    (790, "id-aes256-wrap", 32, 8, 8, 40),
    (895, "aes-128-gcm", 16, 12, 1, 28),
    (896, "aes-128-ccm", 16, 12, 1, 28),
    (897, "id-aes128-wrap-pad", 16, 4, 8, 20),
    (898, "aes-192-gcm", 24, 12, 1, 36),
    (899, "aes-192-ccm", 24, 12, 1, 36),
    (900, "id-aes192-wrap-pad", 24, 4, 8, 28),
    (901, "aes-256-gcm", 32, 12, 1, 44),
    (902, "aes-256-ccm", 32, 12, 1, 44),
    (903, "id-aes256-wrap-pad", 32, 4, 8, 36),
    (904, "aes-128-ctr", 16, 16, 1, 32),
    (905, "aes-192-ctr", 24, 16, 1, 40),
    (906, "aes-256-ctr", 32, 16, 1, 48),
    (913, "aes-128-xts", 32, 16, 1, 48),
    (914, "aes-256-xts", 64, 16, 1, 80),
    (915, "rc4-hmac-md5", 16, 0, 1, 16),
    (916, "aes-128-cbc-hmac-sha1", 16, 16, 16, 32),
    (918, "aes-256-cbc-hmac-sha1", 32, 16, 16, 48),
    (948, "aes-128-cbc-hmac-sha256", 16, 16, 16, 32),
    (950, "aes-256-cbc-hmac-sha256", 32, 16, 16, 48),
    (958, "aes-128-ocb", 16, 12, 16, 28),
    (959, "aes-192-ocb", 24, 12, 16, 36),
    (960, "aes-256-ocb", 32, 12, 16, 44),
    (963, "camellia-128-ctr", 16, 16, 1, 32),
    (967, "camellia-192-ctr", 24, 16, 1, 40),
    (971, "camellia-256-ctr", 32, 16, 1, 48),
    (1018, "chacha20-poly1305", 32, 12, 1, 44),
    (1019, "chacha20", 32, 16, 1, 48),
    (1065, "aria-128-ecb", 16, 0, 16, 16),
    (1067, "aria-128-cfb", 16, 16, 1, 32),
    (1068, "aria-128-ofb", 16, 16, 1, 32),
    (1069, "aria-128-ctr", 16, 16, 1, 32),
    (1070, "aria-192-ecb", 24, 0, 16, 24),
    (1072, "aria-192-cfb", 24, 16, 1, 40),
    (1073, "aria-192-ofb", 24, 16, 1, 40),
    (1074, "aria-192-ctr", 24, 16, 1, 40),
    (1075, "aria-256-ecb", 32, 0, 16, 32),
    (1077, "aria-256-cfb", 32, 16, 1, 48),
    (1078, "aria-256-ofb", 32, 16, 1, 48),
    (1079, "aria-256-ctr", 32, 16, 1, 48),
    (1080, "aria-128-cfb1", 16, 16, 1, 32),
    (1081, "aria-192-cfb1", 24, 16, 1, 40),
    (1082, "aria-256-cfb1", 32, 16, 1, 48),
    (1083, "aria-128-cfb8", 16, 16, 1, 32),
    (1084, "aria-192-cfb8", 24, 16, 1, 40),
    (1085, "aria-256-cfb8", 32, 16, 1, 48),
    (1120, "aria-128-ccm", 16, 12, 1, 28),
    (1121, "aria-192-ccm", 24, 12, 1, 36),
    (1122, "aria-256-ccm", 32, 12, 1, 44),
    (1123, "aria-128-gcm", 16, 12, 1, 28),
    (1124, "aria-192-gcm", 24, 12, 1, 36),
    (1125, "aria-256-gcm", 32, 12, 1, 44),
    (1133, "sm4-ecb", 16, 0, 16, 16),
    (1139, "sm4-ctr", 16, 16, 1, 32),
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
    (114, "md5-sha1", 36),
    (257, "md4", 16),
    (804, "whirlpool", 64),
    (1100, "shake128", 16),
    (1101, "shake256", 32),
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
    assert sorted(c.nid for c in CIPHERS) == sorted(row[0] for row in CIPHER_ROWS)
    assert sorted(d.nid for d in DIGESTS) == sorted(row[0] for row in DIGEST_ROWS)


@pytest.mark.parametrize(("nid", "name", "size"), DIGEST_ROWS)
def test_digest_row(nid: int, name: str, size: int) -> None:
    digest = find_digest(nid)
    assert digest is not None
    assert (digest.nid, digest.name, digest.size) == (nid, name, size)
    assert find_digest(name.title()) is digest
    assert digest.usable == (not digest.unfit)
    if size and digest.usable:
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
        ("id-aes192-gcm", 898),
        ("rc2-128", 37),
        ("des-ede-ecb", 32),
        ("AES-128-WRAP", 788),
    ],
)
def test_cipher_alias(alias: str, nid: int) -> None:
    assert find_cipher(alias) is find_cipher(nid)


def test_unknown_names_and_numbers() -> None:
    assert find_cipher("rot13") is None
    assert find_cipher(-1) is None
    assert find_digest("snefru") is None
    assert find_digest(258) is None


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda cipher: str(cipher.name))
def test_usable_says_whether_a_context_can_be_made(cipher: CipherSuite) -> None:
    # The library this package requires brings the legacy ciphers along, the system's
    # OpenSSL has ARIA.
    assert cipher.usable == (not cipher.unfit)


def test_a_cipher_that_this_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_library", lambda: None)
    cipher = find_cipher("aria-128-cbc")
    assert cipher is not None
    assert not cipher.usable
    with pytest.raises(UnsupportedAlgorithm):
        cipher.context(bytes(32)).encryptor()
    suite = Suite.configured("aria-128-cbc", "sha256", 4)
    assert not suite.usable
    assert suite.warnings() == [
        "aria-128-cbc is not available on this machine;"
        " packets to us have to travel over TCP"
    ]


def test_a_digest_that_this_machine_lacks() -> None:
    assert not Digest(257, "no-such", "no-such", 16).usable


def test_a_mode_the_library_lacks_for_a_cipher() -> None:
    assert not CipherSuite(0, "rc2-ofb", "rc2", CipherMode.OFB, 16, 8, 1).usable


@pytest.mark.parametrize(
    ("name", "nid", "why"),
    [
        ("aes-256-ctr", 906, "key stream runs on"),
        ("ChaCha20", 1019, "key stream runs on"),
        ("RC4", 5, "key stream runs on"),
        ("rc4-40", 97, "key stream runs on"),
        ("AES-128-GCM", 895, "authentication tag"),
        ("id-aes256-GCM", 901, "authentication tag"),
        ("aes-256-ccm", 902, "authentication tag"),
        ("aes-256-ocb", 960, "authentication tag"),
        ("aes-128-cbc-hmac-sha256", 948, "records of TLS"),
        ("id-aes256-wrap", 790, "made for keys"),
    ],
)
def test_ciphers_that_cannot_carry_packets(name: str, nid: int, why: str) -> None:
    """C tincd starts with them, and ends up with everything on TCP."""
    suite = Suite.configured(name, "sha256", 4)
    assert suite.cipher.nid == nid
    assert not suite.usable
    (warning,) = suite.warnings()
    assert why in warning
    assert warning.startswith(suite.cipher.name)
    assert warning.endswith("; packets to us have to travel over TCP")
    with pytest.raises(UnsupportedAlgorithm):
        suite.cipher.context(bytes(suite.cipher.key_block_size))
    for direction in (encryptor, decryptor):
        with pytest.raises(UnsupportedAlgorithm):
            direction(suite.cipher, bytes(suite.cipher.key_block_size))


def test_a_digest_that_cannot_authenticate() -> None:
    suite = Suite.configured("aes-256-cbc", "SHAKE256", 4)
    assert (suite.digest.nid, suite.usable) == (1101, False)
    (warning,) = suite.warnings()
    assert warning.startswith("shake256 cannot carry packets: it has no length")


@pytest.mark.parametrize("names", [CIPHER_ALIASES, DIGEST_ALIASES])
def test_aliases_are_of_what_there_is(names: dict[str, str]) -> None:
    found = [find_cipher(name) or find_digest(name) for name in names]
    assert [each and each.name for each in found] == list(names.values())
    assert not [name for name in names if name != name.lower()]


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
        ("aes-256-xts", 429),
        ("rc4", 421),
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
        ("none", "snefru", 4, "Unrecognized digest type!"),
        ("none", "shake128", 17, "MAC length exceeds size of digest!"),
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
