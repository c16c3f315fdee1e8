"""Steps of path MTU discovery that fall due at once, and those that are waited for."""

from __future__ import annotations

import pytest

from tests.transport.fakes import FakeLoop
from tincd_compat.daemon.leftovers import BURST_TURN
from tincd_compat.daemon.probing import Probing
from tincd_compat.mesh.node import Node

NODES = [Node(f"n{number}") for number in range(20)]


class Steps:
    """Steps that take some time of the loop; the next is due after ``delay``."""

    def __init__(self, loop: FakeLoop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self.delay: float | None = 1.0
        self.made: list[str] = []
        self.subject = Probing(loop, self.step)

    def step(self, node: Node, hurried: bool) -> float | None:
        self.loop.now += self.seconds
        self.made.append(f"{node.name}, hurried" if hurried else node.name)
        return self.delay

    def take(self) -> list[str]:
        made, self.made = self.made, []
        return made


@pytest.fixture
def quick(loop: FakeLoop) -> Steps:
    return Steps(loop, 0)


@pytest.fixture
def slow(loop: FakeLoop) -> Steps:
    return Steps(loop, BURST_TURN)


def test_a_step_is_made_at_once_and_the_next_when_it_is_due(quick: Steps) -> None:
    quick.subject.begin(NODES[0])
    assert quick.take() == ["n0"]
    quick.loop.advance(0.9)
    assert quick.take() == []
    quick.loop.advance(0.1)
    assert quick.take() == ["n0"]


def test_after_the_last_step_nothing_is_due(quick: Steps) -> None:
    quick.delay = None
    quick.subject.begin(NODES[0])
    quick.loop.advance(100)
    quick.subject.hurry()
    assert quick.take() == ["n0"]


def test_nodes_that_are_given_up(quick: Steps) -> None:
    quick.subject.begin(NODES[0])
    quick.subject.give_up(NODES[0])
    quick.subject.give_up(NODES[1])
    quick.loop.advance(1)
    assert quick.take() == ["n0"]


def test_a_new_beginning_takes_the_place_of_what_was_planned(quick: Steps) -> None:
    quick.subject.begin(NODES[0])
    quick.loop.advance(0.5)
    quick.subject.begin(NODES[0])
    quick.take()
    quick.loop.advance(0.9)
    assert quick.take() == []


def test_all_that_is_planned_can_be_hurried(quick: Steps) -> None:
    for node in NODES[:2]:
        quick.subject.begin(node)
    quick.take()
    quick.loop.call(quick.subject.hurry)
    assert quick.take() == ["n0, hurried", "n1, hurried"]
    quick.loop.advance(1)
    assert quick.take() == ["n0", "n1"]


def test_a_turn_has_an_end(slow: Steps) -> None:
    done: list[int] = []

    def others() -> None:
        done.append(len(slow.made))
        if len(slow.made) < len(NODES):
            slow.loop.call_soon(others)

    for node in NODES:
        slow.subject.begin(node)
    slow.loop.settle()
    slow.take()
    slow.loop.call_soon(others)
    slow.loop.call(slow.subject.hurry)
    assert len(slow.made) == len(NODES)
    # Others had their turn after each of the steps.
    assert done == list(range(len(NODES) + 1))


def _together(slow: Steps, subject: Probing | None = None) -> None:
    """Let steps of three nodes fall due in the same moment."""
    for node in NODES[:3]:
        (subject or slow.subject).begin(node)
    slow.take()
    slow.loop.now += 10


def test_steps_that_are_due_together_take_turns(slow: Steps) -> None:
    done: list[int] = []
    _together(slow)
    slow.loop.call_soon(lambda: slow.loop.call_soon(others))

    def others() -> None:
        done.append(len(slow.made))
        if len(done) < 5:
            slow.loop.call_soon(others)

    slow.loop.settle()
    assert slow.take() == ["n0", "n1", "n2"]
    assert sorted({*done}) == [0, 1, 2, 3]


def test_who_begins_meanwhile_waits(slow: Steps) -> None:
    _together(slow)
    slow.subject.hurry()
    slow.subject.begin(NODES[3])
    assert slow.take() == ["n0, hurried"]
    slow.loop.settle()
    assert slow.take() == ["n1, hurried", "n2, hurried", "n3"]


def test_who_is_given_up_meanwhile_is_left_out(slow: Steps) -> None:
    _together(slow)
    slow.subject.hurry()
    slow.subject.give_up(NODES[1])
    slow.loop.settle()
    assert slow.take() == ["n0, hurried", "n2, hurried"]


def test_the_end(slow: Steps) -> None:
    _together(slow)
    slow.subject.hurry()
    slow.subject.close()
    slow.loop.advance(10)
    assert slow.take() == ["n0, hurried"]


def test_a_step_that_fails_costs_no_other_node_its_steps(slow: Steps) -> None:
    failing: list[Node] = []

    def fail(node: Node, hurried: bool) -> float | None:
        if node in failing:
            raise ZeroDivisionError
        return slow.step(node, hurried)

    subject = Probing(slow.loop, fail)
    _together(slow, subject)
    failing.append(NODES[1])
    slow.loop.settle()
    assert [type(error) for error in slow.loop.errors()] == [ZeroDivisionError]
    assert slow.take() == ["n0", "n2"]
