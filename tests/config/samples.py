"""Keys and shorthands for the tests of this package."""

from __future__ import annotations

import binascii
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tincd_compat.config.parser import Config, Entry, parse_lines
from tincd_compat.config.settings import Settings, Suites, load_settings
from tincd_compat.crypto.rsa import PrivateKey, PublicKey

# A throw-away 512-bit key of a recorded tincd 1.0.36, with a block it decrypted.
MODULUS: Final = int(
    "E182C6D2EED82CB143EB1B2B11290330C717DBA4D3A7779F536D61C33F4218D6"
    "8E76FB336F813ED8E8369C1E3F0E7A4E8BCF739FD6AD399779C3BEEA25157BF3",
    16,
)
PRIVATE_EXPONENT: Final = int(
    "8ED5AC65520EEE4FE0FAFB1C4E2431F7254381456721FD6C970503150DEE2998"
    "1BFFED56DEE41AFFF9E4868E7B408764DFB31AD1573EF8566A7487F20D669881",
    16,
)
CIPHERTEXT: Final = bytes.fromhex(
    "269E5E395CB895B46103E95E418234877D0F28DCB92525ECA087DBE8018C2D85"
    "84B954D2C9AADBD8286CB01A79C2C1C164C582B8F4D5C8CE66397EF367CA1480"
)
BLOCK: Final = bytes.fromhex(
    "77C9486337B942E2973FD73E5651C673588FBA5F8A2909DD5A62D9657CCD49F7"
    "EC07725AAAF955EB5C977909A9ED3F26863C1C6CA46F5CEED42E761431FB6CCF"
)

# A throw-away key for the public exponent 65535, as hexadecimal variables imply.
HEX_MODULUS: Final = (
    "D80C73CA339F97E481D03BE3E2068C8EBEB1ACBF459A3C2D3989BEF409A4B922"
    "046EF9F32F9767E03412F30BF16387258AB2CDA243E0EE141CF734A752AB87B5"
)
HEX_EXPONENT: Final = (
    "29F71926B40CA843F530E10AE4EE6D949983C953123E8705C9CE58AAEC5870A3"
    "BE1A695696C6095EB1772821382652132A20D88214C128DB52CBC1102831456D"
)

P, Q = rsa.rsa_recover_prime_factors(MODULUS, 65537, PRIVATE_EXPONENT)
PUBLIC: Final = PublicKey(MODULUS, 65537)

NUMBERS: Final = rsa.RSAPrivateNumbers(
    P,
    Q,
    PRIVATE_EXPONENT,
    rsa.rsa_crt_dmp1(PRIVATE_EXPONENT, P),
    rsa.rsa_crt_dmq1(PRIVATE_EXPONENT, Q),
    rsa.rsa_crt_iqmp(P, Q),
    rsa.RSAPublicNumbers(65537, MODULUS),
)
KEY: Final = NUMBERS.private_key()

#: The numbers in the order of PKCS #1.
ORDERED: Final = (
    *(MODULUS, 65537, PRIVATE_EXPONENT, P, Q),
    *(NUMBERS.dmp1, NUMBERS.dmq1, NUMBERS.iqmp),
)

SUITES: Final = Suites(
    is_cipher=lambda name: name.lower() in ("aes-256-cbc", "blowfish"),
    digest_size={"sha256": 32, "SHA1": 20}.get,
)


def private_key() -> PrivateKey:
    return PrivateKey.from_numbers(PUBLIC, PRIVATE_EXPONENT, (P, Q))


def private_pem(
    style: serialization.PrivateFormat = serialization.PrivateFormat.TraditionalOpenSSL,
    password: bytes | None = None,
) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return KEY.private_bytes(serialization.Encoding.PEM, style, encryption)


def private_pem_of(*numbers: int) -> bytes:
    """Return a PKCS#1 block with numbers that no library would write.

    They are n, e, d, p, q, d modulo p - 1 and modulo q - 1, the inverse of q modulo p.
    """
    content = b"".join(_der(0x02, _integer(number)) for number in (0, *numbers))
    body = binascii.b2a_base64(_der(0x30, content))
    label = b"RSA PRIVATE KEY-----\n"
    return b"-----BEGIN " + label + body + b"-----END " + label


def _integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes(2, "big").lstrip(b"\0") or b"\0"
    long_form = bytes([0x80 + len(size)]) if len(content) > 127 else b""
    return bytes([tag]) + long_form + size + content


def public_pem(
    style: serialization.PublicFormat = serialization.PublicFormat.PKCS1,
) -> bytes:
    return KEY.public_key().public_bytes(serialization.Encoding.PEM, style)


def elliptic_pem() -> bytes:
    """A private key that is not RSA, as PKCS#8."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def elliptic_public_pem() -> bytes:
    """A public key that is not RSA, as SPKI."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )


def entry(value: str, variable: str = "Variable") -> Entry:
    return Entry(variable, value, "tinc.conf", 7)


def config(text: str) -> Config:
    return Config(parse_lines(text.encode(), "tinc.conf"))


def settings(text: str = "") -> Settings:
    return load_settings(config(text), "alpha", SUITES)
