"""Keys of nodes: where they are looked for, and what is said when they are missing.

The obsolete hexadecimal variables imply the public exponent 65535, not 65537.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tincd_compat import logs
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.pem import read_private_pem, read_public_pem
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.rsa import PrivateKey, PublicKey
from tincd_compat.errors import ConfigError

if TYPE_CHECKING:
    from tincd_compat.config.ed25519 import SigningKey

__all__ = [
    "PrivateKey",
    "PublicKey",
    "load_private_key",
    "load_public_key",
    "load_signing_key",
]

#: Public exponent of keys given in hexadecimal.
HEX_EXPONENT: Final = 0xFFFF

#: A bound on the common divisor of p - 1 and q - 1, hardly ever exceeded.
_MAX_COMMON: Final = 256

_UNREADABLE: Final = {
    "RSA": "Error reading RSA private key file",
    "Ed25519": "Error reading Ed25519 private key file",
}
#: What makes a missing key.
_MAKERS: Final = {"RSA": "`tincd -K'", "Ed25519": "`tincd-compat keys'"}

_HEX: Final = re.compile(r"[0-9A-Fa-f]+")


def _hexadecimal(text: str, variable: str, owner: str) -> int:
    if not _HEX.fullmatch(text):
        advice = "it must be one hexadecimal number; `tincd -K' makes a new key pair"
        raise ConfigError(f"Invalid {variable} for {owner}! ({advice})")
    return int(text, 16)


def _hex_public_key(text: str, owner: str) -> PublicKey:
    modulus = _hexadecimal(text, "PublicKey", owner)
    try:
        return PublicKey(modulus, HEX_EXPONENT)
    except ValueError as error:
        raise ConfigError(f"Invalid PublicKey for {owner}! ({error})") from None


def _recover_primes(public: PublicKey, exponent: int) -> tuple[int, int] | None:
    """Return the factors of the modulus, or None if they do not show at once.

    e d - 1 is a multiple of (p - 1)(q - 1), or of that divided by what p - 1 and q - 1
    have in common.  The multiple follows from the product being nearly n, and the sum
    of p and q from the product.  No power is computed: at 4096 bits Python needs a
    fifth of a second for one.
    """
    modulus, multiple = public.modulus, public.exponent * exponent - 1
    for common in range(1, _MAX_COMMON):
        product = common * multiple // (common * multiple // modulus + 1)
        total = modulus - product + 1
        square = total * total - 4 * modulus
        difference = math.isqrt(square) if square >= 0 else 0
        p, q = (total + difference) // 2, (total - difference) // 2
        if p * q == modulus and q > 1:
            return p, q
    return None


def _hex_private_key(
    settings: Settings, text: str, random_bytes: Callable[[int], bytes]
) -> PrivateKey:
    if settings.public_key is None:
        advice = "`tincd -K' makes a key pair in files instead"
        raise ConfigError(f"PrivateKey used but no PublicKey found! ({advice})")
    exponent = _hexadecimal(text, "PrivateKey", "myself")
    public = _hex_public_key(settings.public_key, "myself")
    primes = _recover_primes(public, exponent)
    try:
        return PrivateKey.from_numbers(public, exponent, primes, random_bytes)
    except ValueError as error:
        raise ConfigError(f"Invalid PrivateKey for myself! ({error})") from None


def _read_private_file(path: Path, kind: str = "RSA") -> bytes:
    """Return the content; a file that others might read gets a warning."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & ~stat.S_IRWXU:
                logs.always.warning(
                    "Warning: insecure file permissions for %s private key file `%s'!"
                    " (`chmod 600 %s' makes it private)",
                    kind,
                    path,
                    path,
                )
            return file.read()
    except OSError as error:
        text = f"{_UNREADABLE[kind]} `{path}': {error.strerror}"
        if isinstance(error, FileNotFoundError):
            text += f" ({_MAKERS[kind]} makes a key pair)"
        raise ConfigError(text) from error


def load_private_key(
    settings: Settings,
    directory: Path,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> PrivateKey:
    """Return our key: from PrivateKey, PrivateKeyFile or rsa_key.priv.

    ConfigError in tincd's words if there is none that works.  ``random_bytes`` supplies
    the blinding of the key's operations.
    """
    if settings.private_key is not None:
        return _hex_private_key(settings, settings.private_key, random_bytes)
    path = Path(settings.private_key_file or directory / "rsa_key.priv")
    data = _read_private_file(path)
    try:
        return read_private_pem(data, random_bytes)
    except ValueError as error:
        text = f"Reading RSA private key file `{path}' failed: {error}"
        raise ConfigError(text) from None


def load_signing_key(settings: Settings, directory: Path) -> SigningKey | None:
    """Return our Ed25519 key, None if this node speaks protocol 17.0 alone.

    ConfigError if ``ExperimentalProtocol = yes`` and there is no key that works.
    Without that variable a broken key is logged, and a missing one is what every node
    of tinc 1.0 has.
    """
    wanted = settings.experimental_protocol
    path = Path(settings.ed25519_private_key_file or directory / "ed25519_key.priv")
    # Where the variable names a file that is missing, a distribution has set it.
    if wanted is False or not (wanted or path.exists()):
        return None
    try:
        data = _read_private_file(path, "Ed25519")
        # What a node without such a key does not need costs it nothing.
        from tincd_compat.config.ed25519 import read_signing_key

        return read_signing_key(path, data)
    except ConfigError as error:
        if wanted:
            raise
        logs.always.error("%s", error)
        return None


def _public_key_from_file(path: Path) -> PublicKey:
    try:
        data = path.read_bytes()
    except OSError as error:
        text = f"Error reading RSA public key file `{path}': {error.strerror}"
        raise ConfigError(text) from error
    key = read_public_pem(data)
    if key is None:
        reason = "there is no RSA public key in it"
        raise ConfigError(f"Reading RSA public key file `{path}' failed: {reason}")
    return key


def load_public_key(host: HostSettings, directory: Path, name: str) -> PublicKey:
    """Return the key of a peer: from PublicKey, PublicKeyFile or its host file.

    ConfigError in tincd's words if there is none; PublicKeyFile does not fall back to
    the host file.
    """
    if host.public_key is not None:
        return _hex_public_key(host.public_key, name)
    if host.public_key_file is not None:
        return _public_key_from_file(Path(host.public_key_file))
    key = read_public_pem(host.pem)
    if key is None:
        place = directory / "hosts" / name
        advice = f"its RSA PUBLIC KEY block belongs into {place}"
        raise ConfigError(f"No public key for {name} specified! ({advice})")
    return key
