"""hosts/NAME at work: what a peer may do and which options its link gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tincd_compat import options
from tincd_compat.config.hosts import HostSettings, read_host_settings
from tincd_compat.config.keys import PublicKey, load_public_key
from tincd_compat.config.parser import Options, options_for
from tincd_compat.config.settings import Settings
from tincd_compat.errors import ConfigError, Fault, PeerError
from tincd_compat.meta.connection import PeerIdentity

if TYPE_CHECKING:
    from tincd_compat.config.ed25519 import VerifyingKey


#: What a daemon with an Ed25519 key announces: it has not the requests 21 to 23.
OWN_MINOR: Final = options.Minor.NODE_IDS


def own_options(settings: Settings, minor: int = 0) -> int:
    """Return the option bits this node announces for itself, and a minor version."""
    bits = options.with_minor(0, minor)
    if settings.indirect_data:
        bits |= options.INDIRECT
    if settings.tcp_only:
        bits |= options.TCPONLY | options.INDIRECT
    if settings.pmtu_discovery:
        bits |= options.PMTU_DISCOVERY
    if settings.clamp_mss:
        bits |= options.CLAMP_MSS
    return bits


def link_options(own: int, host: HostSettings) -> int:
    """Return the bits for the ACK to one peer, whose host file may change them."""
    bits = own & (options.INDIRECT | options.TCPONLY)
    if host.indirect_data:
        bits |= options.INDIRECT
    if host.tcp_only:
        bits |= options.TCPONLY | options.INDIRECT
    if not bits & options.TCPONLY:
        bits |= own & options.PMTU_DISCOVERY
    clamp = bool(own & options.CLAMP_MSS) if host.clamp_mss is None else host.clamp_mss
    bits |= options.CLAMP_MSS if clamp else 0
    return options.with_minor(bits, options.minor(own))


class HostFiles:
    """The host files, each read anew whenever a connection needs it."""

    def __init__(
        self, directory: Path, overrides: Options, *, sptps: bool = False
    ) -> None:
        """``sptps``: we speak protocol 17.7, so Ed25519 keys of peers are read."""
        self.directory = directory
        self._overrides = overrides
        self._sptps = sptps
        #: Ed25519 keys that peers have given and no file has, in 43 digits, by name.
        self._learned: dict[str, str] = {}

    @property
    def minor(self) -> int:
        """The minor version of the protocol that we announce."""
        return OWN_MINOR if self._sptps else 0

    def read(self, name: str) -> HostSettings:
        """Return what the files say of a host; ConfigError if they are unreadable."""
        given = options_for(self._overrides, name)
        return read_host_settings(self.directory, name, given)

    def identity(self, name: str, host: HostSettings, own: int) -> PeerIdentity:
        """Return what the handshake has to know; PeerError without a usable key."""
        key: PublicKey | None = None
        try:
            ed25519 = self._ed25519(name, host) if self._sptps else None
            try:
                key = load_public_key(host, self.directory, name)
            except ConfigError:
                # A node of tinc 1.1 need not have an RSA key.
                if ed25519 is None:
                    raise
        except ConfigError as error:
            # The name is known all the same: no word of an unknown identity.
            raise PeerError(str(error), Fault.IDENTITY) from error
        return PeerIdentity(key, host.weight, link_options(own, host), ed25519)

    def ed25519(self, name: str) -> VerifyingKey | None:
        """Return the Ed25519 key of a node, None if it has given none; ConfigError."""
        return self._ed25519(name, self.read(name))

    def _ed25519(self, name: str, host: HostSettings) -> VerifyingKey | None:
        from tincd_compat.config.ed25519 import load_verifying_key

        if (key := load_verifying_key(host, self.directory, name)) is not None:
            return key
        if (learned := self._learned.get(name)) is None:
            return None
        host = replace(host, ed25519_public_key=learned)
        return load_verifying_key(host, self.directory, name)

    def learn(self, name: str, digits: str) -> None:
        """Keep the Ed25519 key that a peer has given in its host file.

        There it can be removed again.  ConfigError if the file cannot be written; then
        the key counts until the end.
        """
        from tincd_compat.config.ed25519 import append_public_key

        try:
            append_public_key(self.directory, name, digits)
        except ConfigError:
            self._learned[name] = digits
            raise
        self._learned.pop(name, None)
