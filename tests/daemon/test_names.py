"""What is remembered of names that cannot be looked up any more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon import names as module
from tincd_compat.daemon.names import RESOLVER_PATIENCE, Names

FAMILY = socket.AF_UNSPEC


class Resolver:
    """Answers from a table; a name without a row has no answer ever."""

    def __init__(self) -> None:
        self.table: dict[str, list[str] | None] = {}
        self.asked: list[str] = []
        self.busy = self.most = 0

    async def __call__(self, host: str, port: str, family: int) -> list[SocketAddress]:
        assert family == FAMILY
        self.asked.append(host)
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            if host not in self.table:
                await asyncio.Event().wait()
            await asyncio.sleep(0.1)
            found = self.table[host]
            if found is None:
                raise OSError(-2, "Name or service not known")
            return [SocketAddress(address, int(port)) for address in found]
        finally:
            self.busy -= 1


class Fixture:
    def __init__(self, loop: FakeLoop) -> None:
        self.loop = loop
        self.resolver = Resolver()
        self.names = Names(self.resolver)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def learn(self, targets: Iterable[tuple[str, str]]) -> None:
        self.run(self.names.learn(targets, FAMILY))

    def resolve(self, host: str) -> list[str]:
        found = self.run(self.names.resolve(host, "655", FAMILY))
        return [address.host for address in found]


@pytest.fixture
def fixture(loop: FakeLoop) -> Fixture:
    return Fixture(loop)


def test_nothing_is_remembered_that_was_not_learned(fixture: Fixture) -> None:
    fixture.resolver.table["peer"] = ["10.0.0.1"]
    assert fixture.resolve("peer") == ["10.0.0.1"]
    fixture.resolver.table["peer"] = None
    with pytest.raises(OSError, match="not known"):
        fixture.resolve("peer")


def test_the_first_answer_is_what_was_learned(fixture: Fixture) -> None:
    """Inside the new root directory the resolver may take its time to say nothing."""
    fixture.resolver.table["peer"] = ["10.0.0.1"]
    fixture.learn([("peer", "655"), ("peer", "655"), ("10.0.0.9", "655")])
    assert fixture.resolver.asked == ["peer"]
    fixture.resolver.table.clear()
    assert fixture.resolve("peer") == ["10.0.0.1"]
    assert fixture.resolver.asked == ["peer"]


def test_later_answers_are_asked_for(fixture: Fixture) -> None:
    fixture.resolver.table["peer"] = ["10.0.0.1"]
    fixture.learn([("peer", "655")])
    fixture.resolve("peer")
    fixture.resolver.table["peer"] = ["10.0.0.2", "10.0.0.3"]
    assert fixture.resolve("peer") == ["10.0.0.2", "10.0.0.3"]
    fixture.resolver.table["peer"] = None
    for _ in range(2):
        assert fixture.resolve("peer") == ["10.0.0.2", "10.0.0.3"]


def test_a_name_that_nobody_knows_yet(fixture: Fixture) -> None:
    fixture.resolver.table["peer"] = None
    fixture.learn([("peer", "655")])
    with pytest.raises(OSError, match="not known"):
        fixture.resolve("peer")
    fixture.resolver.table["peer"] = ["10.0.0.1"]
    assert fixture.resolve("peer") == ["10.0.0.1"]


def test_a_start_waits_so_long_and_no_longer(fixture: Fixture) -> None:
    fixture.resolver.table["peer"] = ["10.0.0.1"]
    before = fixture.loop.time()
    fixture.learn([("silent", "655"), ("peer", "655")])
    assert fixture.loop.time() - before == pytest.approx(RESOLVER_PATIENCE)
    assert fixture.resolve("peer") == ["10.0.0.1"]
    fixture.names.stop()


def test_many_names_do_not_take_all_threads(fixture: Fixture) -> None:
    many = [f"peer{number}" for number in range(100)]
    fixture.resolver.table |= {name: ["10.0.0.1"] for name in many}
    fixture.learn((name, "655") for name in many)
    assert sorted(fixture.resolver.asked) == sorted(many)
    assert fixture.resolver.most == module._AT_ONCE


def test_a_port_by_name_needs_a_resolver(fixture: Fixture) -> None:
    fixture.resolver.table["10.0.0.1"] = None
    fixture.learn([("10.0.0.1", "tinc")])
    assert fixture.resolver.asked == ["10.0.0.1"]


def test_nothing_to_learn_takes_no_time(fixture: Fixture) -> None:
    before = fixture.loop.time()
    fixture.learn([("fe80::1%eth0", "655")])
    assert (fixture.loop.time(), fixture.resolver.asked) == (before, [])
