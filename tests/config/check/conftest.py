"""A node ``alpha`` with a peer ``beta`` whose configuration has nothing wrong."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MAIN = "Name = alpha\nConnectTo = beta\n"
ALPHA = "Subnet = 10.1.0.0/16\nAddress = alpha.example.org\n"
BETA = "Subnet = 10.2.0.0/16\nAddress = beta.example.org 656\nCompression = 9\n"


@functools.cache
def key_pair(number: int, bits: int = 2048) -> tuple[str, str]:
    """Return the PEM of a private and a public key, the same for the same number."""
    key = rsa.generate_private_key(65537, bits)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.PKCS1
    )
    return private.decode(), public.decode()


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def build(directory: Path) -> Path:
    """Write the configuration into ``directory``, which there is."""
    directory.chmod(0o755)
    write(directory / "tinc.conf", MAIN)
    write(directory / "rsa_key.priv", key_pair(1)[0], 0o600)
    write(directory / "hosts" / "alpha", ALPHA + key_pair(1)[1])
    write(directory / "hosts" / "beta", BETA + key_pair(2)[1])
    write(directory / "tinc-up", "ip link set $INTERFACE up\n", 0o755)
    return directory


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return build(tmp_path)
