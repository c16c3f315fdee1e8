"""A Debian host in a container, with a net and a C tincd as its peer.

The host runs ``tinc@vpn``; the peer is in a network namespace in the same container.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.container import Container
from conformance.harness.kinds import C_TINCD, Kind
from conformance.harness.lab import Lab
from conformance.harness.waits import wait_for

_INNER: Final = {"host": "172.30.1.1", "peer": "172.30.2.1"}
_OUTER: Final = {"host": "10.99.9.1", "peer": "10.99.9.2"}
#: The peer's program, out of the way of what happens to /usr/sbin/tincd.
_PEER_TINCD: Final = "/usr/local/sbin/peer-c"
_NET: Final = "ip netns exec peer"
_LIMIT: Final = 120.0

HOST_UP: Final = """#!/bin/sh
ip link set "$INTERFACE" up
ip addr add 172.30.1.1/16 dev "$INTERFACE"
"""
_HOST_DOWN: Final = """#!/bin/sh
echo "$NAME" > /run/tinc-down-ran
"""
_PEER_UP: Final = """#!/bin/sh
ip link set "$INTERFACE" up
ip addr add 172.30.2.1/16 dev "$INTERFACE"
"""
_WIRES: Final = """
ip netns add peer
ip link add wire0 type veth peer name wire1 netns peer
ip addr add 10.99.9.1/24 dev wire0 && ip link set wire0 up
ip -n peer addr add 10.99.9.2/24 dev wire1 && ip -n peer link set wire1 up
ip -n peer link set lo up
"""


class Host:
    """The container with its two nets, and what an administrator does there."""

    def __init__(
        self, lab: Lab, container: Container, program: Path | None = None
    ) -> None:
        self._lab = lab
        self.inside = container
        self._program = program or Path(sys.executable).with_name("tincd-compat")

    def prepare(self) -> None:
        write, keys = self.inside.write, self._lab.keys
        for net, own, number in (("vpn", "host", 0), ("other", "peer", 1)):
            etc = f"/etc/tinc/{net}"
            extra = "ConnectTo = peer\nMaxTimeout = 2\n" if own == "host" else ""
            write(f"{etc}/tinc.conf", f"Name = {own}\n{extra}PingTimeout = 3\n")
            write(f"{etc}/rsa_key.priv", keys.pair(number).private, 0o600)
            for key, name in enumerate(("host", "peer")):
                text = f"Address = {_OUTER[name]}\nSubnet = {_INNER[name]}\n"
                write(f"{etc}/hosts/{name}", text + keys.pair(key).public)
        write("/etc/tinc/vpn/tinc-up", HOST_UP, 0o755)
        write("/etc/tinc/vpn/tinc-down", _HOST_DOWN, 0o755)
        write("/etc/tinc/other/tinc-up", _PEER_UP, 0o755)
        write("/etc/default/tinc", 'EXTRA="-d 2"\n')
        write(_PEER_TINCD, "", 0o755)
        # Images for containers forbid what an administrator's host allows.
        (self.inside.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        (self.inside.root / _PEER_TINCD.lstrip("/")).write_bytes(C_TINCD.read_bytes())

    def start_peer(self) -> None:
        self.inside.shell(_WIRES)
        self.inside.shell(f"{_NET} {_PEER_TINCD} -n other --pidfile=/run/peer.pid")

    def compat(self, *words: str) -> str:
        return self.inside.run(str(self._program), *words)

    def systemctl(self, *words: str) -> str:
        return self.inside.run("systemctl", *words)

    def checksum(self) -> str:
        return self.inside.shell(
            "cd /etc/tinc/vpn && find . -type f | sort | xargs cat"
        )

    def wait_ping(self, what: str) -> None:
        ping = ("ping", "-c", "1", "-W", "1")
        ways = ((*ping, _INNER["peer"]), (*_NET.split(), *ping, _INNER["host"]))
        for way in ways:
            wait_for(what, lambda way=way: self.inside.succeeds(*way), _LIMIT)  # type: ignore[misc]

    def another_second(self) -> None:
        """Let the clock move on: C tincd takes its nonces from the second of its start.

        What says the same with a nonce that was heard already is not heard.
        """
        now = int(time.time())
        wait_for("another second", lambda: int(time.time()) > now, _LIMIT)

    def pid(self) -> str:
        return self.inside.run("cat", "/run/tinc.vpn.pid").strip()

    def expect_runs(self, kind: Kind) -> None:
        """The net is active, its pid file true, and it is that program."""
        expect_equal("state", self.systemctl("is-active", "tinc@vpn").strip(), "active")
        shown = self.systemctl("show", "-p", "MainPID", "--value", "tinc@vpn").strip()
        expect_equal("main process", shown, self.pid())
        exe = self.inside.run("readlink", f"/proc/{shown}/exe").strip()
        expect(("python" in exe) is (kind is Kind.OURS), f"it runs {exe}")
        comm = self.inside.run("cat", f"/proc/{shown}/comm").strip()
        expect_equal("name of the process", comm, "tincd")
        line = self.inside.shell(f"tr '\\0' ' ' < /proc/{shown}/cmdline")
        expect("tincd -n vpn -D" in line, f"command line {line!r}")
        found = self.inside.shell(
            "pidof tincd; pgrep -x tincd; pgrep -f 'tincd -n vpn'"
        )
        expect_equal("pidof, pgrep, pgrep -f", found.split().count(shown), 3)

    def journal(self, words: str, more_than: int = 0) -> None:
        """Wait for a line of the net in the journal, under the name of the program."""

        def look() -> bool:
            return self.count_journal(words) > more_than

        wait_for(f"journal: {words}", look, _LIMIT)

    def count_journal(self, words: str) -> int:
        unit = ("-u", "tinc@vpn", "-t", "tincd", "-b", "-o", "cat")
        return self.inside.run("journalctl", *unit).count(words)


def other_interpreters() -> Iterator[Path]:
    """Yield interpreters of another minor version that this machine has."""
    own = f"python3.{sys.version_info.minor}"
    places = [Path("/usr/bin"), Path("/usr/local/bin")]
    places += Path("/root/.pyenv/versions").glob("3.*/bin")
    for place in places:
        for path in sorted(place.glob("python3.[0-9]*")):
            minor = path.name.removeprefix("python3.")
            if minor.isdigit() and int(minor) > 11 and path.name != own:
                yield path
