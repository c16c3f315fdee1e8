"""Literal, slow versions of the codec and the replay window to compare with."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import padding

from tincd_compat.crypto.suites import CipherMode, CipherSuite, Digest, Suite

PADDED = (CipherMode.CBC, CipherMode.ECB)


def encrypt(cipher: CipherSuite, key_block: bytes, plain: bytes) -> bytes:
    """Encrypt one packet in a context of its own."""
    if cipher.is_null:
        return plain
    plain = filled(cipher, plain)
    if cipher.mode in PADDED:
        padder = padding.PKCS7(8 * cipher.block_size).padder()
        plain = padder.update(plain) + padder.finalize()
    context = cipher.context(key_block).encryptor()
    return context.update(plain) + context.finalize()


def filled(cipher: CipherSuite, plain: bytes) -> bytes:
    """Return what arrives of a plaintext: XTS cannot do less than a block."""
    missing = max(0, 16 - len(plain)) if cipher.mode is CipherMode.XTS else 0
    return plain + bytes([missing]) * missing


def decrypt(cipher: CipherSuite, key_block: bytes, sealed: bytes) -> bytes | None:
    """Decrypt one packet in a context of its own."""
    if cipher.is_null:
        return sealed
    context = cipher.context(key_block).decryptor()
    try:
        plain = context.update(sealed) + context.finalize()
        if cipher.mode in PADDED:
            unpadder = padding.PKCS7(8 * cipher.block_size).unpadder()
            plain = unpadder.update(plain) + unpadder.finalize()
    except ValueError:
        return None
    return plain


def authenticate(digest: Digest, key: bytes, data: bytes) -> bytes:
    """Return the whole HMAC, by hashlib or, for what that lacks, as RFC 2104 has it."""
    try:
        return hmac.digest(key, data, digest.algorithm)
    except ValueError:
        block = digest.new().block_size
        short = digest.new(key).digest() if len(key) > block else key
        padded = short.ljust(block, b"\0")
        inner = digest.new(bytes(byte ^ 0x36 for byte in padded) + data).digest()
        return digest.new(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def seal(suite: Suite, key_block: bytes, seqno: int, body: bytes) -> bytes:
    sealed = encrypt(suite.cipher, key_block, seqno.to_bytes(4) + body)
    if suite.digest.nid and suite.maclength:
        tag = authenticate(suite.digest, key_block, sealed)
        sealed += tag[: suite.maclength]
    return sealed


@dataclass
class Window:
    """Section by section what a receiver does with number S; one bit per number."""

    window_bytes: int
    received: int = 0
    farfuture: int = 0
    late: dict[int, int] = field(default_factory=dict)

    def accepts(self, seqno: int) -> bool:
        size = 8 * self.window_bytes
        if not self.window_bytes:
            self.received = max(self.received, seqno)
            return True
        if seqno != self.received + 1:
            if seqno >= self.received + size:
                if self.farfuture < self.window_bytes // 4:
                    self.farfuture += 1
                    return False
                self.late.clear()
            elif seqno <= self.received:
                old = self.received >= size and seqno <= self.received - size
                if old or not self.late.get(seqno % size):
                    return False
            else:
                for number in range(self.received + 1, seqno):
                    self.late[number % size] = 1
        self.farfuture = 0
        self.late[seqno % size] = 0
        self.received = max(self.received, seqno)
        return True


@dataclass
class Codec:
    """A receiver that opens one datagram at a time."""

    suite: Suite
    key_block: bytes
    window: Window

    def open(self, datagram: bytes) -> bytes | None:
        suite = self.suite
        if len(datagram) < 4 + suite.maclength:
            return None
        if suite.digest.nid and suite.maclength:
            datagram, mac = datagram[: -suite.maclength], datagram[-suite.maclength :]
            tag = authenticate(suite.digest, self.key_block, datagram)
            if not hmac.compare_digest(mac, tag[: suite.maclength]):
                return None
        plain = decrypt(suite.cipher, self.key_block, datagram)
        if plain is None or len(plain) < 4:
            return None
        if not self.window.accepts(int.from_bytes(plain[:4])):
            return None
        return plain[4:]
