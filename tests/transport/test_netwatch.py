from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.transport import netlink
from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tests.transport.netlink import UP, address, link
from tincd_compat import logs
from tincd_compat.transport import netwatch
from tincd_compat.transport.hostnetwork import requests
from tincd_compat.transport.netwatch import (
    AT_ONCE,
    LOAD_AFTER,
    MOST_WAITING,
    PROMPT,
    RECOVERY,
    SETTLE,
    NetworkWatch,
)

OWN = 7


def parse(_: bytes) -> list[Any]:
    """Read no message of addresses or routes: links do."""
    return []


#: A link that comes up, and what is said of it afterwards.
NEWS = link(2)
NEWS_ASKED = link(2, asked=True)
REFRESHED = link(2, flags=UP | 0x1000)
#: The library's own reader.
_LOAD = netwatch._load


class Watched:
    """A watch with a netlink socket; ``changes`` counts what it tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = FakeLoop()
        self.netlink = FakeSocket(5)
        self.changes = self._flips = 0
        monkeypatch.setattr(netwatch, "_load", lambda: parse)
        self.watch = NetworkWatch(OWN, self._changed, self._connect)

    def _changed(self) -> None:
        self.changes += 1

    def _connect(self) -> socket.socket:
        return self.netlink.socket

    def start(self, *there: bytes) -> None:
        """Begin; the kernel answers that there are these links."""
        self.begin()
        self.loop.finish_work()
        self.answered(*there)

    def begin(self) -> None:
        """Begin, up to where the library is loaded."""
        self.loop.call(self.watch.start)
        assert self.loop.work == []
        self.loop.advance(LOAD_AFTER)

    def answered(self, *there: bytes) -> None:
        self.arrives(b"".join(there) + netlink.done())
        self.arrives(netlink.done())
        self.arrives(netlink.done())

    def arrives(self, data: bytes | OSError) -> None:
        self.netlink.incoming.append(data)
        self.loop.readable(5)

    def times_asked(self) -> int:
        """Count how often the kernel was asked for everything."""
        return self.netlink.sent.count(requests()[0])

    def flips(self) -> bytes:
        """Return a message that is a change, another each time."""
        self._flips += 1
        return link(2, mtu=1500 + self._flips % 7)

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
    for data in (link(2) + link(OWN), link(3) + link(4), link(2, flags=0)):
        watched.arrives(data)
    assert watched.changes == 0
    watched.loop.advance(SETTLE)
    assert watched.changes == 1
    watched.answered(link(3, asked=True), link(4, asked=True))
    watched.loop.advance(10 * SETTLE)
    watched.arrives(link(3) + link(2))
    watched.loop.advance(SETTLE)
    assert watched.changes == 2


def test_what_was_known_before_is_no_change(watched: Watched) -> None:
    watched.start(NEWS_ASKED)
    for _ in range(30):
        watched.arrives(REFRESHED)
        watched.loop.advance(SETTLE)
    assert watched.changes == 0


def test_our_own_interface_changes_nothing(watched: Watched) -> None:
    watched.start()
    watched.arrives(link(OWN) + link(OWN, flags=0))
    watched.arrives(BlockingIOError())
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


def test_changes_while_the_library_is_loaded_are_not_lost(watched: Watched) -> None:
    watched.begin()
    watched.answered(NEWS_ASKED)
    watched.arrives(REFRESHED)
    watched.arrives(link(3))
    watched.loop.advance(SETTLE)
    assert watched.changes == 0
    watched.loop.finish_work()
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_what_is_only_said_again_before_the_library_is_there(watched: Watched) -> None:
    watched.begin()
    watched.answered(NEWS_ASKED, address(2, "10.0.0.1", asked=True))
    watched.arrives(REFRESHED + address(2, "10.0.0.1", lifetime=5))
    watched.loop.finish_work()
    watched.loop.advance(SETTLE)
    assert watched.changes == 0


def test_what_waits_for_the_library_is_bounded_and_taken_in_turns(
    watched: Watched,
) -> None:
    watched.begin()
    watched.answered()
    for _ in range(MOST_WAITING // 100 + 1):
        watched.arrives(link(2, flags=0) * 100)
    assert len(watched.watch._waiting) == MOST_WAITING
    before = watched.loop.turns
    watched.loop.finish_work()
    assert watched.loop.turns - before >= MOST_WAITING / AT_ONCE
    # What found no room is asked for, and may have been a change.
    watched.loop.advance(SETTLE)
    assert (watched.changes, watched.times_asked()) == (1, 2)


def test_more_than_the_kernel_can_keep_is_a_change(watched: Watched) -> None:
    watched.start(NEWS_ASKED)
    watched.arrives(oserror(errno.ENOBUFS))
    watched.loop.advance(SETTLE)
    assert watched.changes == 1
    # What was lost is asked for: from then on only differences count again.
    watched.answered(NEWS_ASKED)
    watched.arrives(REFRESHED)
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_in_a_storm_one_message_is_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[bytes]()

    def parse_and_count(data: bytes) -> Iterable[Any]:
        read.append(data)
        return netlink_reader(data)

    netlink_reader = _LOAD()
    monkeypatch.setattr(netwatch, "_load", lambda: parse_and_count)
    watched.start()
    for number in range(100):
        watched.arrives(address(2, f"10.0.0.{number}"))
    assert len(read) == 1
    watched.loop.advance(SETTLE)
    assert watched.changes == 1
    # What was passed over is made up for, and that is no further change.
    watched.answered(*(address(2, f"10.0.0.{n}", asked=True) for n in range(100)))
    watched.arrives(address(2, "10.0.0.99"))
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_news_while_all_is_asked_for_counts(watched: Watched) -> None:
    watched.start()
    watched.arrives(NEWS)
    watched.arrives(link(3))
    watched.loop.advance(SETTLE)
    assert watched.times_asked() == 2
    watched.arrives(link(3, asked=True) + NEWS_ASKED)
    watched.arrives(REFRESHED)
    watched.arrives(link(4))
    watched.answered()
    watched.loop.advance(SETTLE)
    assert watched.changes == 2
    # The second of them was passed over.
    assert watched.times_asked() == 3
    watched.answered(NEWS_ASKED, link(3, asked=True), link(4, asked=True))
    watched.arrives(link(4))
    watched.loop.advance(SETTLE)
    assert watched.changes == 2


def test_what_is_missed_during_an_answer_is_asked_for_after_it(
    watched: Watched,
) -> None:
    watched.begin()
    watched.loop.finish_work()
    watched.arrives(NEWS)
    watched.arrives(link(3))
    watched.loop.advance(SETTLE)
    assert watched.changes == 1
    assert watched.times_asked() == 1
    watched.answered(NEWS_ASKED)
    assert watched.times_asked() == 2
    watched.answered(NEWS_ASKED, link(3, asked=True))
    watched.arrives(link(3) + REFRESHED)
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_a_kernel_that_cannot_be_asked(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logs.status.name)
    watched.netlink.failing["send"] = oserror(errno.ENOBUFS)
    watched.begin()
    watched.loop.finish_work()
    assert caplog.messages == [
        "Cannot watch the network: [Errno 105] No buffer space available"
    ]
    assert watched.netlink.closed


def test_a_network_that_never_rests_is_told_of_less_and_less(watched: Watched) -> None:
    watched.start()
    started = watched.loop.now
    told: list[float] = []
    for _ in range(400):
        watched.arrives(watched.flips())
        before = watched.changes
        watched.loop.advance(SETTLE / 2)
        told += [watched.loop.now - started] * (watched.changes - before)
    assert len([at for at in told if at <= 2 * PROMPT]) >= PROMPT
    assert PROMPT + 15 <= len(told) <= PROMPT + 200 * SETTLE / RECOVERY + 2
    watched.loop.advance(PROMPT * RECOVERY)
    before = watched.changes
    watched.arrives(watched.flips())
    watched.loop.advance(SETTLE)
    assert watched.changes == before + 1


def test_stopping_in_the_middle_of_a_burst(watched: Watched) -> None:
    watched.start()
    watched.arrives(NEWS)
    watched.loop.run(watched.watch.stop())
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


def test_stopping_while_the_library_is_loaded(watched: Watched) -> None:
    watched.begin()
    watched.arrives(NEWS)
    watched.loop.run(watched.watch.stop())
    assert watched.netlink.closed
    watched.loop.work.clear()
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'pyroute2'"), OSError(1, "No")]
)
def test_the_daemon_can_do_without_the_library(
    watched: Watched, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.INFO, logs.status.name)
    watched.begin()
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
    watched.arrives(address(2, "10.3.3.3"))
    assert caplog.messages == ["Cannot watch the network: bad length"]
    assert watched.netlink.closed
