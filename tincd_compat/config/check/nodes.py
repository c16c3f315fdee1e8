"""Other nodes: whether they can be reached and let in, and whose subnets are whose."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tincd_compat.addresses import Subnet, valid_name
from tincd_compat.config.check import files, lines
from tincd_compat.config.check.ed25519 import check_peer_key
from tincd_compat.config.check.findings import FindingSeverity, Report
from tincd_compat.config.check.keys import Owners, check_public_key
from tincd_compat.config.check.names import Home, check_names, check_shadowed
from tincd_compat.config.check.scripts import like_script, script_node
from tincd_compat.config.check.values import check_values
from tincd_compat.config.hosts import HostSettings, host_names, load_host_settings
from tincd_compat.config.parser import Config, Entry, Options, options_for
from tincd_compat.config.variables import Scope
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

_LOCKED_OUT = "connections with this node are refused"


@dataclass(frozen=True, slots=True)
class Owned:
    """A subnet, the node it belongs to, and where that is said."""

    subnet: Subnet
    owner: str
    entry: Entry


def known_hosts(directory: Path) -> list[str]:
    """Return the nodes that have a host file; none if that cannot be known."""
    try:
        return host_names(directory)
    except ConfigError:
        return []


def check_host_names(directory: Path, report: Report) -> None:
    """Find files in hosts/ that look like those of a node and are none.

    What has a dot or a tilde in its name is a backup or belongs to another program.
    """
    try:
        names = sorted(os.listdir(directory / "hosts"))
    except OSError:
        return
    for name in names:
        plain = name.replace("-", "_")
        if not valid_name(plain) or valid_name(name):
            continue
        if not script_node(name) and not like_script(name):
            text = "this is not the name of a node: letters, digits and _ make one"
            report.warning(directory / "hosts" / name, text)


def subnets_of(owner: str, entries: Iterable[Entry]) -> list[Owned]:
    """Return the subnets among some valid assignments."""
    return [
        Owned(subnet, owner, entry)
        for entry in entries
        if entry.variable.lower() == "subnet"
        and (subnet := Subnet.parse(entry.value)) is not None
    ]


def check_subnets(subnets: Iterable[Owned], report: Report) -> None:
    """Find subnets that two nodes have with the same weight."""
    seen: dict[Subnet, Owned] = {}
    for owned in subnets:
        other = seen.setdefault(owned.subnet, owned)
        if other is owned:
            continue
        place = other.entry.place
        if other.owner == owned.owner:
            text = f"{owned.subnet.net} is in {place} already"
        else:
            first, last = sorted((other.owner, owned.owner))
            text = (
                f"{owned.subnet.net} is a subnet of {other.owner} too ({place}): with"
                f" equal weights {last} gets no packets while {first} is reachable"
            )
        report.warning(owned.entry, text)


def check_peers(
    directory: Path,
    myself: str | None,
    wanted: Sequence[Entry],
    options: Options,
    owners: Owners,
    report: Report,
    *,
    sptps: bool = False,
) -> list[Owned]:
    """Look at every host file but our own; return the subnets in them.

    ``wanted`` are the valid ``ConnectTo``; ``sptps``: we have an Ed25519 key in use.
    """
    names: list[str] = []
    with report.blaming(directory / "hosts"):
        names = host_names(directory)
    files.check_writable(directory / "hosts", report)
    targets: Mapping[str, Entry] = {entry.value: entry for entry in reversed(wanted)}
    for name, entry in targets.items():
        if name == myself:
            report.warning(entry, "this is the node itself")
        elif name not in names:
            text = f"cannot connect to {name}: there is no {directory / 'hosts' / name}"
            report.error(entry, text)
    found: list[Owned] = []
    for name in names:
        if name != myself:
            given = options_for(options, name)
            peer = _Peer(directory, name, targets.get(name), report, sptps=sptps)
            found += peer.check(given, owners)
    return found


class _Peer:
    """One node and its host file; ``wanted`` is the ConnectTo that names it."""

    def __init__(
        self,
        directory: Path,
        name: str,
        wanted: Entry | None,
        report: Report,
        *,
        sptps: bool,
    ) -> None:
        self._directory = directory
        self._name = name
        self._wanted = wanted
        self._report = report
        self._sptps = sptps
        #: A node that is never connected to may have a file without address or key.
        self._worst = FindingSeverity.ERROR if wanted else FindingSeverity.WARNING

    def check(self, given: list[Entry], owners: Owners) -> list[Owned]:
        path = self._directory / "hosts" / self._name
        files.check_writable(path, self._report)
        file = lines.read(path, self._report, _LOCKED_OUT)
        entries = given if file is None else [*given, *file.entries]
        check_names(entries, Home.PEER, self._report)
        config = Config(entries)
        check_shadowed(config, Scope.PEER, self._report)
        good = check_values(config, Scope.PEER, self._report, FindingSeverity.WARNING)
        if file is not None:
            host = load_host_settings(Config(good), file.data)
            if not file.damaged:
                self._check_address(path, host)
            worst = None if file.damaged else self._worst
            self._check_keys(path, host, worst, owners)
        return subnets_of(self._name, good)

    def _check_address(self, path: Path, host: HostSettings) -> None:
        if self._wanted is not None and not host.addresses:
            text = f"there is no Address, but ConnectTo in {self._wanted.place}"
            self._report.error(path, f"{text} needs one", "Address")

    def _check_keys(
        self,
        path: Path,
        host: HostSettings,
        worst: FindingSeverity | None,
        owners: Owners,
    ) -> None:
        directory, name, report = self._directory, self._name, self._report
        ed25519 = check_peer_key(
            path, host, directory, name, worst, report, used=self._sptps
        )
        if ed25519 is not None:
            owners.add(path, name, ed25519, "Ed25519PublicKey")
            # A node that is known by its Ed25519 key need not have an RSA key.
            worst = None if self._sptps else worst
        key = check_public_key(host, directory, name, worst, report)
        if key is not None:
            owners.add(path, name, key)
