"""Host files of other nodes: what hosts/PEER says about a peer, read per connection."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from tincd_compat.addresses import Subnet, valid_name
from tincd_compat.config import parser
from tincd_compat.config.parser import Config, Entry, Options, options_for
from tincd_compat.config.variables import Scope, read_variables
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Every variable that counts for a peer; None means "not set"."""

    addresses: tuple[tuple[str, str | None], ...] = ()
    """Where to connect to: host, and port unless it is the peer's ``port``."""
    port: str = "655"
    """Default port of ``addresses``."""
    clamp_mss: bool | None = None
    """Replaces our own setting on this link."""
    indirect_data: bool = False
    """Whether the link is announced as indirect."""
    tcp_only: bool = False
    """Whether packets use the meta connection; implies ``indirect_data``."""
    pmtu: int | None = None
    """Upper bound for the path MTU the link starts with."""
    weight: int | None = None
    """Replaces the measured weight of the connection."""
    ed25519_public_key: str | None = None
    """Key for protocol 17.7 in 43 digits of tinc's base64."""
    ed25519_public_key_file: str | None = None
    """File of that key; by default the host file itself."""
    public_key: str | None = None
    """Modulus in hexadecimal (obsolete)."""
    public_key_file: str | None = None
    """File of the public key (obsolete)."""
    subnets: tuple[Subnet, ...] = ()
    """Subnets the peer may have in strict mode."""
    pem: bytes = field(default=b"", repr=False)
    """The file as it is, for the key blocks in it."""

    @property
    def targets(self) -> list[tuple[str, str]]:
        """The host and port of each address, in the order in which they are tried."""
        return [(host, port or self.port) for host, port in self.addresses]


def load_host_settings(config: Config, pem: bytes = b"") -> HostSettings:
    """Return what a peer's collection says; a bad value is logged and not set."""
    values: dict[str, Any] = read_variables(config, Scope.PEER)
    if values.get("tcp_only"):
        values["indirect_data"] = True
    return HostSettings(pem=pem, **values)


def read_host_settings(
    directory: Path, name: str, options: Sequence[Entry]
) -> HostSettings:
    """Read hosts/NAME behind the ``options`` for that host.

    ConfigError if the file is missing or has a line without value.
    """
    path = directory / "hosts" / name
    data = parser.read_bytes(path)
    entries = parser.parse_lines(data, str(path))
    return load_host_settings(Config([*options, *entries]), data)


def host_names(directory: Path) -> list[str]:
    """Return the nodes that have a host file, sorted.

    Backups (``x~``), scripts (``x-up``) and directories (``x.d``) are none: a name has
    only letters, digits and underscores.
    """
    folder = directory / "hosts"
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if valid_name(entry.name) and not entry.is_dir()
            )
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"Could not open {folder}: {reason}") from error


def read_subnets(
    directory: Path, options: Options
) -> Iterator[tuple[str, tuple[Subnet, ...]]]:
    """Read the subnets of every host file, with the node's name, for strict mode.

    A bad subnet is logged and skipped; of a file that cannot be read to its end only
    the entries before the error count.
    """
    for name in host_names(directory):
        given = options_for(options, name)
        entries = parser.read_own_host_config(directory, name, given)
        chosen = (entry for entry in entries if entry.variable.lower() == "subnet")
        yield name, load_host_settings(Config(chosen)).subnets
