"""The line at debug level 0 when a ConnectTo is lost or found, or has a wrong key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.daemon.dialling import ONE, World
from tests.transport.fakes import FakeLoop, oserror
from tincd_compat import logs
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon.dialer import Dialer
from tincd_compat.daemon.dials import dial_result
from tincd_compat.daemon.link import End, Link
from tincd_compat.daemon.links import Links
from tincd_compat.daemon.notices import Notices
from tincd_compat.daemon.unexpected import UnexpectedErrors
from tincd_compat.observe.words import DialResult, LinkEnd

CONNECTED = "ConnectTo peer: connected (10.0.0.2 port 655)"
WRONG_KEY = (
    "ConnectTo peer: wrong key: the public key here in hosts/peer, or ours there,"
    " is another than that of its node"
)


class FakeConnection:
    hostname = "10.0.0.2 port 655"

    def __init__(self, name: str, *, active: bool, key_unread: bool) -> None:
        self.name = name
        self.active = active
        self.key_unread = key_unread


def fake_link(
    reason: LinkEnd | None = None,
    *,
    name: str = "peer",
    active: bool = True,
    key_unread: bool = False,
    dialled: bool = True,
) -> Link:
    """Return all of a link that concerns notices."""

    class FakeLink:
        connection: Any = FakeConnection(name, active=active, key_unread=key_unread)
        outgoing = Outgoing(name) if dialled else None
        end = None if reason is None else End(reason, f"It is {reason}")

    return cast(Link, FakeLink())


@pytest.fixture
def settings() -> CurrentSettings:
    return CurrentSettings(Settings(name="us", connect_to=("peer", "other")))


@pytest.fixture
def notices(settings: CurrentSettings) -> Notices:
    return Notices(settings)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a function that takes the notices of level 0."""

    def take() -> list[str]:
        found = [
            record.getMessage()
            for record in caplog.records
            if (record.name, record.levelno) == (logs.always.name, logs.NOTICE)
        ]
        caplog.clear()
        return found

    caplog.set_level(logging.DEBUG)
    return take


def test_a_peer_is_lost_and_found(
    notices: Notices, lines: Callable[[], list[str]]
) -> None:
    notices.link_began(fake_link())
    assert lines() == [CONNECTED]
    notices.link_ended(fake_link(LinkEnd.CLOSED))
    assert lines() == ["ConnectTo peer: connection lost: It is closed"]
    # However often it is tried in vain, that is no news.
    for _ in range(9):
        notices.failed("peer", DialResult.REFUSED, "Connection refused")
        notices.gave_up("peer")
    assert lines() == []
    notices.link_began(fake_link(dialled=False))
    assert lines() == [CONNECTED]


def test_who_was_never_there_is_missed_once(
    notices: Notices, lines: Callable[[], list[str]]
) -> None:
    notices.gave_up("peer")
    notices.failed("peer", DialResult.TIMEOUT, "no answer")
    # Another address may lead there.
    assert lines() == []
    notices.failed("peer", DialResult.REFUSED, None)
    for _ in range(3):
        notices.gave_up("peer")
    assert lines() == ["ConnectTo peer: no connection yet: refused"]
    notices.failed("other", DialResult.HOST_FILE, "Cannot open it")
    notices.gave_up("other")
    assert lines() == []


def test_a_second_connection_and_the_end_are_no_loss(
    notices: Notices, lines: Callable[[], list[str]]
) -> None:
    notices.link_began(fake_link())
    lines()
    notices.link_ended(fake_link(LinkEnd.REPLACED))
    notices.link_began(fake_link(dialled=False))
    notices.link_ended(fake_link(LinkEnd.STOP))
    assert lines() == []


def test_others_are_not_spoken_of(
    notices: Notices, settings: CurrentSettings, lines: Callable[[], list[str]]
) -> None:
    notices.link_began(fake_link(name="caller", dialled=False))
    notices.link_ended(fake_link(LinkEnd.CLOSED, name="caller", dialled=False))
    # Whoever calls and says that name has proved nothing.
    notices.link_ended(fake_link(LinkEnd.WRONG_KEY, active=False, dialled=False))
    notices.link_began(fake_link())
    settings.current = Settings(name="us", connect_to=("other",))
    notices.link_ended(fake_link(LinkEnd.CLOSED))
    assert lines() == [CONNECTED]
    notices.link_began(fake_link(name="other"))
    assert len(notices._peers) == 1


def test_a_wrong_key_is_called_so_once(
    notices: Notices, lines: Callable[[], list[str]]
) -> None:
    link = fake_link(LinkEnd.WRONG_KEY, active=False)
    notices.link_ended(link)
    notices.link_ended(link)
    assert lines() == [WRONG_KEY]
    notices.link_began(fake_link())
    notices.link_ended(link)
    assert lines() == [CONNECTED, WRONG_KEY]


def test_who_goes_silent_at_our_key_cannot_read_it(
    notices: Notices, lines: Callable[[], list[str]]
) -> None:
    """As C tincd does: it holds the connection open or closes it, without a word."""
    silent = LinkEnd.CLOSED, LinkEnd.RESET, LinkEnd.AUTH_TIMEOUT
    for reason in LinkEnd:
        known = dial_result(reason, key_unread=False)
        expected = DialResult.WRONG_KEY if reason in silent else known
        assert dial_result(reason, key_unread=True) is expected
    notices.link_ended(fake_link(LinkEnd.CLOSED, active=False))
    assert lines() == []
    notices.link_ended(fake_link(LinkEnd.AUTH_TIMEOUT, active=False, key_unread=True))
    assert lines() == [WRONG_KEY]


def test_the_dialer_says_when_it_gives_up(loop: FakeLoop) -> None:
    world, heard = World(loop), list[str]()
    dialer = Dialer(
        world.settings,
        cast(Links, world),
        UnexpectedErrors(),
        resolve=world.resolve,
        connect=world.connect,
        note=lambda name, result, target, words: heard.append(f"{name} {result}"),
        gave_up=heard.append,
    )
    world.outcomes[ONE] = oserror(111)
    loop.call(dialer.start)
    assert heard == ["peer refused", "peer"]
