"""TCP through the tunnel: checksummed transfers, and nodes that tell their names."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.lab import Lab
from conformance.harness.probes import Party
from conformance.harness.processes import PLAIN_PYTHON
from conformance.harness.waits import SOON, Failed, say, wait_for

ENDPOINT: Final = Path(__file__).with_name("endpoint.py")
_PORT: Final = 7777
_NAME_PORT: Final = 7778
_LONGEST_NAME: Final = 100
#: Seconds that a node has to tell its name.
_PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class TransferResult:
    size: int
    seconds: float
    sha256: str

    @property
    def megabits_per_second(self) -> float:
        return self.size * 8 / self.seconds / 1e6


class Transfer:
    """Random bytes on their way over TCP to the target's inner address.

    A source route of IPv4 leads them over a ``stop``.
    """

    def __init__(
        self,
        lab: Lab,
        source: Party,
        target: Party,
        megabytes: int,
        *,
        stop: str = "",
    ) -> None:
        self._what = f"{megabytes} MB {source.name} > {target.name}"
        self._size = megabytes * 1_000_000
        place = (target.address, str(_PORT))
        self._receiver, self._received = _endpoint(lab, target, "receive", *place)
        wait_for(
            "receiver listens",
            lambda: "listening" in self._received.read_text(),
            limit=SOON,
        )
        self._sender, self._sent = _endpoint(
            lab, source, "send", *place, str(self._size), stop
        )

    @property
    def running(self) -> bool:
        return self._receiver.poll() is None

    def finish(self, limit: float = 90) -> TransferResult:
        """Wait until all is there, at most ``limit`` seconds, and compare SHA-256."""
        for child in (self._sender, self._receiver):
            _wait_child(child, limit, f"transfer {self._what}", self._sent)
        out, back = self._sent.read_text().split(), self._received.read_text().split()
        expect_equal("what arrived (bytes, SHA-256)", back[1:3], out[0:2])
        expect_equal("bytes sent", int(out[0]), self._size)
        result = TransferResult(self._size, float(out[2]), out[1])
        say(
            f"  {result.seconds:6.2f} s  {self._what}, "
            f"{result.megabits_per_second:.0f} Mbit/s, SHA-256 equal"
        )
        return result


def transfer(
    lab: Lab,
    source: Party,
    target: Party,
    megabytes: int,
    *,
    limit: float = 90,
    stop: str = "",
) -> TransferResult:
    """Send random bytes and wait for the end of it, as :class:`Transfer` does."""
    return Transfer(lab, source, target, megabytes, stop=stop).finish(limit)


def serve_name(lab: Lab, node: Party) -> None:
    """Let a node tell its name to whoever connects to any of its addresses."""
    words = ("name", "0.0.0.0", str(_NAME_PORT), node.name)
    _, out = _endpoint(lab, node, *words, service=True)
    wait_for(
        f"{node.name} tells its name",
        lambda: "listening" in out.read_text(),
        limit=SOON,
    )


def wait_name(node: Party, address: str, wanted: str, *, why: str) -> None:
    """Wait until the node named ``wanted`` is the one that answers at an address."""
    wait_for(
        f"{node.name} > {address} leads to {wanted}: {why}",
        lambda: ask_name(node, address) == wanted,
        limit=20,
        every=0.2,
    )


def ask_name(node: Party, address: str) -> str:
    """Return the name of the node that answers at an address, or "" if none does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with node.namespace.open_socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect((address, _NAME_PORT))
            return connection.recv(_LONGEST_NAME).decode()
        except OSError:
            return ""


def _endpoint(
    lab: Lab, node: Party, *arguments: str, service: bool = False
) -> tuple[subprocess.Popen[bytes], Path]:
    path = lab.directory / f"{arguments[0]}-{node.name}-{time.monotonic_ns()}.txt"
    argv = node.namespace.command(*PLAIN_PYTHON, str(ENDPOINT), *arguments)
    out: IO[bytes]
    with path.open("wb") as out:
        child = lab.processes.start(
            argv, what=arguments[0], stdout=out, stderr=out, service=service
        )
    return child, path


def _wait_child(
    child: subprocess.Popen[bytes], limit: float, what: str, output: Path
) -> None:
    try:
        status = child.wait(limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"{what}: not done within {limit:g} s") from None
    expect(status == 0, f"{what}: {output.read_text().strip()}")
