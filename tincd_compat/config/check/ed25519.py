"""Ed25519 keys: ours, those of the others, and where they shut somebody out.

A node that has the Ed25519 key of another one refuses it in protocol 17.0.  So a key
that is in a file and not in use is worth a word, wherever it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tincd_compat.config import pem
from tincd_compat.config.check.findings import FindingSeverity, Report
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.keys import load_signing_key
from tincd_compat.config.settings import Settings

if TYPE_CHECKING:
    from tincd_compat.config.ed25519 import SigningKey, VerifyingKey

_VARIABLE: Final = "Ed25519PublicKey"
_LABEL: Final = "ED25519 PUBLIC KEY"


def check_signing_key(
    settings: Settings, directory: Path, report: Report
) -> SigningKey | None:
    """Read our own key as a start does; None if this node speaks protocol 17.0."""
    path = Path(settings.ed25519_private_key_file or directory / "ed25519_key.priv")
    named = settings.ed25519_private_key_file is not None
    if settings.experimental_protocol is False:
        if path.exists():
            text = "ExperimentalProtocol = no: this key is not used, and peers that"
            report.info(path, f"{text} have its public half refuse this node")
        return None
    if settings.experimental_protocol is None and not named and not path.exists():
        return None
    key: SigningKey | None = None
    with report.blaming(path, variable="Ed25519PrivateKeyFile"):
        # A start logs a broken key that nothing asks for, which tells less.
        key = load_signing_key(replace(settings, experimental_protocol=True), directory)
    return key


def check_own_line(
    path: Path,
    host: HostSettings,
    directory: Path,
    name: str,
    key: SigningKey | None,
    report: Report,
) -> None:
    """Compare our key with the public half that the others were given."""
    found = _read(path, host, directory, name, FindingSeverity.ERROR, report)
    if key is None and found is not None:
        text = (
            f"{name} speaks protocol 17.0 alone, in which nodes that have this key"
            " refuse it: remove the key here and from their copies of this file"
        )
        report.warning(path, text, _VARIABLE)
    elif key is not None and found is None and not _is_said(host):
        text = "the public half of the Ed25519 key is missing: `tincd-compat keys'"
        report.warning(path, f"{text} adds its line", _VARIABLE)
    elif key is not None and found is not None and key.public != found:
        text = (
            "the Ed25519 key here does not belong to the private key of this node:"
            " nobody who has this file lets it in"
        )
        report.error(path, text, _VARIABLE)


def check_peer_key(
    path: Path,
    host: HostSettings,
    directory: Path,
    name: str,
    worst: FindingSeverity | None,
    report: Report,
    *,
    used: bool,
) -> VerifyingKey | None:
    """Read the key of another node; None if there is none.

    ``used`` tells whether we have a key of our own: else this one is of no effect.
    """
    if not _is_said(host):
        return None
    severity = (worst or FindingSeverity.ERROR) if used else FindingSeverity.INFO
    found = _read(path, host, directory, name, severity, report)
    if found is not None and not used:
        text = (
            "this node has no Ed25519 key in use, so that of the other has no effect;"
            f" if {name} has a key of this node, it refuses it in protocol 17.0"
        )
        report.info(path, text, _VARIABLE)
    return found


def _is_said(host: HostSettings) -> bool:
    """Tell whether a host file names a key, good or broken."""
    given = (host.ed25519_public_key, host.ed25519_public_key_file)
    return any(text is not None for text in given) or _block(host) is not None


def _block(host: HostSettings) -> pem.Block | None:
    found = (block for block in pem.blocks(host.pem) if block.label == _LABEL)
    return next(found, None)


def _read(
    path: Path,
    host: HostSettings,
    directory: Path,
    name: str,
    worst: FindingSeverity,
    report: Report,
) -> VerifyingKey | None:
    """Return the key that counts; say what is wrong with it, or beside it."""
    if not _is_said(host):
        return None
    # What a net of tinc 1.0 does not need, a check of it does not load.
    from tincd_compat.config.ed25519 import load_verifying_key

    found: VerifyingKey | None = None
    with report.blaming(path, worst, _VARIABLE):
        found = load_verifying_key(host, directory, name)
    block = _block(host)
    if found is not None and block is not None:
        digits = block.body.strip().decode("latin-1")
        if host.ed25519_public_key not in (None, digits):
            text = "the Ed25519 key in the block here is another one than that of"
            report.warning(path, f"{text} the line, which counts", _VARIABLE)
    return found
