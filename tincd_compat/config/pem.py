"""Key blocks in files: find them, and turn the usable ones into keys.

PKCS#1 is what tincd writes; PKCS#8 and SPKI are what newer tools write.  Text around
the blocks and blocks with other labels (``OLD PRIVATE KEY``) do not matter.  The
library that reads DER is imported when the first block is read, not before.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Callable, Iterator

from tincd_compat.crypto.rsa import PrivateKey, PublicKey
from tincd_compat.dataclass import dataclass

_BEGIN = b"-----BEGIN "
_END = b"-----END "
_DASHES = b"-----"


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between BEGIN and END; the body is not decoded yet."""

    label: str
    body: bytes

    @property
    def encrypted(self) -> bool:
        # PKCS#1 says it in a header, "Proc-Type: 4,ENCRYPTED".
        return self.label == "ENCRYPTED PRIVATE KEY" or b",ENCRYPTED" in self.body

    def decode(self) -> bytes:
        """Return the DER; ValueError if the body is not base64."""
        return binascii.a2b_base64(b"".join(self.body.split()), strict_mode=True)


def _label(line: bytes, start: bytes) -> str | None:
    if not (line.startswith(start) and line.endswith(_DASHES)):
        return None
    return line[len(start) : -len(_DASHES)].decode("latin-1")


def blocks(data: bytes) -> Iterator[Block]:
    """Yield the closed blocks in the order of the file."""
    label: str | None = None
    body: list[bytes] = []
    for raw in data.split(b"\n"):
        line = raw.rstrip()
        if label is None:
            label, body = _label(line, _BEGIN), []
        elif line.startswith(_END):
            if _label(line, _END) == label:
                yield Block(label, b"\n".join(body))
            label = None
        else:
            body.append(line)


def _public_key(block: Block) -> PublicKey | None:
    """Return the RSA key in a block, or None if there is no usable one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(block.decode())
        if not isinstance(key, RSAPublicKey):
            return None
        numbers = key.public_numbers()
        return PublicKey(numbers.n, numbers.e)
    except (ValueError, UnsupportedAlgorithm):
        return None


def read_public_pem(data: bytes) -> PublicKey | None:
    """Return the public key of a file, or None.

    It is the first ``RSA PUBLIC KEY``; if there is none or it is broken, the first
    ``PUBLIC KEY``.
    """
    found = list(blocks(data))
    for label in ("RSA PUBLIC KEY", "PUBLIC KEY"):
        block = next((block for block in found if block.label == label), None)
        key = _public_key(block) if block else None
        if key is not None:
            return key
    return None


def _private_key(block: Block, random_bytes: Callable[[int], bytes]) -> PrivateKey:
    """Return the RSA key in a block; ValueError saying why there is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    if block.encrypted:
        raise ValueError("the key is encrypted; `openssl rsa' removes the passphrase")
    try:
        # Whether the factors are primes takes the library seconds where a key is long,
        # and for longer than that at some lengths.  A damaged key shows without it:
        # see from_numbers.
        key = load_der_private_key(
            block.decode(), None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the key is damaged") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the key is not an RSA key")
    numbers = key.private_numbers()
    public = PublicKey(numbers.public_numbers.n, numbers.public_numbers.e)
    primes = numbers.p, numbers.q
    return PrivateKey.from_numbers(public, numbers.d, primes, random_bytes)


def read_private_pem(
    data: bytes, random_bytes: Callable[[int], bytes] = os.urandom
) -> PrivateKey:
    """Return the first usable RSA private key; ValueError saying why there is none.

    An encrypted key is not usable: a daemon has nobody to ask for a passphrase.
    """
    problem = ValueError("there is no RSA private key in it")
    for block in blocks(data):
        if block.label not in (
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
        ):
            continue
        try:
            return _private_key(block, random_bytes)
        except ValueError as error:
            problem = error
    raise problem
