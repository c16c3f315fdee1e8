"""Requests on the control socket of one of our daemons, by a client of the library."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from jsonschema import Draft202012Validator

from conformance.harness.daemon import TincNode
from conformance.harness.waits import Failed, say, wait_for
from tincd_compat.observe import schemas
from tincd_compat.observe.endpoints import BY_PATH

#: An answer of a daemon on a machine that is busy with other cases.
_PATIENCE: Final = 30.0

Record: TypeAlias = Mapping[str, Any]

#: Asks once as whoever runs it, with as little as any Python has.
_CLIENT: Final = """
import http.client, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(sys.argv[1])
connection = Connection("d")
try:
    connection.request(sys.argv[2], sys.argv[3])
except OSError as error:
    print(type(error).__name__)
else:
    print(connection.getresponse().status)
"""


class _Connection(http.client.HTTPConnection):
    """A connection with a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("d", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def socket_of(node: TincNode) -> Path:
    """Return where a daemon answers."""
    return node.pidfile.with_name(f"{node.pidfile.name}.sock")


def ask(node: TincNode, target: str, method: str = "GET") -> tuple[int, list[Record]]:
    """Ask once; return the status and the records, each held against its schema."""
    connection = _Connection(socket_of(node))
    try:
        connection.request(method, target)
        response = connection.getresponse()
        records = [json.loads(line) for line in response.read().splitlines()]
    except OSError as error:
        raise Failed(f"{method} {target}: {error}") from error
    finally:
        connection.close()
    name = "failure"
    if response.status < 400:
        name = schemas.name(BY_PATH[target.partition("?")[0]].record)
    for record in records:
        check(name, record)
    return response.status, records


def check(name: str, record: Record) -> None:
    """Demand that a record is as its schema says."""
    wrong = next(_validator(name).iter_errors(record), None)
    if wrong is not None:
        raise Failed(f"{name} {record}: {wrong.message}")


@cache
def _validator(name: str) -> Any:
    return Draft202012Validator(schemas.load(name))


def wait_record(
    node: TincNode, what: str, target: str, condition: Callable[[Record], bool]
) -> Record:
    """Ask again and again until a record is as it should be; return that one."""

    def look() -> Record | None:
        return next((r for r in ask(node, target)[1] if condition(r)), None)

    return wait_for(what, look, _PATIENCE, every=0.2)


@contextmanager
def follow(node: TincNode, target: str) -> Iterator[Iterator[Record]]:
    """Follow events; the iterator gives up after some time without one."""
    connection = _Connection(socket_of(node))
    connection.request("GET", target)
    response = connection.getresponse()

    def events() -> Iterator[Record]:
        while line := response.readline():
            record = json.loads(line)
            check("event", record)
            yield record

    try:
        yield events()
    finally:
        connection.close()


def wait_event(events: Iterator[Record], kind: str, node: str | None) -> Record:
    """Return the next event of a kind that is about a node."""
    try:
        for event in events:
            say(f"  {event['seq']:6} {event['kind']}: {event['text']}")
            if (event["kind"], event["node"]) == (kind, node):
                return event
    except TimeoutError:
        pass
    raise Failed(f"no event {kind} of {node}")


def ask_as(
    node: TincNode, target: str, method: str, uid: int, gid: int, groups: str
) -> str:
    """Ask as a user; return the status, or the name of the error of the system."""
    named = [f"--groups={groups}"] if groups else ["--clear-groups"]
    argv = ["setpriv", f"--reuid={uid}", f"--regid={gid}", *named]
    # The interpreter of the system: that of a test environment may be out of reach.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    argv += [python, "-c", _CLIENT, str(socket_of(node)), method, target]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    return done.stdout.strip() or done.stderr
