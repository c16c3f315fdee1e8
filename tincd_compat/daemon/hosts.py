"""hosts/NAME at work: what a peer may do and which options its link gets."""

from __future__ import annotations

from pathlib import Path

from tincd_compat import options
from tincd_compat.config.hosts import HostSettings, read_host_settings
from tincd_compat.config.keys import load_public_key
from tincd_compat.config.parser import Options, options_for
from tincd_compat.config.settings import Settings
from tincd_compat.errors import ConfigError, Fault, PeerError
from tincd_compat.meta.connection import PeerIdentity


def own_options(settings: Settings) -> int:
    """Return the option bits this node announces for itself."""
    bits = 0
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
    return bits | (options.CLAMP_MSS if clamp else 0)


class HostFiles:
    """The host files, each read anew whenever a connection needs it."""

    def __init__(self, directory: Path, overrides: Options) -> None:
        self.directory = directory
        self._overrides = overrides

    def read(self, name: str) -> HostSettings:
        """Return what the files say of a host; ConfigError if they are unreadable."""
        given = options_for(self._overrides, name)
        return read_host_settings(self.directory, name, given)

    def identity(self, name: str, host: HostSettings, own: int) -> PeerIdentity:
        """Return what the handshake has to know; PeerError without a usable key."""
        try:
            key = load_public_key(host, self.directory, name)
        except ConfigError as error:
            # The name is known all the same: no word of an unknown identity.
            raise PeerError(str(error), Fault.IDENTITY) from error
        return PeerIdentity(key, host.weight, link_options(own, host))
