"""Ed25519 keys of nodes: where they are looked for, and where learned ones are kept.

This module loads the cryptography of protocol 17.7.  A node without an Ed25519 key of
its own does not import it, since the keys of others are of no use to that.
"""

from __future__ import annotations

import os
from pathlib import Path

from tincd_compat.config.hosts import HostSettings
from tincd_compat.crypto.sptps.edwards import SigningKey, VerifyingKey
from tincd_compat.crypto.sptps.keytext import (
    find_private_block,
    find_public_block,
    parse_public,
)
from tincd_compat.errors import ConfigError

__all__ = ["SigningKey", "VerifyingKey", "append_public_key", "read_signing_key"]


def read_signing_key(path: Path, data: bytes) -> SigningKey:
    """Return our private key from its file; ConfigError if there is none in it."""
    advice = "`tincd-compat keys' makes another"
    try:
        key = find_private_block(_text(data))
    except ValueError as error:
        text = f"Reading Ed25519 private key file `{path}' failed: {error}"
        raise ConfigError(f"{text} ({advice})") from None
    if key is None:
        text = f"Reading Ed25519 private key file `{path}' failed: no key is in it"
        raise ConfigError(f"{text} ({advice})")
    return key


def load_verifying_key(
    host: HostSettings, directory: Path, name: str
) -> VerifyingKey | None:
    """Return the key of a peer, None if it has given none.

    Ed25519PublicKey comes first, then Ed25519PublicKeyFile or, without that, the host
    file itself.  ConfigError for a key that is broken.
    """
    path = directory / "hosts" / name
    try:
        if host.ed25519_public_key is not None:
            return parse_public(host.ed25519_public_key)
        if host.ed25519_public_key_file is None:
            return find_public_block(_text(host.pem))
        path = Path(host.ed25519_public_key_file)
        return find_public_block(_text(path.read_bytes()))
    except OSError as error:
        text = f"Error reading Ed25519 public key file `{path}': {error.strerror}"
        raise ConfigError(text) from error
    except ValueError as error:
        advice = f"copy the line Ed25519PublicKey of {name} again, into {path}"
        text = f"Invalid Ed25519 public key for {name}: {error}"
        raise ConfigError(f"{text} ({advice})") from None


def append_public_key(directory: Path, name: str, digits: str) -> None:
    """Add the key of a peer to its host file, in 43 digits.

    ConfigError, with the line to be added by hand, if the file cannot be written.
    """
    path = directory / "hosts" / name
    line = f"Ed25519PublicKey = {digits}\n"
    try:
        with path.open("rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"
            # One write at the end: what somebody else adds meanwhile stays whole.
            file.seek(0, os.SEEK_END)
            file.write(line.encode())
            os.fsync(file.fileno())
    except OSError as error:
        text = f"Could not add the Ed25519 key of {name} to {path}: {error.strerror}"
        raise ConfigError(f"{text} (add the line `{line.strip()}')") from error


def _text(data: bytes) -> str:
    return data.decode("latin-1")
