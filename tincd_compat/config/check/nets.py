"""Other nets of this host: whose port is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tincd_compat.config import parser, values
from tincd_compat.config.check.findings import Report, listening
from tincd_compat.config.parser import Config, Entry
from tincd_compat.config.settings import Settings, find_name
from tincd_compat.config.values import AddressFamily
from tincd_compat.dataclass import dataclass
from tincd_compat.errors import ConfigError

_DEFAULT_PORT: Final = Settings(name="").port
#: Ends of the names of copies, which nobody starts.
_COPIES: Final = ("~", ".bak", ".old", ".orig", ".save", ".disabled")


@dataclass(frozen=True, slots=True)
class _Socket:
    """What one listening socket is bound to; the host is None for any."""

    host: str | None
    port: str
    family: AddressFamily
    interface: str | None

    def meets(self, other: _Socket) -> bool:
        """Tell whether the kernel would let only one of the two listen."""
        if self.port != other.port or self.port == "0":
            return False
        families = {self.family, other.family} - {AddressFamily.ANY}
        interfaces = {self.interface, other.interface} - {None}
        hosts = {self.host, other.host} - {None}
        return len(families) < 2 and len(interfaces) < 2 and len(hosts) < 2


def check_ports(
    config: Config,
    directory: Path,
    nets: Path,
    environment: Mapping[str, str],
    hostname: str,
    report: Report,
) -> None:
    """Find a net below ``nets``, or there itself, that listens where this one does."""
    own = set(_sockets(config))
    for other in _others(directory, nets):
        read = _read(other, environment, hostname)
        if read is None:
            continue
        for socket in _sockets(read):
            if any(socket.meets(mine) for mine in own):
                place = config.first("Port") or directory / "tinc.conf"
                text = f"port {socket.port} is that of the net in {other} too"
                advice = "with both started, one cannot listen; give one another Port"
                report.warning(place, f"{text}: {advice}", "Port")
                break


def _others(directory: Path, nets: Path) -> Iterator[Path]:
    """Yield the directories of the other nets."""
    try:
        names = sorted(os.listdir(nets))
    except OSError:
        return
    folders = [nets, *(nets / name for name in names if not name.endswith(_COPIES))]
    for folder in folders:
        try:
            if (folder / "tinc.conf").is_file() and not folder.samefile(directory):
                yield folder
        except OSError:
            # Whoever checks may not look at everything.
            continue


def _read(
    directory: Path, environment: Mapping[str, str], hostname: str
) -> Config | None:
    """Return what is configured there; what is wrong with it is another check's."""
    with listening():
        try:
            entries = parser.read_server_config(directory, [])
            name = find_name(Config(entries), environment, hostname)
            if name is None:
                return None
            own = parser.read_own_host_config(directory, name, [])
        except ConfigError:
            return None
    return Config([*entries, *own])


def _sockets(config: Config) -> Iterator[_Socket]:
    port = _value(config.first("Port")) or _DEFAULT_PORT
    interface = _value(config.first("BindToInterface"))
    word = (_value(config.first("AddressFamily")) or "any").lower()
    known = {family.value: family for family in AddressFamily}
    family = known.get(word, AddressFamily.ANY)
    places = [values.bind_address(entry) for entry in config.all("BindToAddress")]
    for host, given in places or [(None, None)]:
        yield _Socket(host, given or port, family, interface)


def _value(entry: Entry | None) -> str | None:
    return None if entry is None else entry.value
