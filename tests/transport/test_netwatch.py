from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Iterator

import pytest

from tests.transport import netlink
from tests.transport.fakes import FakeLoop, FakeSocket, oserror
from tests.transport.netlink import UP, address, link
from tincd_compat import logs
from tincd_compat.transport.hostnetwork import HostNetwork, Message, requests
from tincd_compat.transport.netwatch import (
    PROMPT,
    RECOVERY,
    SETTLE,
    NetworkWatch,
)

OWN = 7


#: A link that comes up, and what is said of it afterwards.
NEWS = link(2)
NEWS_ASKED = link(2, asked=True)
REFRESHED = link(2, flags=UP | 0x1000)


class Watched:
    """A watch with a netlink socket; ``changes`` counts what it tells."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.netlink = FakeSocket(5)
        self.changes = self._flips = 0
        self.watch = NetworkWatch(OWN, self._changed, self._connect)

    def _changed(self) -> None:
        self.changes += 1

    def _connect(self) -> socket.socket:
        return self.netlink.socket

    def start(self, *there: bytes) -> None:
        """Begin; the kernel answers that there are these links."""
        self.begin()
        self.answered(*there)

    def begin(self) -> None:
        """Begin, up to where the kernel is asked."""
        self.loop.call(self.watch.start)

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
        self.loop.call(self.watch.stop)
        assert (self.netlink.closed, self.loop.readers) == (True, {})
        self.loop.shut()


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
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


def test_what_is_lost_again_before_it_is_told_counts_once(watched: Watched) -> None:
    watched.start(NEWS_ASKED)
    for _ in range(3):
        watched.arrives(oserror(errno.ENOBUFS))
    watched.loop.advance(SETTLE)
    assert watched.changes == 1


def test_one_question_follows_the_answer_of_another(watched: Watched) -> None:
    watched.begin()
    for number in range(1, 4):
        assert watched.netlink.sent == b"".join(requests()[:number])
        watched.arrives(netlink.done())
    assert watched.netlink.sent == b"".join(requests())


def test_in_a_storm_one_message_is_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Message]()
    take = HostNetwork.take

    def counted(self: HostNetwork, message: Message) -> bool:
        read.append(message)
        return take(self, message)

    watched.start()
    monkeypatch.setattr(HostNetwork, "take", counted)
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
    watched.loop.call(watched.watch.stop)
    watched.loop.advance(2 * SETTLE)
    assert watched.changes == 0


def test_the_daemon_can_do_without_netlink(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> socket.socket:
        raise oserror(errno.EPROTONOSUPPORT)

    caplog.set_level(logging.INFO, logs.status.name)
    loop = FakeLoop()
    watch = NetworkWatch(OWN, lambda: None, refuse)
    loop.call(watch.start)
    loop.call(watch.stop)
    loop.shut()
    [line] = caplog.messages
    assert line.startswith("Cannot watch the network: ")
