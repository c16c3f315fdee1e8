from __future__ import annotations

import errno
import logging
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tincd_compat import logs
from tincd_compat.transport import netwatch
from tincd_compat.transport.netwatch import (
    PROMPT,
    RECOVERY,
    SETTLE,
    NetworkWatch,
    concerns,
)

OWN = 7


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"event": "RTM_NEWLINK", "index": 2, "attrs": []}, True),
        ({"event": "RTM_NEWLINK", "index": OWN, "attrs": []}, False),
        ({"event": "RTM_DELADDR", "index": 3, "attrs": None}, True),
        ({"event": "RTM_NEWADDR", "index": OWN, "attrs": []}, False),
        ({"event": "RTM_NEWROUTE", "attrs": [("RTA_OIF", 2)]}, True),
        ({"event": "RTM_NEWROUTE", "attrs": [("RTA_OIF", OWN)]}, False),
        ({"event": "RTM_DELROUTE", "attrs": []}, True),
        ({"event": "RTM_NEWNEIGH", "index": 2, "attrs": []}, False),
        ({}, False),
    ],
)
def test_what_concerns_us(message: dict[str, Any], expected: bool) -> None:
    assert concerns(message, OWN) is expected


def message(index: int) -> Any:
    return {"event": "RTM_NEWLINK", "index": index, "attrs": []}


def parse(data: bytes) -> list[Any]:
    """Read one message a byte, its index."""
    return [message(index) for index in data]


class Watched:
    """A watch with a netlink socket of bytes; ``changes`` counts what it tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = FakeLoop()
        self.netlink = FakeSocket(5)
        self.changes = 0
        monkeypatch.setattr(netwatch, "_load", lambda: parse)
        self.watch = NetworkWatch(OWN, self._changed, self._connect)

    def _changed(self) -> None:
        self.changes += 1

    def _connect(self) -> socket.socket:
        return self.netlink.socket

    def start(self) -> None:
        self.loop.call(self.watch.start)
        self.loop.finish_work()

    def arrives(self, data: bytes | OSError) -> None:
        self.netlink.incoming.append(data)
        self.loop.readable(5)

    def end(self) -> None:
        self.loop.run(self.watch.stop())
        assert (self.netlink.closed, self.loop.readers) == (True, {})
        self.loop.shut()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    watched = Watched(monkeypatch)
    yield watched
    watched.end()


def test_a_burst_counts_once(watched: Watched) -> None:
    watched.start()
    for data in (bytes([2, OWN]), bytes([3, 2]), bytes([2])):
        watched.arrives(data)
    assert watched.changes == 0
    watched.loop.advance(SETTLE)
    assert watched.changes == 1
    watched.loop.advance(10 * SETTLE)
    watched.arrives(bytes([2]))
    watched.loop.advance(SETTLE)
    assert watched.changes == 2


def test_our_own_interface_changes_nothing(watched: Watched) -> None:
    watched.start()
    watched.arrives(bytes([OWN, OWN]))
    watched.arrives(BlockingIOError())
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


def test_changes_while_the_library_is_loaded_are_not_lost(watched: Watched) -> None:
    watched.loop.call(watched.watch.start)
    watched.netlink.incoming.append(bytes([2]))
    assert watched.loop.readers == {}
    watched.loop.finish_work()
    watched.loop.readable(5)
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_more_than_the_kernel_can_keep_is_a_change(watched: Watched) -> None:
    watched.start()
    watched.arrives(oserror(errno.ENOBUFS))
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_in_a_storm_one_message_is_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[bytes]()

    def parse_and_count(data: bytes) -> list[Any]:
        read.append(data)
        return parse(data)

    monkeypatch.setattr(netwatch, "_load", lambda: parse_and_count)
    watched.start()
    for _ in range(100):
        watched.arrives(bytes([2]))
    assert len(read) == 1
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_a_network_that_never_rests_is_told_of_less_and_less(watched: Watched) -> None:
    watched.start()
    started = watched.loop.now
    told: list[float] = []
    for _ in range(400):
        watched.arrives(bytes([2]))
        before = watched.changes
        watched.loop.advance(SETTLE / 2)
        told += [watched.loop.now - started] * (watched.changes - before)
    assert len([at for at in told if at <= 2 * PROMPT]) >= PROMPT
    assert PROMPT + 15 <= len(told) <= PROMPT + 200 * SETTLE / RECOVERY + 2
    watched.loop.advance(PROMPT * RECOVERY)
    before = watched.changes
    watched.arrives(bytes([2]))
    watched.loop.advance(SETTLE)
    assert watched.changes == before + 1


def test_stopping_in_the_middle_of_a_burst(watched: Watched) -> None:
    watched.start()
    watched.arrives(bytes([2]))
    watched.loop.run(watched.watch.stop())
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


def test_stopping_while_the_library_is_loaded(watched: Watched) -> None:
    watched.loop.call(watched.watch.start)
    watched.loop.run(watched.watch.stop())
    watched.loop.work.clear()


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'pyroute2'"), OSError(1, "No")]
)
def test_the_daemon_can_do_without_the_library(
    watched: Watched, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO, logs.status.name)
    watched.loop.call(watched.watch.start)
    watched.loop.fail_work(error)
    assert caplog.messages == [f"Cannot watch the network: {error}"]
    assert watched.netlink.closed


def test_the_daemon_can_do_without_netlink(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> socket.socket:
        raise oserror(errno.EPROTONOSUPPORT)

    caplog.set_level(logging.INFO, logs.status.name)
    loop = FakeLoop()
    watch = NetworkWatch(OWN, lambda: None, refuse)
    loop.call(watch.start)
    loop.run(watch.stop())
    loop.shut()
    [line] = caplog.messages
    assert line.startswith("Cannot watch the network: ")


def test_messages_that_cannot_be_read_end_the_watch(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(_: bytes) -> list[Any]:
        raise ValueError("bad length")

    caplog.set_level(logging.INFO, logs.status.name)
    monkeypatch.setattr(netwatch, "_load", lambda: choke)
    watched.start()
    watched.arrives(b"?")
    assert caplog.messages == ["Cannot watch the network: bad length"]
    assert watched.netlink.closed


def test_the_library_reads_what_the_kernel_says() -> None:
    # RTM_DELADDR of 10.3.3.3/24 at interface 3, as Linux 6 sent it.
    body = bytes([2, 24, 0, 0]) + struct.pack("=I", 3)
    body += struct.pack("=HH4s", 8, 1, bytes([10, 3, 3, 3]))
    header = struct.pack("=IHHII", 16 + len(body), 21, 0, 0, 0)
    [deleted] = netwatch._load()(header + body)
    assert deleted["event"] == "RTM_DELADDR"
    assert concerns(deleted, 2)
    assert not concerns(deleted, 3)
