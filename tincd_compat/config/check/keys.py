"""Keys: ours, those of the others, and whether two halves belong together."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Final

from tincd_compat.config import pem
from tincd_compat.config.check.blocks import mend
from tincd_compat.config.check.findings import FindingSeverity, Report
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.keys import load_private_key, load_public_key
from tincd_compat.config.settings import Settings
from tincd_compat.crypto.rsa import PrivateKey, PublicKey

#: Bits from which on an RSA key is not within reach of anybody.
STRONG_BITS: Final = 2048


def check_private_key(
    settings: Settings, directory: Path, report: Report
) -> PrivateKey | None:
    """Read our own key as a start does; None if that does not work."""
    path = Path(settings.private_key_file or directory / "rsa_key.priv")
    variable = "PrivateKeyFile"
    if settings.private_key is not None:
        path, variable = directory / "tinc.conf", "PrivateKey"
    key: PrivateKey | None = None
    if settings.private_key is None and _check_damages(path, report):
        return None
    with report.blaming(path, variable=variable):
        key = load_private_key(settings, directory)
    if key is not None:
        _check_strength(path, key.public, report)
    return key


def _check_damages(path: Path, report: Report) -> bool:
    """Tell whether a damaged key block is all that a file has; say what is wrong."""
    try:
        data = path.read_bytes()
    except OSError:
        # A start says it better.
        return False
    damages = [] if _has_private_key(data) else mend(data).damages
    for damage in damages:
        report.error((path, damage.line), damage.text, "PrivateKeyFile")
    return bool(damages)


def _has_private_key(data: bytes) -> bool:
    labels = ("RSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
    return any(block.label in labels for block in pem.blocks(data))


def check_public_key(
    host: HostSettings,
    directory: Path,
    name: str,
    worst: FindingSeverity | None,
    report: Report,
) -> PublicKey | None:
    """Read the public key of a node; None, and ``worst``, if there is none.

    With ``worst`` None it is known why there may be none.
    """
    path = directory / "hosts" / name
    key: PublicKey | None = None
    blamed = Report() if worst is None else report
    with blamed.blaming(path, worst or FindingSeverity.ERROR, "PublicKey"):
        key = load_public_key(host, directory, name)
    if key is not None:
        _check_strength(path, key, report)
    _check_blocks(path, host.pem, report)
    return key


def check_pair(
    path: Path, private: PrivateKey, public: PublicKey, report: Report
) -> None:
    """Compare our private key with the public one that the others were given."""
    if private.public != public:
        text = "the public key here does not belong to the private key of this node"
        report.error(path, f"{text}: nobody who has this file lets it in", "PublicKey")


class Owners:
    """Finds keys that two nodes share, of RSA and of Ed25519."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._owners: dict[Hashable, str] = {}

    def add(
        self, path: Path, name: str, key: Hashable, variable: str = "PublicKey"
    ) -> None:
        owner = self._owners.setdefault(key, name)
        if owner != name:
            text = (
                f"{name} has the public key of {owner}, so each can pass as the other"
            )
            self._report.warning(path, text, variable)


def _check_strength(path: Path, key: PublicKey, report: Report) -> None:
    if key.bits < STRONG_BITS:
        text = f"an RSA key of {key.bits} bits is weak; `tincd -K' makes a new pair"
        report.warning(path, text)


def _check_blocks(path: Path, data: bytes, report: Report) -> None:
    labels = [block.label for block in pem.blocks(data)]
    if any(label.endswith("PRIVATE KEY") and "OLD" not in label for label in labels):
        text = "there is a private key in this file, which other nodes get copies of"
        report.error(path, text)
    usable = [label for label in labels if label in ("RSA PUBLIC KEY", "PUBLIC KEY")]
    if len(usable) > 1:
        text = f"there are {len(usable)} public keys in this file, only one counts"
        report.warning(path, text, "PublicKey")
