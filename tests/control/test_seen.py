"""The memory of past requests."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from tincd_compat.control.seen import SeenRequests


def test_a_line_is_new_once() -> None:
    seen = SeenRequests(60)
    assert seen.add(b"10 1 a 10.0.0.0/8", 0)
    assert not seen.add(b"10 1 a 10.0.0.0/8", 0)
    assert seen.add(b"10 1 a 10.0.0.0/8 ", 0)


def test_lines_are_forgotten_when_older_than_the_lifetime() -> None:
    seen = SeenRequests(60)
    seen.add(b"old", 0)
    seen.add(b"young", 1)
    seen.expire(60)
    assert not seen.add(b"old", 60)
    seen.expire(60.5)
    assert len(seen) == 1
    assert seen.add(b"old", 60.5)
    assert not seen.add(b"young", 60.5)


def test_repetition_does_not_prolong() -> None:
    seen = SeenRequests(10)
    seen.add(b"x", 0)
    seen.add(b"x", 9)
    seen.expire(11)
    assert seen.add(b"x", 11)


def test_memory_of_a_storm_is_given_back() -> None:
    seen = SeenRequests(10)
    seen.add(b"first", 0)
    small = sys.getsizeof(seen._times)
    for number in range(1000):
        seen.add(b"%d" % number, 1)
    assert sys.getsizeof(seen._times) > 10 * small
    seen.expire(20)
    assert sys.getsizeof(seen._times) <= small


def test_oldest_go_when_it_is_full() -> None:
    seen = SeenRequests(60, limit=3)
    for line in (b"1", b"2", b"3", b"4"):
        assert seen.add(line, 0)
    assert len(seen) == 3
    assert not seen.add(b"2", 0)
    assert seen.add(b"1", 0)


def test_making_room_is_not_done_for_every_line() -> None:
    seen = SeenRequests(60, limit=160)
    for number in range(161):
        assert seen.add(b"%d" % number, 0)
    assert len(seen) == 151
    assert not seen.add(b"10", 0)
    assert seen.add(b"9", 0)


def test_what_was_said_before_can_count_as_new() -> None:
    seen = SeenRequests(60)
    seen.add(b"10 1 a 10.0.0.0/8", 1)
    assert not seen.renew(b"10 1 a 10.0.0.0/8", 3, since=1)
    assert seen.renew(b"10 1 a 10.0.0.0/8", 3, since=2)
    assert not seen.renew(b"10 1 a 10.0.0.0/8", 4, since=2)
    assert not seen.add(b"10 1 a 10.0.0.0/8", 4)
    assert len(seen) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=40))
def test_agrees_with_a_dictionary(steps: list[tuple[int, int]]) -> None:
    seen, model, now = SeenRequests(8), dict[bytes, int](), 0
    for number, pause in steps:
        now += pause
        seen.expire(now)
        model = {line: then for line, then in model.items() if now - then <= 8}
        line = b"%d" % number
        assert seen.add(line, now) is (line not in model)
        model.setdefault(line, now)
    assert len(seen) == len(model)
