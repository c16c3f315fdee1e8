"""The journal: which ends of links are worth an event, and whom it names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from tests.observe.made import World
from tests.observe.test_explain import ask
from tincd_compat.addresses import SocketAddress
from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.journal import Journal
from tincd_compat.daemon.link import Link
from tincd_compat.observe.events import Events
from tincd_compat.observe.words import Cause, DialResult, LinkEnd


class FixedClock:
    def now(self) -> float:
        return 1_800_000_000.0


def caller(reason: LinkEnd, *, known: bool) -> Link:
    """Return the link of a caller that calls itself bravo, as far as it matters."""
    link = SimpleNamespace(
        connection=SimpleNamespace(name="bravo"),
        address=SocketAddress("192.0.2.9", 40_000),
        outgoing=None,
        node=None,
        host=object() if known else None,
        since=1.0,
        end=SimpleNamespace(reason=reason, text="Bogus data"),
    )
    return cast(Link, link)


@pytest.fixture
def events() -> Events:
    return Events()


def end(events: Events, link: Link) -> list[tuple[str | None, str | None]]:
    Journal(events, cast(Clock, FixedClock())).link_down(link, 2.0)
    return [(event.node, event.reason) for event in events.since()]


def test_a_caller_whose_key_does_not_fit_is_named(events: Events) -> None:
    found = end(events, caller(LinkEnd.WRONG_KEY, known=True))
    assert found == [("bravo", "wrong-key")]


def test_a_caller_without_a_host_file_has_no_name(events: Events) -> None:
    found = end(events, caller(LinkEnd.IDENTITY, known=False))
    assert found == [(None, "identity")]


def test_a_stranger_that_hangs_up_is_no_event(events: Events) -> None:
    assert end(events, caller(LinkEnd.CLOSED, known=True)) == []


def test_its_node_is_explained_by_that() -> None:
    world = World("charlie-bravo")
    end(world.events, caller(LinkEnd.WRONG_KEY, known=True))
    explanation = ask(world, "bravo")
    assert explanation.cause is not None
    assert explanation.cause.cause is Cause.WRONG_KEY


def test_a_host_file_that_stays_as_it_is_is_one_event(events: Events) -> None:
    dials = Journal(events, cast(Clock, FixedClock())).dials
    lost, empty = "Cannot open hosts/bravo", "No address specified for bravo"
    told = ("bravo", DialResult.HOST_FILE, None)
    for words in (lost, lost, lost, empty, empty, lost):
        dials.note(*told, words)
    noted = [event.facts["words"] for event in events.since()]
    assert noted == [lost, empty, lost]
    [attempts] = dials.attempts()
    assert attempts.count == 6
    for _ in range(2):
        dials.note("bravo", DialResult.REFUSED, None, "Connection refused")
    assert [event.reason for event in events.since()][3:] == ["refused"] * 2
