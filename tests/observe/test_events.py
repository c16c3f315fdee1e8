"""The ring of events: shares, gaps, followers, and the sentence of each kind."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observe.schemas import validator
from tincd_compat.addresses import Subnet
from tincd_compat.observe.events import Events
from tincd_compat.observe.records import Event
from tincd_compat.observe.times import Time
from tincd_compat.observe.wording import SHAPES, duration, sentence
from tincd_compat.observe.words import EventKind, LinkEnd, PathReason

NOW = Time(1_800_000_000.0)


def seen(events: Events, **wanted: Any) -> list[tuple[int, str | None, str]]:
    return [(e.seq, e.node, e.kind.value) for e in events.since(**wanted)]


def fill(events: Events, node: str | None, number: int) -> None:
    for second in range(number):
        events.add(Time(NOW + second), EventKind.REACHABLE, node, nexthop=node)


def test_the_last_ones_are_kept() -> None:
    events = Events(8)
    for name in "abcdefghij":
        fill(events, name, 1)
    assert [node for _, node, _ in seen(events)] == [*"cdefghij"]
    assert [seq for seq, _, _ in seen(events)] == [*range(3, 11)]


def test_a_node_has_a_quarter_and_its_newest_are_kept() -> None:
    events = Events(16)
    fill(events, "quiet", 1)
    fill(events, "noisy", 100)
    assert seen(events) == [
        (1, "quiet", "reachable"),
        (98, "noisy", "counted"),
        (99, "noisy", "reachable"),
        (100, "noisy", "reachable"),
        (101, "noisy", "reachable"),
    ]
    counted = next(e for e in events.since() if e.kind is EventKind.COUNTED)
    assert counted.facts == {"count": 97}
    assert counted.text == "97 earlier events of noisy not kept"


def test_what_is_about_no_node_has_a_quarter_too() -> None:
    events = Events(16)
    fill(events, None, 100)
    assert len(events) == 4


def test_many_nodes_at_once_cost_what_is_kept() -> None:
    events = Events(4)
    names = [f"n{number}" for number in range(10_000)]
    events.add_many(NOW, EventKind.UNREACHABLE, names, "cut-off", by="hub")
    assert events.last == 10_000
    assert [seq for seq, *_ in seen(events)] == [9997, 9998, 9999, 10_000]


class Unread(Subnet):
    """A subnet whose text must not be asked for."""

    def __str__(self) -> str:
        raise AssertionError


def test_a_subnet_becomes_a_text_when_it_is_read() -> None:
    subnet = Subnet.parse("10.1.0.0/16#3")
    assert subnet is not None
    events = Events(2)
    facts = {field.name: getattr(subnet, field.name) for field in fields(subnet)}
    events.add(NOW, EventKind.SUBNET, "a", "added", subnet=Unread(**facts), by=None)
    for _ in range(2):
        events.add(NOW, EventKind.SUBNET, "a", "added", subnet=subnet, by=None)
    last = [*events.since()][-1]
    assert last.facts["subnet"] == "10.1.0.0/16#3"
    assert last.text == "a has 10.1.0.0/16#3"


def test_history_of_none_keeps_none_and_counts() -> None:
    events = Events(0)
    fill(events, "a", 3)
    events.add_many(NOW, EventKind.REACHABLE, ["a", "b"])
    assert seen(events) == []
    assert events.last == 5
    assert events.of("a", 3) == []


def test_a_reload_can_make_the_ring_smaller_and_larger() -> None:
    events = Events(100)
    for name in "abc":
        fill(events, name, 20)
    events.resize(12)
    assert len(events) <= 12
    assert all(len([n for _, n, _ in seen(events) if n == name]) <= 3 for name in "abc")
    events.resize(0)
    assert seen(events) == []
    events.resize(8)
    fill(events, "d", 1)
    assert seen(events) == [(61, "d", "reachable")]


def test_since_a_time_a_number_and_for_a_node() -> None:
    events = Events(16)
    fill(events, "a", 3)
    fill(events, "b", 2)
    assert [seq for seq, *_ in seen(events, time=Time(NOW + 2))] == [3]
    assert [seq for seq, *_ in seen(events, after=3)] == [4, 5]
    assert [seq for seq, *_ in seen(events, node="b")] == [4, 5]


def test_the_last_events_of_a_node_come_newest_first() -> None:
    events = Events(40)
    fill(events, "a", 5)
    fill(events, "b", 1)
    assert [event.seq for event in events.of("a", 3)] == [5, 4, 3]
    assert events.of("nobody", 3) == []


def test_a_follower_gets_what_comes_and_sleeps_till_then() -> None:
    events, woken = Events(16), []
    fill(events, "a", 2)
    follower = events.follow(lambda: woken.append(1))
    assert not follower.waiting
    assert follower.take(9) == []
    fill(events, "b", 1)
    assert (woken, follower.waiting) == ([1], True)
    assert [event.seq for event in follower.take(9)] == [3]
    events.leave(follower)
    fill(events, "b", 1)
    assert woken == [1]


def test_a_follower_takes_as_much_as_it_wants() -> None:
    events = Events(40)
    follower = events.follow(lambda: None)
    fill(events, "a", 5)
    assert [event.seq for event in follower.take(2)] == [1, 2]
    assert [event.seq for event in follower.take(9)] == [3, 4, 5]


def test_a_slow_follower_is_told_what_it_missed() -> None:
    events = Events(4)
    follower = events.follow(lambda: None)
    for name in "abcdefgh":
        fill(events, name, 1)
    first, *rest = follower.take(9)
    assert (first.kind, first.facts) == (EventKind.GAP, {"missed": 4})
    assert first.text == "4 events missed"
    assert [event.seq for event in rest] == [5, 6, 7, 8]


def test_a_follower_can_begin_where_another_ended() -> None:
    events = Events(40)
    fill(events, "a", 5)
    follower = events.follow(lambda: None, after=3)
    assert [event.seq for event in follower.take(9)] == [4, 5]
    # The daemon was started anew meanwhile.
    late = events.follow(lambda: None, after=4000)
    fill(events, "a", 1)
    assert [event.seq for event in late.take(9)] == [6]


def test_a_follower_of_one_node_sees_no_other() -> None:
    events = Events(40)
    follower = events.follow(lambda: None, node="b")
    for name in "aabba":
        fill(events, name, 1)
    assert [event.seq for event in follower.take(9)] == [3, 4]
    assert not follower.waiting


def test_a_follower_without_a_history_does_not_wait_for_what_never_comes() -> None:
    events = Events(0)
    follower = events.follow(lambda: None)
    fill(events, "a", 3)
    assert follower.waiting
    assert follower.take(9) == []
    assert not follower.waiting


def test_a_follower_behind_many_events_reads_few_of_them_at_a_time() -> None:
    events = Events(400)
    fill(events, "b", 1)
    follower = events.follow(lambda: None, after=0)
    # Most of them are counted as one, and their numbers are left empty.
    fill(events, "a", 300)
    taken, steps = [], 0
    while follower.waiting:
        found = follower.take(16)
        assert len(found) <= 2 * 16
        taken += found
        steps += 1
    assert steps == -(-301 // 16)
    assert [e.seq for e in taken if e.kind is not EventKind.GAP] == [
        event.seq for event in events.since()
    ]
    gaps = [int(str(e.facts["missed"])) for e in taken if e.kind is EventKind.GAP]
    assert sum(gaps) + len(events) == events.last


@given(st.lists(st.sampled_from([*"aaaaabcdefgh", None]), max_size=80))
def test_ring_is_bounded_in_order_and_forgets_nobody(
    story: list[str | None],
) -> None:
    events = Events(12)
    for name in story:
        fill(events, name, 1)
        kept = [*events.since()]
        assert len(kept) == len(events) <= 12
        assert [e.seq for e in kept] == sorted(e.seq for e in kept)
        for node in {e.node for e in kept}:
            its = [e for e in kept if e.node == node]
            assert len(its) <= 3
            assert [e.seq for e in events.of(node, 9)] == [e.seq for e in its][::-1]
            assert all(e.kind is not EventKind.COUNTED for e in its[1:])
    sums = [n for e in events.since() if isinstance(n := e.facts.get("count"), int)]
    # What fell off the ring's end is neither kept nor counted.
    assert sum(sums) + len(events) - len(sums) <= len(story)


@pytest.mark.parametrize("kind", EventKind)
def test_each_kind_has_a_sentence_and_fits_the_schema(kind: EventKind) -> None:
    shape = SHAPES[kind]
    for reason in shape.reasons or [None]:
        facts = dict.fromkeys(shape.facts)
        text = sentence(kind, "charlie", reason, facts)
        assert text
        assert "None" not in text
        event = Event(
            seq=1, at=NOW, kind=kind, node="charlie", reason=reason, text=text, facts={}
        )
        value = {**event.to_json(), "facts": facts}
        fits = validator("event").is_valid
        assert fits(json.loads(json.dumps(value)))
        assert not fits({**value, "reason": "no such word"})
        assert not fits({**value, "facts": {"other": 1}})


def test_sentences() -> None:
    def say(kind: EventKind, reason: str | None = None, **facts: Any) -> str:
        return sentence(kind, "charlie", reason, facts)

    assert (
        say(EventKind.PATH, PathReason.NO_ANSWER, before="udp", now="tcp")
        == "charlie: udp → tcp (no answer to UDP probes)"
    )
    assert (
        say(EventKind.LINK_DOWN, LinkEnd.PING_TIMEOUT, active=True, seconds=7300.0)
        == "link with charlie ended after 2 h: no answer to PING"
    )
    assert say(EventKind.MTU, before=1451, now=1419) == "charlie: MTU 1419, was 1451"
    assert say(EventKind.DIAL, "refused", host="192.0.2.1", port=655, wait=540) == (
        "ConnectTo charlie: connection refused (192.0.2.1 port 655); next try in 9 min"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "60 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (None, ""),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
