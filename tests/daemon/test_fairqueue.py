"""Who is next, and who has to go, where many wait."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tincd_compat.daemon.fairqueue import FairQueue


def queue_of(jobs: str) -> FairQueue[str]:
    """Return a queue of jobs like ``a1``, whose source is the letter."""
    queue = FairQueue[str]()
    for job in jobs.split():
        queue.put(job[0], job)
    return queue


def all_of(queue: FairQueue[str]) -> str:
    return " ".join(queue.take() for _ in range(len(queue)))


def test_sources_have_turns() -> None:
    queue = queue_of("a1 a2 a3 b1 c1 c2")
    assert all_of(queue) == "a1 b1 c1 a2 c2 a3"
    assert len(queue) == 0
    with pytest.raises(IndexError):
        queue.take()


def test_who_is_new_waits_for_one_turn_of_the_others() -> None:
    queue = queue_of("a1 a2 a3 b1 b2")
    assert queue.take() == "a1"
    queue.put("n", "n1")
    assert all_of(queue) == "b1 a2 n1 b2 a3"


def test_who_fills_the_queue_loses_the_newest() -> None:
    queue = queue_of("a1 b1 b2 b3 c1 c2")
    assert [queue.shed(), queue.shed(), queue.shed()] == ["b3", "c2", "b2"]
    assert all_of(queue) == "a1 b1 c1"


def test_among_equals_the_newcomer_loses() -> None:
    queue = queue_of("a1 b1 c1")
    assert queue.shed() == "c1"
    assert queue.take() == "a1"
    assert queue.shed() == "b1"
    with pytest.raises(IndexError):
        queue.shed()


def test_what_is_withdrawn() -> None:
    queue = queue_of("a1 a2 b1")
    queue.discard("a", "a1")
    queue.discard("a", "a1")
    queue.discard("b", "b1")
    queue.discard("x", "x1")
    assert (len(queue), all_of(queue)) == (1, "a2")


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_a_source_with_one_job_is_served_within_a_round(sources: list[str]) -> None:
    queue = FairQueue[str]()
    for source in sources:
        queue.put(source, source)
    others = len(set(sources))
    queue.put("n", "n")
    assert "n" in [queue.take() for _ in range(others + 1)]


class Agreement(RuleBasedStateMachine):
    """A queue against a list of all that waits, and against its own sources."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue[tuple[str, int]]()
        self.waiting: list[tuple[str, int]] = []
        self.number = 0

    @rule(source=st.sampled_from("abcd"))
    def put(self, source: str) -> None:
        self.number += 1
        self.queue.put(source, (source, self.number))
        self.waiting.append((source, self.number))

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self) -> None:
        job = self.queue.take()
        assert job == next(each for each in self.waiting if each[0] == job[0])
        self.waiting.remove(job)

    @precondition(lambda self: self.waiting)
    @rule()
    def shed(self) -> None:
        job = self.queue.shed()
        assert job == [each for each in self.waiting if each[0] == job[0]][-1]
        counts = Counter(source for source, _ in self.waiting)
        assert counts[job[0]] == max(counts.values())
        self.waiting.remove(job)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.waiting))
        self.queue.discard(job[0], job)
        self.waiting.remove(job)

    @invariant()
    def as_long_as_what_waits(self) -> None:
        assert len(self.queue) == len(self.waiting)


Agreement.TestCase.settings = settings(stateful_step_count=25)
TestAgreement = Agreement.TestCase
