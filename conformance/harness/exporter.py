"""``tincd-compat exporter`` beside daemons, and what it answers."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from conformance.harness.checks import log_complaints
from conformance.harness.lab import Lab
from conformance.harness.netns import Namespace, entered
from conformance.harness.waits import SOON, Failed, wait_for

PORT: Final = 9655
_PATIENCE: Final = 30.0
#: Enter a /run of its own, in which only sockets of this case are.
_BEGIN: Final = 'mount --bind "$1" /run && shift && exec "$@"'


class Fetched(NamedTuple):
    """An answer of the exporter."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


class Exporter:
    """The exporter in a namespace, for nets by the sockets of their daemons.

    It is root's, with its page, or without that somebody's: ``member`` is the user and
    the only group.
    """

    def __init__(
        self,
        lab: Lab,
        namespace: Namespace,
        nets: Mapping[str, Path],
        *,
        member: tuple[int, int] | None = None,
    ) -> None:
        self._lab = lab
        self._namespace = namespace
        self._log = lab.directory / "exporter.log"
        runtime = lab.directory / "run"
        runtime.mkdir()
        runtime.chmod(0o755)
        for net, socket in nets.items():
            (runtime / f"tinc.{net}.sock").symlink_to(socket)
        self._runtime = runtime
        self._member = member
        self._child: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait for its first answer."""
        program = [sys.executable, "-m", "tincd_compat.admin", "exporter"]
        if self._member is None:
            program += ["--page", "--as-root"]
        else:
            user, group = self._member
            named = [f"--reuid={user}", f"--regid={user}", f"--groups={group}"]
            program = ["setpriv", *named, *program]
        argv = ["unshare", "--mount", "sh", "-c", _BEGIN, "sh", str(self._runtime)]
        argv += [*program, f"--listen=127.0.0.1:{PORT}"]
        with self._log.open("ab") as log:
            self._child = self._lab.processes.start(
                self._namespace.command(*argv),
                what="exporter",
                stdout=log,
                stderr=log,
                service=True,
            )
        wait_for("the exporter answers", self._answers, SOON)

    def stop(self) -> None:
        """End it as a service manager does."""
        assert self._child is not None
        self._child.terminate()
        self._child.wait(SOON)

    def _answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def get(self, target: str, host: str = "127.0.0.1", method: str = "GET") -> Fetched:
        """Ask once, as somebody who knows the exporter by the name ``host``."""
        with self.asked(target, host, method) as response:
            return Fetched(
                response.status, dict(response.getheaders()), response.read()
            )

    @contextmanager
    def asked(
        self, target: str, host: str = "127.0.0.1", method: str = "GET"
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask, and close the connection in the end, whatever of it was read."""
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=_PATIENCE)
        try:
            with entered(self._namespace.name):
                connection.request(method, target, headers={"Host": host})
            response = connection.getresponse()
            yield response
            response.close()
        finally:
            connection.close()

    def complain(self) -> None:
        """Fail if the exporter has written what is a fault of ours."""
        if found := log_complaints("the exporter", [self._log]):
            raise Failed("\n".join(found))


def messages(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Yield the messages of a stream of events as a browser reads them."""
    kind = "message"
    while line := response.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value)
            kind = "message"
