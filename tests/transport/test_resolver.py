from __future__ import annotations

import asyncio
import socket
import threading
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
    monkeypatch.setattr(resolver, "PATIENCE", 0.0)

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        release.wait()
        return []

    try:
        with pytest.raises(TimeoutError):
            run(lookup)
    finally:
        release.set()


def test_names_of_an_address() -> None:
    def lookup(place: Any, flags: int) -> tuple[str, str]:
        assert (place, flags) == (("10.0.0.1", 655), 0)
        return "gate.example", "tinc"

    found = resolver.name_of(SocketAddress("10.0.0.1", 655), lookup=lookup)
    assert asyncio.run(found) == "gate.example port tinc"
