"""Packets before everything else, and nothing else forgotten."""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Iterator
from typing import Any

import pytest

from tincd_compat.transport.loop import (
    PacketLoop,
    add_packet_reader,
    remove_packet_reader,
    set_packet_server,
)


class Pipe:
    """A descriptor that can be made readable."""

    def __init__(self) -> None:
        self.end, self._other = os.pipe()

    def fill(self) -> None:
        os.write(self._other, b"x")

    def empty(self) -> None:
        os.read(self.end, 1)

    def close(self) -> None:
        os.close(self.end)
        os.close(self._other)


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    made = [Pipe() for _ in range(3)]
    yield made
    for pipe in made:
        pipe.close()


@pytest.fixture
def loop() -> Iterator[PacketLoop]:
    made = PacketLoop()
    yield made
    made.close()


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop turn once or twice."""
    for _ in range(2):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_packets_come_first(loop: PacketLoop, pipes: list[Pipe]) -> None:
    calls: list[str] = []
    packets, other, _ = pipes

    def told(name: str, pipe: Pipe) -> None:
        pipe.empty()
        calls.append(name)

    loop.add_reader(other.end, told, "other", other)
    add_packet_reader(loop, packets.end, lambda: told("packet", packets))
    loop.call_soon(calls.append, "soon")
    other.fill()
    packets.fill()
    turn(loop)
    assert calls[0] == "packet"
    assert sorted(calls) == ["other", "packet", "soon"]


def test_what_a_reader_plans_happens_in_the_same_turn(
    loop: PacketLoop, pipes: list[Pipe]
) -> None:
    calls: list[str] = []

    def reader() -> None:
        pipes[0].empty()
        loop.call_soon(calls.append, "planned")
        loop.call_soon(loop.stop)

    add_packet_reader(loop, pipes[0].end, reader)
    pipes[0].fill()
    # Without a timer: the packet alone wakes the loop.
    loop.run_forever()
    assert calls == ["planned"]


def test_timers_are_kept(loop: PacketLoop) -> None:
    calls: list[str] = []
    loop.call_later(0.001, calls.append, "timer")
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert calls == ["timer"]


def test_a_removed_reader_is_not_called(loop: PacketLoop, pipes: list[Pipe]) -> None:
    calls: list[int] = []

    def remove_all() -> None:
        calls.append(1)
        for pipe in pipes:
            remove_packet_reader(loop, pipe.end)

    for pipe in pipes:
        add_packet_reader(loop, pipe.end, remove_all)
        pipe.fill()
    turn(loop)
    assert calls == [1]
    remove_packet_reader(loop, pipes[0].end)


def test_a_reader_can_be_replaced(loop: PacketLoop, pipes: list[Pipe]) -> None:
    calls: list[str] = []

    def reader() -> None:
        calls.append("new")
        loop.stop()

    add_packet_reader(loop, pipes[0].end, lambda: calls.append("old"))
    add_packet_reader(loop, pipes[0].end, reader)
    pipes[0].fill()
    loop.run_forever()
    assert calls == ["new"]


def test_an_exception_goes_to_the_handler(loop: PacketLoop, pipes: list[Pipe]) -> None:
    seen: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: seen.append(context))
    error = ZeroDivisionError()

    def reader() -> None:
        pipes[0].empty()
        raise error

    add_packet_reader(loop, pipes[0].end, reader)
    pipes[0].fill()
    turn(loop)
    assert [context["exception"] for context in seen] == [error]


def test_other_loops_have_ordinary_readers(pipes: list[Pipe]) -> None:
    loop = asyncio.SelectorEventLoop()
    calls: list[int] = []

    def reader() -> None:
        pipes[0].empty()
        calls.append(1)

    add_packet_reader(loop, pipes[0].end, reader)
    pipes[0].fill()
    turn(loop)
    remove_packet_reader(loop, pipes[0].end)
    pipes[0].fill()
    turn(loop)
    loop.close()
    assert calls == [1]


def test_the_selector_is_whole(loop: PacketLoop, pipes: list[Pipe]) -> None:
    selector = loop.packets
    key = selector.register(pipes[0].end, selectors.EVENT_READ, "data")
    assert selector.get_key(pipes[0].end) == key
    assert selector.get_map()[pipes[0].end] == key
    assert selector.select(0) == []
    pipes[0].fill()
    assert selector.select(0.001) == [(key, selectors.EVENT_READ)]
    changed = selector.modify(pipes[0].end, selectors.EVENT_READ, "other")
    assert changed.data == "other"
    assert selector.unregister(pipes[0].end) == changed
    assert selector.select(-1) == []


def test_after_packets_alone_the_wait_goes_on(
    loop: PacketLoop, pipes: list[Pipe]
) -> None:
    calls: list[int] = []

    def quiet() -> bool:
        pipes[0].empty()
        pipes[1].fill()
        calls.append(0)
        return True

    def other() -> None:
        pipes[1].empty()
        calls.append(1)

    loop.packets.add_reader(pipes[0].end, quiet)
    loop.packets.add_reader(pipes[1].end, other)
    pipes[0].fill()
    assert loop.packets.select(60) == []
    assert calls == [0, 1]


def test_packets_alone_do_not_delay_timers(loop: PacketLoop, pipes: list[Pipe]) -> None:
    loop.packets.add_reader(pipes[0].end, lambda: True)
    # It stays readable: only the time that is given ends this.
    pipes[0].fill()
    assert loop.packets.select(0.002) == []
    assert loop.packets.select(0) == []


def test_packets_alone_do_not_delay_others(loop: PacketLoop, pipes: list[Pipe]) -> None:
    key = loop.packets.register(pipes[1].end, selectors.EVENT_READ)
    loop.packets.add_reader(pipes[0].end, lambda: True)
    pipes[0].fill()
    pipes[1].fill()
    assert loop.packets.select() == [(key, selectors.EVENT_READ)]


def test_a_server_waits_in_place_of_the_selector(
    loop: PacketLoop, pipes: list[Pipe]
) -> None:
    calls: list[tuple[int, float]] = []

    def serve(epoll: int, seconds: float) -> bool:
        calls.append((epoll, seconds))
        return True

    add_packet_reader(loop, pipes[0].end, lambda: calls.append((-1, 0)))
    set_packet_server(loop, serve)
    pipes[0].fill()
    assert loop.packets.select(60) == []
    assert loop.packets.select(0.0001) == []
    assert loop.packets.select() == []
    assert [seconds for _, seconds in calls] == [60, 0.001, -1]


def test_what_a_server_leaves_is_looked_at(loop: PacketLoop, pipes: list[Pipe]) -> None:
    calls: list[str] = []
    packets, other, _ = pipes

    def reader() -> None:
        packets.empty()
        calls.append("packet")

    add_packet_reader(loop, packets.end, reader)
    key = loop.packets.register(other.end, selectors.EVENT_READ)
    set_packet_server(loop, lambda _epoll, _seconds: False)
    packets.fill()
    other.fill()
    assert loop.packets.select(60) == [(key, selectors.EVENT_READ)]
    assert calls == ["packet"]
    other.empty()
    assert loop.packets.select(0.001) == []


def test_others_are_looked_at_after_a_server(
    loop: PacketLoop, pipes: list[Pipe]
) -> None:
    key = loop.packets.register(pipes[0].end, selectors.EVENT_READ)
    pipes[0].fill()
    set_packet_server(loop, lambda _epoll, _seconds: True)
    assert loop.packets.select(60) == [(key, selectors.EVENT_READ)]


def test_a_server_that_fails_costs_no_packet(
    loop: PacketLoop, pipes: list[Pipe]
) -> None:
    seen: list[Any] = []
    calls: list[int] = []
    loop.set_exception_handler(lambda _loop, context: seen.append(context["exception"]))
    error = ZeroDivisionError()

    def serve(_epoll: int, _seconds: float) -> bool:
        raise error

    def reader() -> None:
        pipes[0].empty()
        calls.append(1)

    add_packet_reader(loop, pipes[0].end, reader)
    set_packet_server(loop, serve)
    pipes[0].fill()
    loop.packets.select(60)
    assert (seen, calls) == ([error], [1])


def test_a_server_is_taken_back(loop: PacketLoop, pipes: list[Pipe]) -> None:
    set_packet_server(loop, lambda _epoll, _seconds: False)
    set_packet_server(loop, None)
    assert loop.packets.server is None
    ordinary = asyncio.SelectorEventLoop()
    set_packet_server(ordinary, lambda _epoll, _seconds: True)
    ordinary.close()
