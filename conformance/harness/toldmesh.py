"""A control socket that tells of a mesh which is not there, as large as is wanted.

Records are those of ``observe``, so their form is the daemon's own.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from tincd_compat.modes import Mode
from tincd_compat.observe.answers import Check, Explanation
from tincd_compat.observe.codec import Record
from tincd_compat.observe.records import (
    Address,
    EdgeRecord,
    Event,
    NodeRecord,
    TrafficRecord,
)
from tincd_compat.observe.summary import Reachable, StatusRecord
from tincd_compat.observe.times import Time
from tincd_compat.observe.words import (
    CheckName,
    CheckResult,
    DataPlaneKind,
    EventKind,
    PathKind,
)

#: The node that tells.
ROOT: Final = "alpha"
#: Nodes that the others have links with, which have links with one another.
HUBS: Final = 20
#: A time that all of it is since.
_SINCE: Final = Time(datetime(2026, 11, 30, 2, tzinfo=UTC).timestamp())


class ToldMesh:
    """The records of a mesh with so many nodes: a few hubs, and leaves at two each.

    Of fifty nodes one is reached over TCP, of a hundred one not at all.
    """

    def __init__(self, amount: int) -> None:
        self.names = [ROOT, *(_name(number) for number in range(1, amount))]
        self.paths = [_path(number) for number in range(amount)]
        self.started = _SINCE
        #: How often the list has each edge.
        self.repeated = 1
        self.events = [_event(seq, ROOT) for seq in range(1, 61)]

    def status(self) -> Iterator[Record]:
        def count(path: PathKind) -> int:
            return self.paths.count(path)

        yield StatusRecord(
            net="told",
            name=ROOT,
            version="1",
            pid=os.getpid(),
            mode=Mode.ROUTER,
            data_plane=DataPlaneKind.PYTHON,
            started=self.started,
            nodes=Reachable(
                known=len(self.names) - 1,
                udp=count(PathKind.UDP),
                tcp=count(PathKind.TCP),
                relay_udp=count(PathKind.RELAY_UDP),
                relay_tcp=0,
                none=count(PathKind.NONE),
                idle=0,
            ),
            links=HUBS,
            edges=sum(1 for _ in self.edges()),
            subnets=len(self.names),
            last_event=self.events[-1].seq,
        )

    def nodes(self) -> Iterator[Record]:
        for number, (name, path) in enumerate(zip(self.names, self.paths, strict=True)):
            traffic = TrafficRecord(packets=number, bytes=number * number * 1000)
            yield NodeRecord(
                name=name,
                self_=number == 0,
                reachable=path is not PathKind.NONE,
                since=Time(_SINCE + number),
                path=path,
                nexthop=_name(1 + number % HUBS),
                via=_name(1 + number % HUBS) if path is PathKind.RELAY_UDP else name,
                distance=2,
                weight=number,
                address=Address(host=f"192.0.2.{number % 256}", port=655),
                mtu=1451 if path is PathKind.UDP else None,
                rtt_udp=number / 10_000 if path is PathKind.UDP else None,
                sent=traffic,
                received=traffic,
                subnets=(f"10.{number // 256}.{number % 256}.0/24",),
                subnet_count=1,
            )

    def links(self) -> Iterator[Record]:
        return iter(())

    def edges(self) -> Iterator[Record]:
        hubs = self.names[1 : HUBS + 1]
        pairs = list(itertools.combinations([ROOT, *hubs], 2))
        for number, name in enumerate(self.names):
            if number > HUBS and self.paths[number] is not PathKind.NONE:
                near = (number % len(hubs), number * 7 % len(hubs))
                pairs += [(name, hubs[place]) for place in sorted(set(near))]
        place = Address(host="192.0.2.1", port=655)
        for one, other in pairs * self.repeated:
            for start, end in ((one, other), (other, one)):
                yield EdgeRecord(
                    from_=start, to=end, address=place, weight=10, both=True
                )

    def explain(self, to: str) -> Iterator[Record]:
        check = Check(check=CheckName.REACHABLE, result=CheckResult.OK, text="it is")
        yield Explanation(
            at=_SINCE, name=ROOT, to=to, node=to, way=(ROOT, to), checks=(check,)
        )


def _name(number: int) -> str:
    return f"hub{number:02}" if number <= HUBS else f"n{number:04}"


def _path(number: int) -> PathKind:
    if number == 0:
        return PathKind.SELF
    if number % 100 == 99:
        return PathKind.NONE
    if number % 50 == 25:
        return PathKind.TCP
    return PathKind.RELAY_UDP if number % 10 == 7 else PathKind.UDP


def _event(seq: int, node: str) -> Event:
    text = f"{node} has been told of, number {seq}"
    return Event(seq=seq, at=_SINCE, kind=EventKind.REACHABLE, node=node, text=text)


class ToldDaemon:
    """Serves such a mesh on a socket of the file system, as a daemon does."""

    def __init__(self, path: Path, mesh: ToldMesh) -> None:
        self.mesh = mesh
        self._followers: list[queue.Queue[Event]] = []
        handler = partial(_Handler, daemon=self)
        self._server = _Server(str(path), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def tell(self, node: str, text: str) -> None:
        """Let something happen to a node, in these words."""
        seq = self.mesh.events[-1].seq + 1
        event = replace(_event(seq, node), text=text)
        self.mesh.events.append(event)
        for follower in self._followers:
            follower.put(event)

    def follow(self, since: int) -> Iterator[Event]:
        """Yield the events behind a number, and then those that happen."""
        mine: queue.Queue[Event] = queue.Queue()
        self._followers.append(mine)
        kept = [event for event in self.mesh.events if event.seq > since]
        yield from kept
        while True:
            yield mine.get()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Followers go as they like."""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, *words: Any, daemon: ToldDaemon) -> None:
        self._daemon = daemon
        super().__init__(*words)

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        given = {name: values[0] for name, values in parse_qs(query).items()}
        self.send_response(200)
        self.end_headers()
        for record in self._records(path.removeprefix("/v1/"), given):
            self.wfile.write(json.dumps(record.to_json()).encode() + b"\n")

    def _records(self, name: str, given: dict[str, str]) -> Iterator[Record]:
        mesh = self._daemon.mesh
        if name == "events":
            since = int(given.get("since", 0))
            if "follow" in given:
                return self._daemon.follow(since)
            return (event for event in mesh.events if event.seq > since)
        if name == "explain":
            return mesh.explain(given["to"])
        found: Iterator[Record] = getattr(mesh, name)()
        return found

    def log_message(self, format: str, *words: Any) -> None:
        """Say nothing of each request."""
