"""``tincd -K``: make a key pair and add it to the files of this node.

Both files are looked at and their next contents written before either is touched.  What
is said goes to standard error in tincd's words; the questions go to standard output and
are asked on a terminal only, so that a script may feed anything or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from tincd_compat.config.keyfile import KeyFile, install
from tincd_compat.crypto.rsa import MIN_BITS
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_EXPONENT: Final = 65537
#: Shortest modulus the library generates; below it we search for primes ourselves.
_LIBRARY_BITS: Final = 1024
#: Longest modulus whose blocks fit into a field of tincd's protocol.
_MAX_BITS: Final = 8192


@dataclass(frozen=True, slots=True)
class Console:
    """The standard streams, each of them None when closed."""

    stdin: TextIO | None
    stdout: TextIO | None
    stderr: TextIO | None

    def say(self, line: str) -> None:
        """Write a line to standard error."""
        if self.stderr is not None:
            self.stderr.write(f"{line}\n")
            self.stderr.flush()

    def ask(self, kind: str, default: Path) -> Path:
        """Return the file to save to: the answer, or ``default`` off a terminal."""
        if self.stdin is None or self.stdout is None:
            return default
        if not (self.stdin.isatty() and self.stdout.isatty()):
            return default
        self.stdout.write(
            f"Please enter a file to save {kind} RSA key to [{default}]: "
        )
        self.stdout.flush()
        try:
            answer = self.stdin.readline()
        except OSError as error:
            raise ConfigError(f"Error while reading stdin: {error.strerror}") from error
        if not answer:
            raise ConfigError("Error while reading stdin: end of file")
        answer = answer.rstrip("\r\n")
        return Path(answer) if answer else default


def _prime(bits: int, random_bytes: Callable[[int], bytes]) -> int:
    """Return a random number with its two top bits set that passes Fermat's test.

    The library tests the factors of a key properly before it accepts them.
    """
    while True:
        number = int.from_bytes(random_bytes(bits // 8 + 1), "big") % (1 << bits)
        number |= 3 << bits - 2 | 1
        if (number - 1) % _EXPONENT and pow(2, number - 1, number) == 1:
            return number


def _small_key(bits: int, random_bytes: Callable[[int], bytes]) -> RSAPrivateKey:
    """Return a key shorter than the library makes them."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    p, q = _prime(bits // 2, random_bytes), _prime(bits // 2, random_bytes)
    exponent = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p,
        q,
        exponent,
        rsa.rsa_crt_dmp1(exponent, p),
        rsa.rsa_crt_dmq1(exponent, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(_EXPONENT, p * q),
    ).private_key()


def _key_pair(bits: int, random_bytes: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """Return a new key pair, private and public, as PKCS#1 blocks in clear."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    if bits < _LIBRARY_BITS:
        key = _small_key(bits, random_bytes)
    else:
        key = rsa.generate_private_key(_EXPONENT, bits)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    )
    return private, public


def generate_keys(
    directory: Path,
    name: str | None,
    bits: int,
    console: Console,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> None:
    """Make a key pair of ``bits`` rounded down to whole bytes and save it.

    The private key goes to rsa_key.priv, the public one to hosts/NAME, or to
    rsa_key.pub if this node has no name.  ConfigError, with no file touched, if that is
    impossible.
    """
    bits -= bits % 8
    if bits < MIN_BITS:
        least = f"BITS must be a number equal to or greater than {MIN_BITS}."
        raise ConfigError(f"Invalid argument `{bits}'; {least}")
    if bits > _MAX_BITS:
        console.say(f"Warning: tincd cannot use keys of more than {_MAX_BITS} bits.")
    console.say(f"Generating {bits} bits keys:")
    try:
        private, public = _key_pair(bits, random_bytes)
    except ValueError as error:
        raise ConfigError(f"Error during key generation! ({error})") from error
    console.say("Done.")

    public_default = directory / ("rsa_key.pub" if name is None else f"hosts/{name}")
    private_path = console.ask("private", directory / "rsa_key.priv")
    public_path = console.ask("public", public_default)
    files = [
        KeyFile.open(private_path, private, private=True),
        KeyFile.open(public_path, public, private=False),
    ]
    if files[0].target == files[1].target:
        problem = "The two keys cannot share a file"
        raise ConfigError(f"Error opening file `{public_path}': {problem}")
    for warning in install(files):
        console.say(warning)
