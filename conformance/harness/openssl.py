"""OpenSSL 3 with the ciphers that it has only where it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: The default provider is named, too: without, any other one takes its place.
_LEGACY: Final = """\
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
[provider_sect]
default = default_sect
legacy = default_sect
[default_sect]
activate = 1
"""


def legacy_ciphers(directory: Path) -> dict[str, str]:
    """Return the variables that let a daemon use Blowfish, CAST5, DES, RC2 and SEED.

    They name a file that is written into the directory.
    """
    path = directory / "openssl.cnf"
    path.write_text(_LEGACY)
    return {"OPENSSL_CONF": str(path)}
