"""All that a start reads, in its order: tinc.conf, conf.d, hosts, keys, scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tincd_compat.config.check import files, lines, users
from tincd_compat.config.check.addresses import check_bound
from tincd_compat.config.check.devices import check_device
from tincd_compat.config.check.ed25519 import check_own_line, check_signing_key
from tincd_compat.config.check.findings import (
    Finding,
    FindingSeverity,
    Report,
    listening,
)
from tincd_compat.config.check.keys import (
    Owners,
    check_pair,
    check_private_key,
    check_public_key,
)
from tincd_compat.config.check.lines import ConfigFile
from tincd_compat.config.check.names import (
    Home,
    check_mark,
    check_names,
    check_shadowed,
)
from tincd_compat.config.check.nets import check_ports
from tincd_compat.config.check.nodes import (
    check_host_names,
    check_peers,
    check_subnets,
    known_hosts,
    subnets_of,
)
from tincd_compat.config.check.scripts import Runner, check_scripts, present_scripts
from tincd_compat.config.check.values import check_settings, check_values
from tincd_compat.config.hosts import load_host_settings
from tincd_compat.config.parser import (
    Config,
    Entry,
    Options,
    conf_d_files,
    options_for,
)
from tincd_compat.config.settings import (
    BYTE_ORDER_MARK,
    Settings,
    Suites,
    resolve_name,
)
from tincd_compat.config.variables import Scope
from tincd_compat.crypto.rsa import PrivateKey
from tincd_compat.dataclass import dataclass

if TYPE_CHECKING:
    from tincd_compat.config.ed25519 import SigningKey

_NO_START = "tincd does not start"
_CUT_OFF = "the rest of the file is not read"


def check_configuration(
    directory: Path,
    options: Options,
    suites: Suites,
    *,
    environment: Mapping[str, str],
    hostname: str,
    netname: str | None = None,
    nets: Path | None = None,
    chroot: bool = False,
    user: str | None = None,
    host_addresses: Callable[[], Mapping[str, str]] = dict,
) -> list[Finding]:
    """Return what is wrong with the configuration in ``directory``.

    ``options`` is what ``-o`` gave, ``nets`` where the other nets of this host are, if
    they are to be looked at, ``chroot`` whether the start is with ``--chroot``,
    ``user`` whom it is told to become.  ``host_addresses`` returns the addresses of
    this host, each with the name of its interface.  Nothing is raised because of what
    the files say.
    """
    report = Report()
    host = HostFacts(environment, hostname, netname, nets, chroot, host_addresses)
    check = _Check(directory, options, suites, host, report)
    check.run()
    if user is not None:
        check.foresee(user)
    return report.findings


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The parts of a host that a start depends on, beside the files of the net."""

    environment: Mapping[str, str]
    name: str
    netname: str | None
    nets: Path | None
    chroot: bool
    addresses: Callable[[], Mapping[str, str]]


class _Check:
    """The parts of one check, and what they share."""

    def __init__(
        self,
        directory: Path,
        options: Options,
        suites: Suites,
        host: HostFacts,
        report: Report,
    ) -> None:
        self._host = host
        self._directory = directory
        self._options = options
        self._suites = suites
        self._report = report
        self._owners = Owners(report)
        #: Peers that may give an Ed25519 key; none if we have none in use.
        self._learned: list[str] = []
        #: Files that were read, and will be read at a reload.
        self._read: list[Path] = []

    def run(self) -> None:
        report, directory = self._report, self._directory
        files.check_writable(directory, report)
        server = self._read_server()
        if server is None:
            return
        myself = self._find_name(Config(server))
        own = self._read_own(myself) if myself else None
        given = options_for(self._options, myself) if myself else []
        check_names(given, Home.OWN, report)
        config = Config([*server, *given, *(own.entries if own else ())])
        check_shadowed(config, Scope.OWN, report)
        good = check_values(config, Scope.OWN, report)
        settings = check_settings(good, myself or "", self._suites, report)
        private = check_private_key(settings, directory, report)
        signing = check_signing_key(settings, directory, report)
        if own is not None and myself is not None:
            self._check_own_keys(own, myself, private, signing)
        if signing is not None:
            names = known_hosts(directory)
            self._learned = [name for name in names if name != myself]
        wanted = [entry for entry in good if entry.variable.lower() == "connectto"]
        peers = check_peers(
            directory,
            myself,
            wanted,
            self._options,
            self._owners,
            report,
            sptps=signing is not None,
        )
        check_subnets([*subnets_of(myself or "", good), *peers], report)
        check_host_names(directory, report)
        self._check_host(Config(good), settings)

    def _check_host(self, config: Config, settings: Settings) -> None:
        """Look at what the host has to have for this, and what else it has."""
        host, directory, report = self._host, self._directory, self._report
        check_device(settings, config, directory, host.netname, report)
        if host.nets is not None:
            check_ports(
                config, directory, host.nets, host.environment, host.name, report
            )
        if not settings.free_bind:
            check_bound(config, host.addresses, report)
        runner = Runner(
            settings.scripts_interpreter,
            config.first("ScriptsInterpreter"),
            host.environment.get("PATH"),
        )
        check_scripts(directory, runner, host.chroot, report)

    def foresee(self, user: str) -> None:
        """Look at the files again with the rights of ``user``."""
        account = users.find_account(user)
        if account is None:
            self._report.error(None, f"unknown user `{user}'")
            return
        directory = self._directory
        users.check_learning(account, directory, self._learned, self._report)
        hosts = [directory / "hosts" / name for name in known_hosts(directory)]
        users.check_user(
            account,
            directory,
            dict.fromkeys([*self._read, *hosts]),
            present_scripts(directory),
            self._report,
        )

    def _read_server(self) -> list[Entry] | None:
        """Return the assignments of tinc.conf, conf.d and ``-o`` for everybody.

        None if there is no tinc.conf: everything else would only follow from that.
        """
        main = lines.read(self._directory / "tinc.conf", self._report, _NO_START)
        if main is None:
            return None
        found: list[ConfigFile | None] = [main]
        with self._report.blaming(self._directory / "conf.d"):
            for path in conf_d_files(self._directory):
                found.append(lines.read(path, self._report, _NO_START))
        entries = options_for(self._options, None)
        for file in found:
            if file is not None:
                self._read.append(file.path)
                files.check_writable(file.path, self._report)
                entries += file.entries
        check_names(entries, Home.SERVER, self._report)
        return entries

    def _find_name(self, config: Config) -> str | None:
        given, marked = config.first("Name"), config.first(f"{BYTE_ORDER_MARK}Name")
        if given and marked:
            check_mark(marked, self._report)
        place = given or marked or self._directory / "tinc.conf"
        name: str | None = None
        with self._report.blaming(place, variable="Name"):
            name = resolve_name(config, self._host.environment, self._host.name)
        return name

    def _read_own(self, myself: str) -> ConfigFile | None:
        path = self._directory / "hosts" / myself
        file = lines.read(path, self._report, _CUT_OFF)
        if file is not None:
            files.check_writable(path, self._report)
            check_names(file.entries, Home.OWN, self._report)
        return file

    def _check_own_keys(
        self,
        own: ConfigFile,
        myself: str,
        private: PrivateKey | None,
        signing: SigningKey | None,
    ) -> None:
        # A start does without; the nodes that get copies of the file do not.
        with listening():
            host = load_host_settings(Config(own.entries), own.data)
        lines = [e for e in own.entries if e.variable.lower() == "ed25519publickey"]
        check_shadowed(Config(lines), Scope.PEER, self._report)
        check_own_line(own.path, host, self._directory, myself, signing, self._report)
        if signing is not None:
            self._owners.add(own.path, myself, signing.public, "Ed25519PublicKey")
        worst = None if own.damaged else FindingSeverity.WARNING
        public = check_public_key(host, self._directory, myself, worst, self._report)
        if public is None:
            return
        self._owners.add(own.path, myself, public)
        if private is not None:
            check_pair(own.path, private, public, self._report)
