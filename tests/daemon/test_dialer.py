"""ConnectTo: whom we dial, in which order, and when again."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.daemon.dialling import ONE, TWO, FakeLink, World
from tests.transport.fakes import FakeLoop, oserror
from tincd_compat.config.hosts import HostSettings
from tincd_compat.daemon.link import End
from tincd_compat.errors import ConfigError
from tincd_compat.observe.words import LinkEnd


@pytest.fixture
def world(loop: FakeLoop) -> Iterator[World]:
    world = World(loop)
    yield world
    loop.call(world.dialer.stop)


# Rounds.


def test_one_attempt(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.outcomes[ONE] = None
    world.go()
    assert world.take() == [
        "0 look up peer.example 655",
        "0 connect 10.0.0.2 from 10.0.0.1",
        "0 begin peer 10.0.0.2 0",
    ]
    assert caplog.messages == [
        "Trying to connect to peer (10.0.0.2 port 655)",
        "Connected to peer (10.0.0.2 port 655)",
    ]
    world.loop.advance(10000)
    assert world.take() == []


def test_every_address_in_its_order(world: World) -> None:
    world.hosts["peer"] = HostSettings(
        addresses=(("b.example", "700"), ("a.example", None)), port="701"
    )
    world.names = {"b.example": [TWO, ONE], "a.example": [ONE]}
    world.go()
    assert world.take() == [
        "0 look up b.example 700",
        "0 connect fd00::2 from any",
        "0 connect 10.0.0.2 from 10.0.0.1",
        "0 look up a.example 701",
        "0 connect 10.0.0.2 from 10.0.0.1",
    ]


def test_a_name_nobody_knows(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.hosts["peer"] = HostSettings(addresses=(("x", None), ("y", None), ("z", "1")))
    unknown = socket.gaierror(-2, "Name or service not known")
    world.names = {"x": unknown, "y": TimeoutError(), "z": [ONE]}
    world.go()
    assert world.take()[-1] == "0 connect 10.0.0.2 from 10.0.0.1"
    assert caplog.messages[:2] == [
        "Error looking up x port 655: Name or service not known",
        "Error looking up y port 655: no answer in time",
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            oserror(errno.ECONNREFUSED),
            "Error while connecting to peer (10.0.0.2 port 655): Connection refused",
        ),
        (TimeoutError(), "Timeout while connecting to peer (10.0.0.2 port 655)"),
    ],
)
def test_what_a_failure_looks_like(
    world: World, error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.outcomes[ONE] = error
    world.go()
    assert caplog.messages == [
        "Trying to connect to peer (10.0.0.2 port 655)",
        line,
        "Could not set up a meta connection to peer",
        "Trying to re-establish outgoing connection in 5 seconds",
    ]


def test_a_link_waits_for_its_turn(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.names["peer.example"] = [ONE, TWO]
    world.outcomes[TWO] = None
    world.wait = 1.5
    world.go()
    assert caplog.messages == []
    world.loop.advance(4)
    # The wait is ours: it does not count as distance, which decides about the weight.
    assert world.take() == [
        "0 look up peer.example 655",
        "1.5 connect 10.0.0.2 from 10.0.0.1",
        "3 connect fd00::2 from any",
        "3 begin peer fd00::2 3",
    ]


# Pauses.


def test_pauses_grow(world: World) -> None:
    world.go()
    world.loop.advance(60)
    assert world.attempts() == [0, 5, 15, 30, 50]


def test_pauses_have_bounds(world: World) -> None:
    world.settings.current = replace(
        world.settings.current, min_timeout=7, max_timeout=12
    )
    world.go()
    world.loop.advance(45)
    assert world.attempts() == [0, 7, 19, 31, 43]


def test_pauses_differ_by_chance(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Or two nodes that have called each other at once do so for ever."""
    world.jitter = 0.75
    world.go()
    assert caplog.messages[-1].endswith(" in 5 seconds")
    world.loop.advance(40)
    assert world.attempts() == [0, 5.75, 16.5, 32.25]


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (ConfigError("Cannot open config file"), "Cannot open config file"),
        (
            HostSettings(),
            "No address specified for peer (hosts/peer lacks `Address = HOST')",
        ),
    ],
)
def test_an_unusable_host_file_waits_longest(
    world: World,
    host: HostSettings | Exception,
    line: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.hosts["peer"] = host
    world.go()
    assert caplog.messages == [
        line,
        "Trying to re-establish outgoing connection in 900 seconds",
    ]
    world.hosts["peer"] = HostSettings(addresses=(("peer.example", None),))
    world.loop.advance(900)
    assert world.attempts() == [900]


def test_an_early_try_does_not_count(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.go()
    for _ in range(3):
        world.loop.advance(1.25)
        world.loop.call(world.dialer.retry_now)
    world.loop.advance(30)
    assert world.attempts() == [0, 1.25, 2.5, 3.75, 5, 15, 30]
    pauses = [line.split()[-2] for line in caplog.messages if "re-establish" in line]
    assert pauses == ["5", "4", "3", "2", "10", "15", "20"]


def test_an_early_try_with_success_begins_anew(world: World) -> None:
    world.go()
    world.loop.advance(20)
    world.outcomes[ONE] = None
    world.loop.call(world.dialer.retry_now)
    world.dialled_links[0].pong()
    world.end(world.dialled_links[0])
    world.take()
    world.loop.advance(5)
    assert world.take()[0] == "25 look up peer.example 655"


def test_an_early_try_that_outlasts_the_pause_is_the_next(world: World) -> None:
    world.go()
    world.outcomes[ONE] = None
    world.loop.call(world.dialer.retry_now)
    world.loop.advance(7)
    world.end(world.dialled_links[0])
    world.outcomes[ONE] = oserror(errno.ECONNREFUSED)
    world.loop.advance(25)
    assert world.attempts() == [0, 0, 17, 32]


def test_an_alarm_reaches_all(world: World) -> None:
    world.settings.current = replace(
        world.settings.current, connect_to=("peer", "other")
    )
    world.hosts["other"] = world.hosts["peer"]
    world.go()
    world.loop.advance(1)
    world.loop.call(world.dialer.retry_now)
    assert world.attempts() == [0, 0, 1, 1]


# Links that end.


def test_a_link_that_never_worked_leads_to_the_next_address(world: World) -> None:
    world.names["peer.example"] = [ONE, TWO]
    world.outcomes = {ONE: None, TWO: None}
    world.go()
    world.loop.advance(7)
    world.end(world.dialled_links[0])
    # The clock of the second address starts afresh: it decides about the weight.
    assert world.take()[-2:] == ["7 connect fd00::2 from any", "7 begin peer fd00::2 7"]
    world.end(world.dialled_links[1])
    world.loop.advance(5)
    assert world.attempts() == [12]


def test_a_link_that_worked_leads_to_a_short_pause(world: World) -> None:
    world.names["peer.example"] = [ONE, TWO]
    world.go()
    world.loop.advance(30)
    world.outcomes = {ONE: None, TWO: None}
    world.loop.advance(20)
    world.take()
    world.dialled_links[0].pong()
    world.loop.advance(50)
    world.end(world.dialled_links[0])
    assert world.take() == []
    world.loop.advance(5)
    assert world.take()[0] == "105 look up peer.example 655"


# Links of others.


def test_a_link_that_is_there_is_adopted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    link = world.up["peer"] = FakeLink(None)
    world.go()
    assert world.take() == []
    assert caplog.messages == ["Already connected to peer"]
    assert link.outgoing is not None
    assert link.outgoing.name == "peer"
    del world.up["peer"]
    world.end(link)
    assert world.take() == []
    world.loop.advance(5)
    assert world.attempts() == [5]


def test_a_link_that_came_up_during_a_pause_is_adopted(world: World) -> None:
    world.go()
    link = world.up["peer"] = FakeLink(None)
    world.loop.advance(100)
    assert world.attempts() == [0]
    assert link.outgoing is not None


def test_a_link_that_replaced_ours_is_adopted(world: World) -> None:
    world.names["peer.example"] = [ONE, TWO]
    world.outcomes = {ONE: None, TWO: None}
    world.go()
    newer = world.up["peer"] = FakeLink(None)
    world.end(world.dialled_links[0])
    world.loop.advance(100)
    assert newer.outgoing is world.dialled_links[0].outgoing
    assert len(world.dialled_links) == 1


# What is pursued.


def test_names_that_make_no_sense(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.settings.current = replace(
        world.settings.current, connect_to=("us", "../peer", "peer")
    )
    world.go()
    assert world.attempts() == [0]
    assert caplog.messages[0] == "Already connected to us"


def test_a_name_twice_is_once(world: World) -> None:
    world.settings.current = replace(
        world.settings.current, connect_to=("peer", "peer")
    )
    world.go()
    assert world.attempts() == [0]


@pytest.mark.parametrize(
    "where", ["resolve", "turn", "connect", "link", "adopted", "pause"]
)
def test_stopping(world: World, where: str) -> None:
    world.hang = where
    world.wait = 60.0 if where == "turn" else 0.0
    if where == "link":
        world.outcomes[ONE] = None
    if where == "adopted":
        world.up["peer"] = FakeLink(None)
    world.go()
    world.loop.call(world.dialer.stop)
    world.take()
    world.up.clear()
    for link in world.dialled_links:
        world.end(link)
    world.loop.call(world.dialer.retry_now)
    world.loop.advance(1000)
    assert world.take() == []
    assert not asyncio.all_tasks(world.loop)


@pytest.mark.parametrize("stop_first", [False, True])
def test_starting_again_replaces_what_was(world: World, stop_first: bool) -> None:
    world.go()
    world.loop.advance(16)
    if stop_first:
        world.loop.call(world.dialer.stop)
    world.take()
    world.settings.current = replace(
        world.settings.current, connect_to=("peer", "other")
    )
    world.go()
    assert len(asyncio.all_tasks(world.loop)) == 2
    world.loop.advance(5)
    # The back-off begins anew, and nobody dials twice.
    assert world.attempts() == [16, 21]


def test_resting(world: World) -> None:
    world.go()
    world.loop.advance(1)
    world.loop.call(world.dialer.rest, 10)
    world.loop.advance(30)
    assert world.attempts() == [0, 11, 16, 26]


@pytest.mark.parametrize("end", ["stop", "start"])
def test_an_end_of_resting(world: World, end: str) -> None:
    world.go()
    world.loop.call(world.dialer.rest, 10)
    world.take()
    world.loop.call(getattr(world.dialer, end))
    world.loop.advance(12)
    assert world.attempts() == ([0, 5] if end == "start" else [])


# Errors of ours.


def test_an_unforeseen_error_is_told_and_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.hosts["peer"] = ZeroDivisionError("oops")
    world.go()
    world.loop.advance(20)
    told = [record for record in caplog.records if "oops" in record.getMessage()]
    assert [record.getMessage() for record in told] == [
        "Connecting to peer: ZeroDivisionError: oops"
    ] * 3
    assert told[0].exc_info is not None
    assert told[0].levelname == "ERROR"
    world.hosts["peer"] = HostSettings(addresses=(("peer.example", None),))
    world.loop.advance(20)
    assert world.attempts() == [30]


def test_after_an_exchange_of_keys_the_address_is_dialled_once_more(
    world: World,
) -> None:
    world.outcomes[ONE] = None
    world.go()
    world.take()
    end = End(LinkEnd.UPGRADED, "Ed25519 keys are exchanged")
    world.dialled_links[0].end = end
    world.end(world.dialled_links[0])
    assert world.take() == [
        "0 connect 10.0.0.2 from 10.0.0.1",
        "0 begin peer 10.0.0.2 0",
    ]
    # A peer that exchanges keys again and again is no reason to hurry.
    world.dialled_links[1].end = end
    world.end(world.dialled_links[1])
    assert world.take() == []
    world.loop.advance(6)
    assert len(world.dialled_links) == 3
