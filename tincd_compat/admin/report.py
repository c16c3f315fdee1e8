"""The verb ``report``: what a bug report needs, with aliases for all addresses."""

from __future__ import annotations

import argparse
import contextlib
import io
import ipaddress
import json
import os
import platform
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tincd_compat import __version__
from tincd_compat.admin.client import Client, RequestRefused
from tincd_compat.admin.session import FINE, Session
from tincd_compat.admin.text import Record, clean

#: What of a daemon's records is in it.
LISTS: Final = (
    *("status", "nodes", "links", "edges", "subnets", "events", "counters"),
)
#: Fields that hold the name of a host, which is an address to whoever can resolve it.
_HOSTS: Final = frozenset({"host", "hostname"})
#: What may be an address: at least two groups, and nothing of a word around them.
_CANDIDATE: Final = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}"
    r"|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\d{1,3}\.){3}\d{1,3})?"
    r"|(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2})(?![\w:])"
)
#: A word that may be the name of a host.
_HOST: Final = re.compile(r"[^\s,;:()'\"/=]+")
_MAC: Final = re.compile(r"(?:[0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="write to this, a .tar.gz"
    )


def run(session: Session) -> int:
    """Write one file for all nets; with ``--json`` print what would be in it."""
    files = hidden(
        {
            f"{client.net or 'tinc'}/{name}.json": found
            for client in session.clients
            for name, found in records(client)
        }
    )
    if session.options.json:
        for text in files.values():
            session.data(text)
        return FINE
    files["system.json"] = json.dumps(system()) + "\n"
    file = session.options.file or Path(f"tincd-report-{int(session.now())}.tar.gz")
    write(file, files, session.now())
    session.say(f"{clean(file)} has {len(files)} files and no keys; its addresses are")
    session.say("aliases, the names of nodes are not. Look into it before you send it.")
    return FINE


def records(client: Client) -> Iterator[tuple[str, list[Record]]]:
    """Yield the name of each list of records, and the list."""
    for name in LISTS:
        with contextlib.suppress(RequestRefused):
            yield name, client.many(name)


def hidden(files: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Return the text of each list; one address has one alias in all of them."""
    aliases = Aliases()
    for found in files.values():
        aliases.learn(found)
    return {
        name: "".join(f"{Client.text(aliases.hide(record))}\n" for record in found)
        for name, found in files.items()
    }


class Aliases:
    """Other names for addresses and for the names of hosts."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._hosts: dict[str, str] = {}

    def learn(self, value: Any, field: str = "") -> None:
        """Note the names of hosts, which sentences elsewhere may have, too."""
        if isinstance(value, Mapping):
            for key, below in value.items():
                self.learn(below, key)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for below in value:
                self.learn(below, field)
        elif isinstance(value, str) and field in _HOSTS and _is_name(value):
            self._hosts.setdefault(value, f"host-{len(self._hosts) + 1}")

    def hide(self, value: Any) -> Any:
        """Return a value of JSON without addresses, wherever they were."""
        if isinstance(value, Mapping):
            return {key: self.hide(below) for key, below in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.hide(below) for below in value]
        if not isinstance(value, str):
            return value
        words = _HOST.sub(lambda match: self._hosts.get(match[0], match[0]), value)
        return _CANDIDATE.sub(lambda match: self._alias(match[0]), words)

    def _alias(self, text: str) -> str:
        if _MAC.fullmatch(text):
            return self._known.setdefault(text, f"mac-{len(self._known) + 1}")
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            # Hours, minutes and seconds look like one, too.
            return text
        if address.is_unspecified or address.is_loopback:
            return text
        alias = f"ipv{address.version}-{len(self._known) + 1}"
        return self._known.setdefault(str(address), alias)


def _is_name(text: str) -> bool:
    return _HOST.fullmatch(text) is not None and _CANDIDATE.fullmatch(text) is None


def system() -> dict[str, str]:
    """Return what this host is made of."""
    try:
        release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        release = ""
    return {
        "tincd-compat": __version__,
        "python": sys.version.partition("\n")[0],
        "kernel": " ".join(os.uname()[i] for i in (0, 2, 4)),
        "system": release,
    }


def write(file: Path, files: Mapping[str, str], now: float) -> None:
    """Write an archive that only its owner can read; an older file is kept."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as stream,
        tarfile.open(fileobj=stream, mode="w:gz") as archive,
    ):
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"tincd-report/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(now), 0o600
            archive.addfile(entry, io.BytesIO(content))
