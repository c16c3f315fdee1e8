"""Connecting through proxies of every type, between networks that have nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from conformance.harness import proxyserver
from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME, TincNode, daemon_environment
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.mesh import Mesh, Plan
from conformance.harness.netns import Lan, Namespace
from conformance.harness.probes import expect_ping
from conformance.harness.scenario import Scenario
from conformance.harness.waits import say, wait_for

_SERVER: Final = Path(proxyserver.__file__)
#: Number of the proxy's host on both networks.
_HOST: Final = 9
_PORT: Final = 1080
_PROXY_HOST: Final = f"10.99.1.{_HOST}"
_PROXY: Final = f"{_PROXY_HOST} {_PORT}"
_PROXY_PASSED: Final = 0x200

#: Where the called node is, and a name for it that only the proxy knows.
_ADDRESS: Final = "10.99.2.2"
_ADDRESS6: Final = "fd99:2::2"
_NAME: Final = "b.example"
_NOWHERE: Final = "0.0.0.1 port 655"
#: Where the proxy connects from.
_BOUND: Final = f"10.99.2.{_HOST} port 655"

_PACKED: Final = bytes([10, 99, 2, 2])
_PACKED6: Final = b"\xfd\x99\0\2" + bytes(11) + b"\2"
_TARGET_PORT: Final = b"\2\x8f"
_LOGIN: Final = b"\5\1\2\1\3bob\6secret"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way through the proxy.

    ``proxy`` is the value of Proxy, ``serve`` what the server is started with,
    ``request`` what it must be sent, ``target`` the Address of the called node, and
    ``edge`` where the caller's edge says that it is.  ``refused`` is a line of the log
    in place of a connection.
    """

    what: str
    proxy: str
    serve: tuple[str, ...]
    request: bytes
    target: str = _ADDRESS
    edge: str = f"{_ADDRESS} port 655"
    refused: str | None = None
    ours_only: bool = False


def play(lab: Lab, placement: Placement, ways: Sequence[Way]) -> None:
    bench = _Bench(lab, placement)
    for way in ways:
        if way.ours_only and bench.caller.kind is Kind.C:
            continue
        say(f"  {way.what}")
        bench.configure(way.proxy, way.target)
        bench.serve(way)
        if way.refused is None:
            _pass(bench, way)
        else:
            _be_refused(bench, way.refused)
        bench.stop_serving()
        expect(set(bench.requests()) == {way.request}, f"asked for {bench.requests()}")


def play_exec(lab: Lab, placement: Placement) -> None:
    bench = _Bench(lab, placement)
    environment = bench.caller.directory / "environment.txt"
    words = [sys.executable, "-I", str(_SERVER), "pipe", *_PROXY.split()]
    command = (
        f"env > {environment}; echo $$ > {environment}.pid; exec {' '.join(words)}"
    )
    way = Way(
        what="a command",
        proxy=f"exec {command} $REMOTEADDRESS $REMOTEPORT",
        serve=("forward",),
        request=f"{_ADDRESS} 655\n".encode(),
    )
    play_one = partial(_play_command, bench, environment)
    play_one(way)
    if bench.caller.kind is Kind.OURS:
        play_one(
            Way(
                what="a command that gets a name",
                proxy=way.proxy,
                serve=way.serve,
                request=f"{_NAME} 655\n".encode(),
                target=_NAME,
                edge=_NOWHERE,
            )
        )


def _play_command(bench: _Bench, environment: Path, way: Way) -> None:
    say(f"  {way.what}")
    bench.configure(way.proxy, way.target)
    bench.serve(way)
    _pass(bench, way)
    expect(set(bench.requests()) == {way.request}, f"asked for {bench.requests()}")
    pid = Path(f"{environment}.pid").read_text().strip()
    wait_for("the command has ended", lambda: not Path(f"/proc/{pid}").exists(), 5)
    bench.stop_serving()
    wanted = daemon_environment() | {
        "NAME": "a",
        "NODE": "b",
        "NETNAME": NETNAME,
        "REMOTEADDRESS": way.target,
        "REMOTEPORT": "655",
    }
    given = dict(line.split("=", 1) for line in environment.read_text().splitlines())
    # What the shell itself adds.
    given = {key: given[key] for key in given if key not in ("PWD", "OLDPWD", "_")}
    expect_equal("the environment", given, wanted)


def _pass(bench: _Bench, way: Way) -> None:
    """Connect, use it, lose the proxy, and connect again."""
    caller, called = bench.caller, bench.called
    mark = caller.log.mark()
    called.start()
    caller.start()
    _expect_passed(bench, way, mark)
    bench.stop_serving()
    caller.wait_unreachable(called.name)
    # The next try may come as soon as there is a proxy again.
    mark = caller.log.mark()
    bench.serve(way)
    _expect_passed(bench, way, mark)
    if way.proxy.startswith("exec") and caller.kind is Kind.OURS:
        children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text()
        expect_equal("processes of the caller", len(children.split()), 1)
    if way.proxy.startswith("exec") and caller.kind is Kind.C:
        # Its commands inherit the device, which lives on until they have ended.
        caller.signal(signal.SIGTERM)
        wait_for("a stopped", lambda: not caller.alive, 5)
        called.stop()
    else:
        bench.mesh.stop()


def _expect_passed(bench: _Bench, way: Way, mark: int) -> None:
    caller, called = bench.caller, bench.called
    bench.mesh.wait_reachable()
    expect_ping(caller, called.address, count=5)
    expect_ping(called, caller.address, count=5)
    target = f"{way.target} port 655"
    dump = caller.dump()
    (row,) = dump.connections
    expect_equal("the connection's host", row.host, target)
    expect(bool(row.status & _PROXY_PASSED), f"status {row.status:04x}")
    (edge,) = (edge for edge in dump.edges if edge.source == caller.name)
    expect_equal("where the edge leads", edge.host, way.edge)
    wanted = [f"Connected to b ({target})", f"Connection with b ({target}) activated"]
    if way.proxy.startswith("exec "):
        wanted.insert(0, f"Using proxy {way.proxy.removeprefix('exec ')}")
    else:
        wanted.insert(0, f"Using proxy at {_PROXY_HOST} port {_PORT}")
        wanted.insert(2, "Proxy request granted")
    _expect_in_order(caller, wanted, mark)


def _expect_in_order(node: TincNode, wanted: Sequence[str], mark: int) -> None:
    lines = iter(node.log.text(mark).splitlines())
    for line in wanted:
        expect(line in lines, f"not in the log, or not in its place: {line}")


def _be_refused(bench: _Bench, line: str) -> None:
    """Be told no, and go on trying; nothing of ours reaches the other side."""
    caller, called = bench.caller, bench.called
    mark, called_mark = caller.log.mark(), called.log.mark()
    called.start()
    caller.start()
    caller.log.wait(f"^{line}$", 10, mark)
    caller.log.wait(r"^Trying to re-establish outgoing connection in ", 10, mark)
    expect(
        not called.log.has("^Connection from", called_mark),
        "the proxy let somebody through",
    )
    bench.mesh.stop()
    if caller.kind is Kind.OURS:
        gap = r"\nClosing connection with b \(.*\)\nCould not set up a meta connection"
        expect(caller.log.has(f"^{line}{gap}", mark), "the connection did not end")


class _Bench:
    """A caller and a called node on two networks, and the proxy on both."""

    def __init__(self, lab: Lab, placement: Placement) -> None:
        kind_caller, kind_called = placement
        near, far = lab.lan(1), lab.lan(2)
        plans = [
            Plan(name="a", kind=kind_caller, connect_to=("b",)),
            Plan(name="b", kind=kind_called),
        ]
        self.mesh = Mesh(lab, plans, lans={"a": [near], "b": [far]})
        self.caller, self.called = self.mesh
        self._lab = lab
        self._namespace = _host(lab, near, far)
        self._out = lab.directory / "proxy.txt"
        self._child: subprocess.Popen[bytes] | None = None
        self._tinc_conf = (self.caller.etc / "tinc.conf").read_text()
        self._host_file = (self.caller.etc / "hosts" / "b").read_text()

    def configure(self, proxy: str, target: str) -> None:
        """Set the caller's Proxy, and its Address for the called node."""
        conf = f"{self._tinc_conf}Proxy = {proxy}\n"
        (self.caller.etc / "tinc.conf").write_text(conf)
        host = self._host_file.replace(f"Address = {_ADDRESS}\n", "")
        (self.caller.etc / "hosts" / "b").write_text(f"Address = {target}\n{host}")

    def serve(self, way: Way) -> None:
        """Start the proxy; what it records begins anew."""
        kind, *words = way.serve
        argv = [sys.executable, "-I", str(_SERVER), kind, "0.0.0.0", str(_PORT)]
        argv += [f"name={_NAME}={_ADDRESS}", *words]
        with self._out.open("wb") as out:
            self._child = self._lab.processes.start(
                self._namespace.command(*argv),
                what="proxy",
                stdout=out,
                stderr=out,
                service=True,
            )
        wait_for("the proxy listens", lambda: "listening" in self._out.read_text(), 10)

    def stop_serving(self) -> None:
        """Kill the proxy, and all connections through it."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def requests(self) -> list[bytes]:
        """Return what the proxy was asked for."""
        listening, *requests = self._out.read_text().splitlines()
        expect_equal("the proxy's first word", listening, "listening")
        return [bytes.fromhex(request) for request in requests]


def _host(lab: Lab, *lans: Lan) -> Namespace:
    namespace = lab.namespace("proxy")
    for index, lan in enumerate(lans):
        lan.join(namespace, _HOST, f"eth{index}")
    return namespace


def _connect4(place: bytes, user: str = "") -> bytes:
    return b"\4\1" + _TARGET_PORT + place + user.encode() + b"\0"


def _connect5(place: bytes) -> bytes:
    return b"\5\1\0" + place + _TARGET_PORT


def _connect_http(host: str) -> bytes:
    return f"CONNECT {host}:655 HTTP/1.1\r\n\r\n".encode()


_NAME5: Final = b"\3" + bytes([len(_NAME)]) + _NAME.encode()

_SOCKS4: Final = (
    Way(
        what="an address, without and with a user",
        proxy=f"socks4 {_PROXY}",
        serve=("socks4",),
        request=_connect4(_PACKED),
    ),
    Way(
        what="refused",
        proxy=f"socks4 {_PROXY} bob",
        serve=("socks4", "refuse=yes"),
        request=_connect4(_PACKED, "bob"),
        refused="Proxy request rejected",
    ),
)
_SOCKS4A: Final = (
    Way(
        what="an address",
        proxy=f"socks4a {_PROXY} bob",
        serve=("socks4",),
        request=_connect4(_PACKED, "bob"),
    ),
    Way(
        what="a name",
        proxy=f"socks4a {_PROXY}",
        serve=("socks4",),
        request=_connect4(b"\0\0\0\1") + _NAME.encode() + b"\0",
        target=_NAME,
        edge=_BOUND,
    ),
)
_SOCKS5: Final = (
    Way(
        what="an address",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(b"\1" + _PACKED),
    ),
    Way(
        what="an IPv6 address",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(b"\4" + _PACKED6),
        target=_ADDRESS6,
        edge=f"{_ADDRESS6} port 655",
    ),
    Way(
        what="a name",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=_NAME,
        edge=_BOUND,
    ),
    Way(
        what="a name, of a proxy that hides its address",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5", "bound=zero"),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=_NAME,
        edge=_NOWHERE,
    ),
    Way(
        what="a name, of a proxy that says its own",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5", "bound=name"),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=_NAME,
        edge=_NOWHERE,
        ours_only=True,
    ),
    Way(
        what="refused",
        proxy=f"socks5 {_PROXY}",
        serve=("socks5", "refuse=yes"),
        request=b"\5\1\0" + _connect5(b"\1" + _PACKED),
        refused="Proxy request rejected",
    ),
)
_PASSWORD: Final = (
    Way(
        what="the answer that C tincd wants",
        proxy=f"socks5 {_PROXY} bob secret",
        serve=("socks5", "password=bob:secret", "answer=5"),
        request=_LOGIN + _connect5(b"\1" + _PACKED),
    ),
    Way(
        what="the answer of RFC 1929",
        proxy=f"socks5 {_PROXY} bob secret",
        serve=("socks5", "password=bob:secret", "answer=1"),
        request=_LOGIN + _connect5(b"\1" + _PACKED),
        ours_only=True,
    ),
    Way(
        what="a wrong password",
        proxy=f"socks5 {_PROXY} bob secret",
        serve=("socks5", "password=bob:guess"),
        request=_LOGIN,
        refused="Proxy username/password rejected",
    ),
)
_HTTP: Final = (
    Way(
        what="an address",
        proxy=f"http {_PROXY}",
        serve=("http",),
        request=_connect_http(_ADDRESS),
    ),
    Way(
        what="a name",
        proxy=f"HTTP {_PROXY}",
        serve=("http",),
        request=_connect_http(_NAME),
        target=_NAME,
        edge=_NOWHERE,
    ),
    Way(
        what="an IPv6 address, HTTP/1.0",
        proxy=f"http {_PROXY}",
        serve=("http", "version=1.0"),
        request=_connect_http(f"[{_ADDRESS6}]"),
        target=_ADDRESS6,
        edge=f"{_ADDRESS6} port 655",
        ours_only=True,
    ),
    Way(
        what="refused",
        proxy=f"http {_PROXY}",
        serve=("http", "refuse=yes"),
        request=_connect_http(_ADDRESS),
        refused="Proxy request rejected: 403 Forbidden",
    ),
)


def _scenario(name: str, summary: str, ways: Sequence[Way]) -> Scenario:
    return Scenario(
        name=f"proxy-{name}",
        summary=summary,
        placements=TWO,
        play=partial(play, ways=ways),
    )


SOCKS4: Final = _scenario("socks4", "through a SOCKS 4 proxy", _SOCKS4)
SOCKS4A: Final = _scenario("socks4a", "through a SOCKS 4a proxy, by name too", _SOCKS4A)
SOCKS5: Final = _scenario("socks5", "through a SOCKS 5 proxy, by name too", _SOCKS5)
SOCKS5_PASSWORD: Final = _scenario(
    "socks5-password", "through a SOCKS 5 proxy that wants a password", _PASSWORD
)
HTTP: Final = _scenario("http", "through a web proxy, by name too", _HTTP)
EXEC: Final = Scenario(
    name="proxy-exec",
    summary="through a command, which ends with the connection",
    placements=TWO,
    play=play_exec,
)
