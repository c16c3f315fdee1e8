from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tincd_compat.addresses import SocketAddress
from tincd_compat.transport import resolver


def run(lookup: resolver.Lookup) -> list[SocketAddress]:
    return asyncio.run(resolver.resolve("peer", "655", 0, lookup=lookup))


def test_all_addresses_come_in_their_order() -> None:
    def lookup(host: str, port: str, **kinds: int) -> list[tuple[Any, ...]]:
        assert (host, port) == ("peer", "655")
        assert kinds == {"family": 0, "type": socket.SOCK_STREAM}
        return [
            (socket.AF_INET6, 1, 6, "", ("fd00::1", 655, 0, 0)),
            (socket.AF_INET, 1, 6, "", ("10.0.0.1", 655)),
        ]

    assert run(lookup) == [
        SocketAddress("fd00::1", 655),
        SocketAddress("10.0.0.1", 655),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
    ],
)
def test_a_failure_says_why(error: Exception, reason: str) -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise error

    with pytest.raises(OSError, match=reason) as caught:
        run(lookup)
    assert caught.value.strerror == reason


def test_an_error_of_ours_reaches_who_asked() -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise LookupError("unknown encoding")

    with pytest.raises(LookupError):
        run(lookup)


def test_nobody_waits_for_a_resolver_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    monkeypatch.setattr(resolver, "LOOKUP_PATIENCE", 0.0)

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        release.wait()
        return []

    try:
        with pytest.raises(TimeoutError):
            run(lookup)
    finally:
        release.set()


@pytest.mark.parametrize(
    ("most", "ask"),
    [
        (resolver.MAX_LOOKUPS, lambda hang: resolver.resolve("a", "1", 0, lookup=hang)),
        (
            resolver.MAX_REVERSE_LOOKUPS,
            lambda hang: resolver.name_of(SocketAddress("10.0.0.1", 655), lookup=hang),
        ),
    ],
)
def test_a_resolver_that_hangs_takes_so_many_threads(
    most: int,
    ask: Callable[[Any], Coroutine[Any, Any, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, ended = threading.Event(), threading.Semaphore(0)
    monkeypatch.setattr(resolver, "LOOKUP_PATIENCE", 0.0)
    started: list[object] = []

    def hang(*_: object, **__: object) -> tuple[str, str]:
        started.append(None)
        release.wait()
        ended.release()
        return "", ""

    async def crowd() -> list[object]:
        asked = (ask(hang) for _ in range(most + 3))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    try:
        outcomes = asyncio.run(crowd())
    finally:
        release.set()
    assert len(started) == most
    assert all(isinstance(each, TimeoutError) for each in outcomes)
    for _ in range(most):
        ended.acquire()


def test_without_a_thread_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for _ in range(resolver.MAX_LOOKUPS + 1):
        with pytest.raises(OSError, match="can't start new thread"):
            run(lambda *_, **__: [])


def test_names_of_an_address() -> None:
    def lookup(place: Any, flags: int) -> tuple[str, str]:
        assert (place, flags) == (("10.0.0.1", 655), 0)
        return "gate.example", "tinc"

    found = resolver.name_of(SocketAddress("10.0.0.1", 655), lookup=lookup)
    assert asyncio.run(found) == "gate.example port tinc"


def test_a_name_of_a_link_local_address_is_asked_for_with_its_link() -> None:
    asked: list[object] = []

    def lookup(sockaddr: object, _flags: int) -> tuple[str, str]:
        asked.append(sockaddr)
        return "gate%eth0", "tinc"

    asyncio.run(resolver.name_of(SocketAddress("fe80::1", 655, 3), lookup=lookup))
    assert asked == [("fe80::1", 655, 0, 3)]
