"""Two ends with something between them: what a measurement needs to know of a VPN."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from conformance.harness.asking import socket_of
from conformance.harness.daemon import TincNode
from conformance.harness.kinds import Kind
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Namespace
from conformance.harness.openssl import legacy_ciphers
from conformance.harness.transfers import ENDPOINT
from conformance.harness.waits import Failed, wait_for

#: Where nobody reads what arrives, but the kernel counts it.
SINK_PORT: Final = 5202


@dataclass(frozen=True, slots=True)
class End:
    """One end: where programs run, its inner address, and whose CPU time counts.

    ``control`` is the control socket, where there is one.
    """

    namespace: Namespace
    address: str
    pid: int
    control: Path | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A tunnel from ``a`` to ``b`` that is up, with an iperf3 server on b."""

    name: str
    a: End
    b: End


@dataclass(frozen=True, slots=True, kw_only=True)
class TincPair:
    """How two tincds are set up; ``server`` and ``environment`` are those of both."""

    name: str
    kinds: tuple[Kind, Kind]
    server: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ipv6: bool = False
    over_tcp: bool = False
    #: What stands between the two, on the networks of both; they cannot meet elsewhere.
    relay: Kind | None = None
    #: Whether C's OpenSSL is told to load its legacy ciphers; ours needs no telling.
    legacy: bool = False

    def start(self, lab: Lab, part: str) -> Callable[[], Pair]:
        """Build the namespaces and start the daemons.

        What is returned waits until UDP is in use: seconds in which others can start.
        """
        mesh = self._mesh(lab, part)
        for node in mesh:
            node.environment = dict(self.environment)
            if self.legacy and node.kind is Kind.C:
                node.environment |= legacy_ciphers(lab.directory)
        mesh.start()
        return partial(self._settle, lab, mesh)

    def _settle(self, lab: Lab, mesh: Mesh) -> Pair:
        mesh.wait_reachable()
        if not self.over_tcp:
            _wait_for_udp(mesh, "a", "b" if self.relay is None else "r")
            _wait_for_udp(mesh, "b", "a" if self.relay is None else "r")
        a, b = (self._end(mesh[name]) for name in "ab")
        return with_servers(lab, Pair(self.name, a, b))

    def _mesh(self, lab: Lab, part: str) -> Mesh:
        if self.relay is None:
            plans = [
                self._plan("a", self.kinds[0], ("b",)),
                self._plan("b", self.kinds[1], ()),
            ]
            return Mesh(lab, plans, part=part)
        plans = [
            self._plan("a", self.kinds[0], ("r",)),
            self._plan("b", self.kinds[1], ("r",)),
            self._plan("r", self.relay, ()),
        ]
        left, right = lab.lan(1, part=part), lab.lan(2, part=part)
        lans = {"a": [left], "b": [right], "r": [left, right]}
        return Mesh(lab, plans, lans=lans, part=part)

    def _end(self, node: TincNode) -> End:
        address = node.address6 if self.ipv6 else node.address
        control = socket_of(node) if node.kind is Kind.OURS else None
        return End(node.namespace, address, node.pid, control)

    def _plan(self, name: str, kind: Kind, connect_to: tuple[str, ...]) -> Plan:
        return Plan(
            name=name,
            kind=kind,
            connect_to=connect_to,
            server=self.server,
            host=self.host,
            debug=0,
        )


def _wait_for_udp(mesh: Mesh, name: str, peer: str) -> None:
    mesh[name].wait_pmtu(peer)
    mesh[peer].wait_pmtu(name)


def with_servers(lab: Lab, pair: Pair) -> Pair:
    """Start the far ends of measurements and wait until it answers."""
    start_server(lab, pair.b)
    start_sink(lab, pair.b)
    wait_for(f"{pair.name}: iperf3 listens", lambda: _answers(pair), limit=20)
    return pair


def start_server(lab: Lab, end: End) -> subprocess.Popen[bytes]:
    argv = end.namespace.command("iperf3", "-s")
    return lab.processes.start(argv, what="iperf3 server", service=True)


def start_sink(lab: Lab, end: End) -> None:
    argv = (sys.executable, "-I", str(ENDPOINT), "hold", end.address, str(SINK_PORT))
    lab.processes.start(end.namespace.command(*argv), what="sink", service=True)


def _answers(pair: Pair) -> bool:
    try:
        run(pair.a, "iperf3", "-c", pair.b.address, "-n", "1K", timeout=5)
    except Failed:
        return False
    return True


def run(end: End, *argv: str, timeout: float = 60) -> str:
    """Run a program at one end and return what it printed; Failed if it fails."""
    try:
        done = end.namespace.run(*argv, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)}: not done within {timeout:g} s") from None
    if done.returncode != 0:
        text = (done.stderr.strip() or done.stdout.strip())[-300:]
        raise Failed(f"{' '.join(argv)}: {text}")
    return done.stdout


def background(lab: Lab, end: End, argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program at one end; what it prints is read from its pipe."""
    command, pipe = end.namespace.command(*argv), subprocess.PIPE
    return lab.processes.start(
        command, what=argv[0], stdout=pipe, stderr=subprocess.STDOUT
    )
