"""Many nodes that come or go at once are noted in parts, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tincd_compat.daemon.clock import Clock
from tincd_compat.daemon.graphruns import MANY
from tincd_compat.daemon.journal import Journal
from tincd_compat.mesh.graph import Flips
from tincd_compat.mesh.node import Node
from tincd_compat.observe.events import Events
from tincd_compat.observe.words import Unreachable

SIZE = 3 * MANY


def test_a_crowd_is_noted_later_and_each_for_its_reason() -> None:
    journal = Journal(Events(), Clock(lambda: 1.0, lambda: 1000.0, lambda: 1.0))
    begun: list[Iterator[object]] = []

    def begin(subject: str, work: Iterable[object]) -> None:
        begun.append(iter(work))

    journal.begin = begin
    nodes = [Node(f"n{number:03}") for number in range(SIZE)]
    journal.nodes(Flips(nodes), Unreachable.LINK_DOWN, "n000")
    # One that follows meanwhile waits behind them.
    nodes[5].reachable = True
    journal.nodes(Flips(nodes[5:6]), None, None)
    assert [*journal.events.since()] == []
    for work in begun:
        for _ in work:
            pass
    told = [(event.node, event.reason) for event in journal.events.since()]
    assert (told[0], len(told)) == (("n000", "link-down"), SIZE + 1)
    assert {reason for _, reason in told[1:-1]} == {"cut-off"}
    assert told[-1] == ("n005", None)


def test_a_node_that_is_forgotten_meanwhile_leaves_nothing() -> None:
    journal = Journal(Events(), Clock(lambda: 1.0, lambda: 1000.0, lambda: 1.0))
    begun: list[Iterator[object]] = []
    journal.begin = lambda subject, work: begun.append(iter(work))
    nodes = [Node(f"n{number:03}") for number in range(SIZE)]
    journal.nodes(Flips(nodes), Unreachable.LINK_DOWN, "n000")
    for node in nodes:
        journal.forgotten(node)
    for _ in begun[0]:
        pass
    assert journal.paths._known == {}
    assert not journal.paths.waiting
    journal.nodes(Flips(nodes[:1]), Unreachable.LINK_DOWN, "n000")
    journal.forgotten(nodes[0])
    assert journal.paths._known == {}


def test_a_few_are_noted_at_once() -> None:
    journal = Journal(Events(), Clock(lambda: 1.0, lambda: 1000.0, lambda: 1.0))
    journal.nodes(Flips([Node("a")]), Unreachable.EDGE_GONE, "a")
    [event] = journal.events.since()
    assert (event.node, event.reason, event.at) == ("a", "edge-gone", 1000.0)
