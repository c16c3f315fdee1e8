"""One command for each cause that a daemon can find, which shows more about it.

It is for a shell: whatever others have chosen, as an address, is quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Final

from tincd_compat.dataclass import dataclass
from tincd_compat.observe.words import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a command is about: net, folder of the configuration, node and address."""

    net: str | None
    folder: str
    node: str = "?"
    host: str = "?"
    port: int = 655
    #: Another node that is to blame.
    other: str = "?"

    def ours(self, words: str) -> str:
        """Return a command of ours for the net."""
        option = f" -n {shlex.quote(self.net)}" if self.net else ""
        return f"tincd-compat{option} {words}"

    def lines(self, *variables: str) -> str:
        """Return a search for variables in all files of the net."""
        pattern = shlex.quote(rf"^ *({'|'.join(variables)})\b")
        return f"grep -rniE {pattern} {shlex.quote(self.folder)}"

    def host_file(self, command: str) -> str:
        return f"{command} {shlex.quote(f'{self.folder}/hosts/{self.node}')}"

    def capture(self, protocol: str) -> str:
        condition = f"{protocol} port {self.port} and host {self.host}"
        return f"tcpdump -ni any {shlex.quote(condition)}"


def _dial(subject: Subject) -> str:
    return f"nc -vz {shlex.quote(subject.host)} {subject.port}"


def _ping(subject: Subject) -> str:
    # A full packet of 1500 bytes, which nobody may cut.
    return f"ping -c 3 -M do -s 1472 {shlex.quote(subject.host)}"


def _keys(subject: Subject) -> str:
    return subject.host_file("sed -n '/-----BEGIN/,/-----END/p'")


def _tcponly(subject: Subject) -> str:
    return subject.lines("TCPOnly", "IndirectData")


_COMMANDS: Final[Mapping[Cause, Callable[[Subject], str]]] = {
    Cause.NO_SUBNET: lambda s: s.lines("Subnet"),
    Cause.DUPLICATE_SUBNET: lambda s: s.lines("Subnet"),
    Cause.SUBNET_REFUSED: lambda s: s.host_file("grep -ni '^ *subnet'"),
    Cause.NO_SUCH_NODE: lambda s: s.ours("status -a"),
    Cause.NAME_UNRESOLVED: lambda s: f"getent hosts {shlex.quote(s.host)}",
    Cause.PORT_CLOSED: _dial,
    Cause.DIAL_TIMEOUT: lambda s: s.capture("tcp"),
    Cause.HOST_FILE: lambda s: s.host_file("grep -ni '^ *address'"),
    Cause.WRONG_KEY: _keys,
    Cause.DIAL_FAILED: lambda s: s.ours(f"events {s.node}"),
    Cause.HUB_LOST: lambda s: s.ours(f"explain {s.other}"),
    Cause.ONE_WAY_EDGE: lambda s: s.ours(f"explain {s.other}"),
    Cause.NOT_CONNECTED: lambda s: s.ours("map"),
    Cause.TCPONLY_HERE: _tcponly,
    Cause.TCPONLY_THERE: _tcponly,
    Cause.INDIRECT_HERE: _tcponly,
    Cause.INDIRECT_THERE: _tcponly,
    Cause.NO_KEY: lambda s: s.ours(f"events {s.node}"),
    Cause.UNUSABLE_KEY: lambda s: s.lines("Cipher", "Digest", "MACLength"),
    Cause.PLAINTEXT: lambda s: s.lines("Cipher", "Digest", "MACLength"),
    Cause.NO_ADDRESS: lambda s: s.ours(f"events {s.node}"),
    Cause.UDP_LOST_OUTWARD: lambda s: s.capture("udp"),
    Cause.UDP_LOST: lambda s: s.capture("udp"),
    Cause.PROBING: lambda s: s.ours(f"events -f {s.node}"),
    Cause.MTU_BLACK_HOLE: _ping,
    Cause.QUEUE_FULL: lambda s: f"ss -tni dst {shlex.quote(s.host)}",
}


def command(cause: Cause, subject: Subject) -> str:
    """Return the command."""
    return _COMMANDS[cause](subject)
