"""Packet ciphers that work a whole train of packets at a time.

The IV is constant per key and every packet starts again from it, so each packet is a
chain of its own.  Setting up a context per packet is what makes that slow.  Instead

* CBC encryption keeps one context alive and takes its state, the last ciphertext block
  C, out again: the first block P of the next packet goes in as P ^ IV ^ C;
* decryption of CBC and CFB puts the IV as a ciphertext block in front of each packet
  and decrypts the train in one go.  Both modes chain on the last ciphertext block only,
  so whatever came before, the packet behind is decrypted as if the context were new;
* OFB is an exclusive or with the same key stream for every packet, made once, and so
  is ChaCha20 where it starts again;
* CFB encryption and XTS have no such way in and take a new context per packet.

An encryptor makes ``seqno || body`` into ciphertext, a decryptor gives that back
without the padding, or None for what no sender can have made.  A packet that comes
alone is worked by itself where a train would cost more than the packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm

from tincd_compat.crypto.algorithms import CipherMode, CipherSuite

#: Bytes of the number in front of the body.
SEQNO_SIZE: Final = 4

#: PKCS#7: n bytes of value n.  An empty entry is one no packet can end in.
_PADDING: Final = tuple(bytes([n]) * n for n in range(256))


class Encryptor(Protocol):
    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        """Encrypt bodies numbered from ``first``, one ciphertext each."""

    def encrypt(self, number: int, body: bytes | bytearray) -> bytes:
        """Encrypt one body, as a train of one."""
        return self.encrypt_train(number, (body,))[0]


class Decryptor(Protocol):
    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        """Decrypt each ciphertext, None where its length or padding is impossible."""

    def decrypt(self, ciphertext: bytes) -> bytes | None:
        """Decrypt one ciphertext, as a train of one."""
        return self.decrypt_train((ciphertext,))[0]


class NullCipher(Encryptor, Decryptor):
    """No encryption in either direction."""

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        return _number(first, bodies)

    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        return list(ciphertexts)


class CbcEncryptor(Encryptor):
    """One live context; ``_carry`` is IV ^ C, what its state lays on a new packet."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._update = suite.context(key_block).encryptor().update
        self._block = suite.block_size
        self._iv = int.from_bytes(suite.split(key_block)[1])
        self._carry = 0
        self._pads = _padding_by_length(suite.block_size)

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        update, block, iv, pads = self._update, self._block, self._iv, self._pads
        head = block - SEQNO_SIZE
        shift = 8 * head
        carry = self._carry
        train = []
        join = b"".join
        try:
            for number, body in enumerate(bodies, first):
                pad = pads[len(body) % block]
                if len(body) < head:
                    body, pad = body + pad, b""
                start = (number << shift | int.from_bytes(body[:head])) ^ carry
                sealed = update(join((start.to_bytes(block), body[head:], pad)))
                carry = int.from_bytes(sealed[-block:]) ^ iv
                train.append(sealed)
        finally:
            # The context has moved on: losing count of it would spoil all that follows.
            self._carry = carry
        return train

    def encrypt(self, number: int, body: bytes | bytearray) -> bytes:
        block = self._block
        head = block - SEQNO_SIZE
        padded = body + self._pads[len(body) % block]
        start = (number << 8 * head | int.from_bytes(padded[:head])) ^ self._carry
        sealed = self._update(start.to_bytes(block) + padded[head:])
        self._carry = int.from_bytes(sealed[-block:]) ^ self._iv
        return sealed


class EcbEncryptor(Encryptor):
    """Blocks do not depend on each other: a train is one long packet."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._update = suite.context(key_block).encryptor().update
        self._block = suite.block_size
        self._pads = _padding_by_length(suite.block_size)

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        pads, block = self._pads, self._block
        padded = [body + pads[len(body) % block] for body in bodies]
        plain = _number(first, padded)
        return _split(self._update(b"".join(plain)), plain)


class FeedbackEncryptor(Encryptor):
    """CFB, with a new context per packet."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._encryptor = suite.context(key_block).encryptor

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        encryptor = self._encryptor
        return [encryptor().update(plain) for plain in _number(first, bodies)]


class BlockDecryptor(Decryptor):
    """CBC and ECB: whole blocks, with padding."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._update = suite.context(key_block).decryptor().update
        self._block = suite.block_size
        self._iv = suite.split(key_block)[1]

    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        block, iv = self._block, self._iv
        # A broken block would stay in the context and shift everything behind it.
        whole = [data for data in ciphertexts if data and not len(data) % block]
        train = self._update(iv + iv.join(whole)) if whole else b""
        plain: list[bytes | None] = []
        end = 0
        for data in ciphertexts:
            if not data or len(data) % block:
                plain.append(None)
                continue
            start = end + len(iv)
            end = start + len(data)
            pad = train[end - 1]
            valid = 0 < pad <= block and train.endswith(_PADDING[pad], start, end)
            plain.append(train[start : end - pad] if valid else None)
        return plain

    def decrypt(self, ciphertext: bytes) -> bytes | None:
        block, iv = self._block, self._iv
        if not ciphertext or len(ciphertext) % block:
            return None
        plain = self._update(iv + ciphertext)
        pad = plain[-1]
        if 0 < pad <= block and plain.endswith(_PADDING[pad]):
            return plain[len(iv) : -pad]
        return None


class FeedbackDecryptor(Decryptor):
    """CFB: any length, but the next packet's IV has to start on a block boundary."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._update = suite.context(key_block).decryptor().update
        self._iv = suite.split(key_block)[1]

    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        iv = self._iv
        size = len(iv)
        filled = [data + bytes(-len(data) % size) for data in ciphertexts]
        train = self._update(iv + iv.join(filled)) if filled else b""
        plain: list[bytes | None] = []
        start = size
        for data, fill in zip(ciphertexts, filled, strict=True):
            plain.append(train[start : start + len(data)])
            start += len(fill) + size
        return plain


class SectorCipher(Encryptor, Decryptor):
    """XTS, with a new context per packet: each is a sector with the same number.

    What is shorter than a block cannot be encrypted.  No frame is, but one that was
    compressed or broken may be: as many bytes as are missing, of that value, follow it.
    """

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        context = suite.context(key_block)
        self._encryptor, self._decryptor = context.encryptor, context.decryptor
        self._shortest = suite.shortest

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        encryptor, shortest = self._encryptor, self._shortest
        train = []
        for plain in _number(first, bodies):
            missing = max(0, shortest - len(plain))
            train.append(encryptor().update(plain + _PADDING[missing]))
        return train

    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        return [self._decrypted(data) if data else b"" for data in ciphertexts]

    def _decrypted(self, data: bytes) -> bytes | None:
        return self._decryptor().update(data) if len(data) >= self._shortest else None


class KeyStream(Encryptor, Decryptor):
    """OFB in either direction; the stream is made as far as it was ever needed."""

    def __init__(self, suite: CipherSuite, key_block: bytes) -> None:
        self._update = suite.context(key_block).encryptor().update
        self._stream = b""

    def encrypt_train(
        self, first: int, bodies: Sequence[bytes | bytearray]
    ) -> list[bytes]:
        return [self._xor(plain) for plain in _number(first, bodies)]

    def decrypt_train(self, ciphertexts: Sequence[bytes]) -> list[bytes | None]:
        return [self._xor(data) for data in ciphertexts]

    def _xor(self, data: bytes) -> bytes:
        size = len(data)
        if size > len(self._stream):
            self._stream += self._update(bytes(size - len(self._stream)))
        mixed = int.from_bytes(data) ^ int.from_bytes(self._stream[:size])
        return mixed.to_bytes(size)


def encryptor(suite: CipherSuite, key_block: bytes) -> Encryptor:
    """Return an encryptor; UnsupportedAlgorithm if the cipher is not ``usable``."""
    match suite.mode:
        case CipherMode.NONE:
            return NullCipher()
        case CipherMode.CBC:
            return CbcEncryptor(suite, key_block)
        case CipherMode.ECB:
            return EcbEncryptor(suite, key_block)
        case CipherMode.OFB | CipherMode.STREAM:
            return KeyStream(suite, key_block)
        case CipherMode.CFB | CipherMode.CFB1 | CipherMode.CFB8:
            return FeedbackEncryptor(suite, key_block)
        case CipherMode.XTS:
            return SectorCipher(suite, key_block)
        case CipherMode.UNFIT:
            raise UnsupportedAlgorithm(f"{suite.name}: {suite.unfit}")


def decryptor(suite: CipherSuite, key_block: bytes) -> Decryptor:
    """Return a decryptor; UnsupportedAlgorithm if the cipher is not ``usable``."""
    match suite.mode:
        case CipherMode.NONE:
            return NullCipher()
        case CipherMode.CBC | CipherMode.ECB:
            return BlockDecryptor(suite, key_block)
        case CipherMode.OFB | CipherMode.STREAM:
            return KeyStream(suite, key_block)
        case CipherMode.CFB | CipherMode.CFB1 | CipherMode.CFB8:
            return FeedbackDecryptor(suite, key_block)
        case CipherMode.XTS:
            return SectorCipher(suite, key_block)
        case CipherMode.UNFIT:
            raise UnsupportedAlgorithm(f"{suite.name}: {suite.unfit}")


def _padding_by_length(block: int) -> tuple[bytes, ...]:
    """Return the padding of a body by its length modulo ``block``."""
    return tuple(
        _PADDING[block - (length + SEQNO_SIZE) % block] for length in range(block)
    )


def _number(first: int, bodies: Sequence[bytes | bytearray]) -> list[bytes]:
    return [
        number.to_bytes(SEQNO_SIZE) + body for number, body in enumerate(bodies, first)
    ]


def _split(train: bytes, like: Sequence[bytes]) -> list[bytes]:
    """Cut a train into packets of the lengths of those in ``like``."""
    packets = []
    start = 0
    for packet in like:
        packets.append(train[start : start + len(packet)])
        start += len(packet)
    return packets
