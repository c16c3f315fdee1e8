"""Other VPNs in user space, as context: each where its Debian package is installed.

They have other protocols and other ciphers, so nothing here is a comparison of programs
alone.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from conformance.benchmark.pairs import End, Pair, run, with_servers
from conformance.harness.lab import Lab
from conformance.harness.netns import Namespace
from conformance.harness.waits import Failed, wait_for

_PORT: Final = 7000
#: What the packets of all of them fit into on a path of 1500 bytes.
_MTU: Final = 1400

#: Starts one side, given that, the other one and the lab; returns its process.
_Start = Callable[["_Side", "_Side", Lab], int]


@dataclass(frozen=True, slots=True)
class _Side:
    """One host: number 1 or 2, which is the last byte of all its addresses."""

    number: int
    namespace: Namespace
    outer: str
    directory: Path

    @property
    def device(self) -> str:
        """A name of its own: wireguard-go has its socket by that, on the whole host."""
        return f"v{os.getpid()}x{self.number}"

    @property
    def inner(self) -> str:
        return f"172.31.0.{self.number}"

    def configure(self) -> None:
        """Give the device its address and switch it on, once it is there."""
        wait_for(f"{self.device} appears", self._has_device, limit=10)
        self._ip("addr", "add", f"{self.inner}/24", "dev", self.device)
        self._ip("link", "set", self.device, "up", "mtu", str(_MTU))

    def _ip(self, *words: str) -> None:
        self.namespace.run("ip", *words)

    def _has_device(self) -> bool:
        done = self.namespace.run("ip", "link", "show", self.device, check=False)
        return done.returncode == 0


@dataclass(frozen=True, slots=True)
class Rival:
    """A VPN and the programs it takes."""

    name: str
    programs: tuple[str, ...]
    start_side: _Start

    @property
    def available(self) -> bool:
        return all(shutil.which(program) for program in self.programs)

    def start(self, lab: Lab, part: str) -> Callable[[], Pair]:
        """Build two namespaces and start both sides.

        What is returned waits for the first ping.
        """
        lan = lab.lan(part=part)
        sides = []
        for number in (1, 2):
            namespace = lab.namespace(f"{part}{number}")
            lan.join(namespace, number)
            directory = lab.directory / f"{part}{number}"
            directory.mkdir()
            sides.append(_Side(number, namespace, lan.address(number), directory))
        one, two = sides
        ends = []
        for own, other in ((one, two), (two, one)):
            pid = self.start_side(own, other, lab)
            own.configure()
            ends.append(End(own.namespace, own.inner, pid))
        return partial(self._settle, lab, Pair(self.name, *ends))

    def _settle(self, lab: Lab, pair: Pair) -> Pair:
        wait_for(f"{self.name} is up", lambda: _pings(pair), limit=30)
        return with_servers(lab, pair)


def _pings(pair: Pair) -> bool:
    try:
        run(pair.a, "ping", "-c", "1", "-W", "1", pair.b.address)
    except Failed:
        return False
    return True


def _daemon(lab: Lab, side: _Side, *argv: str) -> int:
    log = side.directory / "log"
    with log.open("wb") as out:
        child = lab.processes.start(
            side.namespace.command(*argv),
            what=argv[0],
            stdout=out,
            stderr=out,
            service=True,
        )
    return child.pid


def _wireguard(own: _Side, other: _Side, lab: Lab) -> int:
    # Both keys come from the numbers of the sides: they protect nothing here.
    secret, public = _wg_keys(own.number)[0], _wg_keys(other.number)[1]
    pid = _daemon(lab, own, "wireguard-go", "--foreground", own.device)
    key = own.directory / "key"
    key.write_text(secret)
    wait_for("wireguard-go answers", lambda: _wg(own, "show"), limit=10)
    peer = ["peer", public, "allowed-ips", "172.31.0.0/24"]
    peer += ["endpoint", f"{other.outer}:{_PORT}"]
    own.namespace.run(
        *("wg", "set", own.device, "listen-port", str(_PORT), "private-key", str(key)),
        *peer,
    )
    return pid


def _wg(side: _Side, what: str) -> bool:
    return side.namespace.run("wg", what, side.device, check=False).returncode == 0


def _wg_keys(number: int) -> tuple[str, str]:
    """Return the private and the public key of a side."""
    secret = base64.b64encode(bytes([8 * number] * 31 + [64])).decode()
    done = subprocess.run(
        ["wg", "pubkey"], input=secret, capture_output=True, text=True, check=True
    )
    return secret, done.stdout.strip()


def _openvpn(own: _Side, other: _Side, lab: Lab) -> int:
    key = own.directory.parent / "openvpn.key"
    if not key.exists():
        subprocess.run(["openvpn", "--genkey", "secret", str(key)], check=True)
    return _daemon(
        lab,
        own,
        *("openvpn", "--dev", own.device, "--dev-type", "tun", "--secret", str(key)),
        *("--local", own.outer, "--remote", other.outer, "--port", str(_PORT)),
        *("--cipher", "AES-256-CBC", "--auth", "SHA256", "--verb", "1"),
    )


def _fastd(own: _Side, other: _Side, lab: Lab) -> int:
    secret, public = _fastd_keys(own)[0], _fastd_keys(other)[1]
    lines = [
        f'interface "{own.device}";',
        "mode tun;",
        'method "salsa2012+umac";',
        f"bind {own.outer}:{_PORT};",
        f"mtu {_MTU};",
        f'secret "{secret}";',
        f'peer "other" {{ key "{public}"; remote {other.outer}:{_PORT}; }}',
    ]
    configuration = own.directory / "fastd.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return _daemon(lab, own, "fastd", "-c", str(configuration))


def _fastd_keys(side: _Side) -> tuple[str, str]:
    path = side.directory / "keys"
    if not path.exists():
        done = subprocess.run(
            ["fastd", "--generate-key", "--machine-readable"],
            capture_output=True,
            text=True,
            check=True,
        )
        secret = done.stdout.strip()
        own = side.directory / "own.conf"
        own.write_text(f'secret "{secret}";\n')
        shown = subprocess.run(
            ["fastd", "--show-key", "--machine-readable", "-c", str(own)],
            capture_output=True,
            text=True,
            check=True,
        )
        path.write_text(f"{secret} {shown.stdout.strip()}")
    secret, public = path.read_text().split()
    return secret, public


def clean_up() -> None:
    """Remove the sockets that a killed wireguard-go leaves behind."""
    for number in (1, 2):
        Path(f"/var/run/wireguard/v{os.getpid()}x{number}.sock").unlink(missing_ok=True)


RIVALS: Final = (
    Rival("wireguard-go", ("wireguard-go", "wg"), _wireguard),
    Rival("OpenVPN", ("openvpn",), _openvpn),
    Rival("fastd", ("fastd",), _fastd),
)
