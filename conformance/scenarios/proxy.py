"""Connecting through proxies of every type, between networks that have nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from conformance.harness.checks import expect, expect_equal
from conformance.harness.daemon import NETNAME, daemon_environment
from conformance.harness.kinds import TWO, Kind, Placement
from conformance.harness.lab import Lab
from conformance.harness.processes import PLAIN_PYTHON
from conformance.harness.proxied import (
    ADDRESS,
    ADDRESS6,
    HOST,
    NAME,
    PROXY,
    SERVER,
    Bench,
    Way,
    be_refused,
    pass_through,
)
from conformance.harness.scenario import Scenario
from conformance.harness.waits import SOON, say, wait_for

_NOWHERE: Final = "0.0.0.1 port 655"
#: Where the proxy connects from.
_BOUND: Final = f"10.99.2.{HOST} port 655"

_PACKED: Final = bytes([10, 99, 2, 2])
_PACKED6: Final = b"\xfd\x99\0\2" + bytes(11) + b"\2"
_TARGET_PORT: Final = b"\2\x8f"
_LOGIN: Final = b"\5\1\2\1\3bob\6secret"


def play(lab: Lab, placement: Placement, ways: Sequence[Way]) -> None:
    bench = Bench(lab, placement)
    for way in ways:
        if way.ours_only and bench.caller.kind is Kind.C:
            continue
        say(f"  {way.what}")
        bench.configure(way.proxy, way.target)
        bench.serve(way)
        if way.refused is None:
            pass_through(bench, way)
        else:
            be_refused(bench, way.refused)
        bench.stop_serving()
        expect(set(bench.requests()) == {way.request}, f"asked for {bench.requests()}")


def play_exec(lab: Lab, placement: Placement) -> None:
    bench = Bench(lab, placement)
    environment = bench.caller.directory / "environment.txt"
    words = [*PLAIN_PYTHON, str(SERVER), "pipe", *PROXY.split()]
    command = (
        f"env > {environment}; echo $$ > {environment}.pid; exec {' '.join(words)}"
    )
    way = Way(
        what="a command",
        proxy=f"exec {command} $REMOTEADDRESS $REMOTEPORT",
        serve=("forward",),
        request=f"{ADDRESS} 655\n".encode(),
    )
    play_one = partial(_play_command, bench, environment)
    play_one(way)
    if bench.caller.kind is Kind.OURS:
        play_one(
            Way(
                what="a command that gets a name",
                proxy=way.proxy,
                serve=way.serve,
                request=f"{NAME} 655\n".encode(),
                target=NAME,
                edge=_NOWHERE,
            )
        )


def _play_command(bench: Bench, environment: Path, way: Way) -> None:
    say(f"  {way.what}")
    bench.configure(way.proxy, way.target)
    bench.serve(way)
    pass_through(bench, way)
    expect(set(bench.requests()) == {way.request}, f"asked for {bench.requests()}")
    pid = Path(f"{environment}.pid").read_text().strip()
    wait_for("the command has ended", lambda: not Path(f"/proc/{pid}").exists(), SOON)
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


def _connect4(place: bytes, user: str = "") -> bytes:
    return b"\4\1" + _TARGET_PORT + place + user.encode() + b"\0"


def _connect5(place: bytes) -> bytes:
    return b"\5\1\0" + place + _TARGET_PORT


def _connect_http(host: str) -> bytes:
    return f"CONNECT {host}:655 HTTP/1.1\r\n\r\n".encode()


_NAME5: Final = b"\3" + bytes([len(NAME)]) + NAME.encode()

_SOCKS4: Final = (
    Way(
        what="an address, without and with a user",
        proxy=f"socks4 {PROXY}",
        serve=("socks4",),
        request=_connect4(_PACKED),
    ),
    Way(
        what="refused",
        proxy=f"socks4 {PROXY} bob",
        serve=("socks4", "refuse=yes"),
        request=_connect4(_PACKED, "bob"),
        refused="Proxy request rejected",
    ),
)
_SOCKS4A: Final = (
    Way(
        what="an address",
        proxy=f"socks4a {PROXY} bob",
        serve=("socks4",),
        request=_connect4(_PACKED, "bob"),
    ),
    Way(
        what="a name",
        proxy=f"socks4a {PROXY}",
        serve=("socks4",),
        request=_connect4(b"\0\0\0\1") + NAME.encode() + b"\0",
        target=NAME,
        edge=_BOUND,
    ),
)
_SOCKS5: Final = (
    Way(
        what="an address",
        proxy=f"socks5 {PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(b"\1" + _PACKED),
    ),
    Way(
        what="an IPv6 address",
        proxy=f"socks5 {PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(b"\4" + _PACKED6),
        target=ADDRESS6,
        edge=f"{ADDRESS6} port 655",
    ),
    Way(
        what="a name",
        proxy=f"socks5 {PROXY}",
        serve=("socks5",),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=NAME,
        edge=_BOUND,
    ),
    Way(
        what="a name, of a proxy that hides its address",
        proxy=f"socks5 {PROXY}",
        serve=("socks5", "bound=zero"),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=NAME,
        edge=_NOWHERE,
    ),
    Way(
        what="a name, of a proxy that says its own",
        proxy=f"socks5 {PROXY}",
        serve=("socks5", "bound=name"),
        request=b"\5\1\0" + _connect5(_NAME5),
        target=NAME,
        edge=_NOWHERE,
        ours_only=True,
    ),
    Way(
        what="refused",
        proxy=f"socks5 {PROXY}",
        serve=("socks5", "refuse=yes"),
        request=b"\5\1\0" + _connect5(b"\1" + _PACKED),
        refused="Proxy request rejected",
    ),
)
_PASSWORD: Final = (
    Way(
        what="the answer that C tincd wants",
        proxy=f"socks5 {PROXY} bob secret",
        serve=("socks5", "password=bob:secret", "answer=5"),
        request=_LOGIN + _connect5(b"\1" + _PACKED),
    ),
    Way(
        what="the answer of RFC 1929",
        proxy=f"socks5 {PROXY} bob secret",
        serve=("socks5", "password=bob:secret", "answer=1"),
        request=_LOGIN + _connect5(b"\1" + _PACKED),
        ours_only=True,
    ),
    Way(
        what="a wrong password",
        proxy=f"socks5 {PROXY} bob secret",
        serve=("socks5", "password=bob:guess"),
        request=_LOGIN,
        refused="Proxy username/password rejected",
    ),
)
_HTTP: Final = (
    Way(
        what="an address",
        proxy=f"http {PROXY}",
        serve=("http",),
        request=_connect_http(ADDRESS),
    ),
    Way(
        what="a name",
        proxy=f"HTTP {PROXY}",
        serve=("http",),
        request=_connect_http(NAME),
        target=NAME,
        edge=_NOWHERE,
    ),
    Way(
        what="an IPv6 address, HTTP/1.0",
        proxy=f"http {PROXY}",
        serve=("http", "version=1.0"),
        request=_connect_http(f"[{ADDRESS6}]"),
        target=ADDRESS6,
        edge=f"{ADDRESS6} port 655",
        ours_only=True,
    ),
    Way(
        what="refused",
        proxy=f"http {PROXY}",
        serve=("http", "refuse=yes"),
        request=_connect_http(ADDRESS),
        refused="Proxy request rejected: 403 Forbidden",
    ),
)


def _scenario(
    name: str, summary: str, ways: Sequence[Way], seconds: float = 10
) -> Scenario:
    return Scenario(
        name=f"proxy-{name}",
        summary=summary,
        placements=TWO,
        play=partial(play, ways=ways),
        seconds=seconds,
    )


SOCKS4: Final = _scenario("socks4", "through a SOCKS 4 proxy", _SOCKS4)
SOCKS4A: Final = _scenario("socks4a", "through a SOCKS 4a proxy, by name too", _SOCKS4A)
SOCKS5: Final = _scenario(
    "socks5", "through a SOCKS 5 proxy, by name too", _SOCKS5, seconds=20
)
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
