"""Pings of operators: one question each, when it is its turn, and one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.daemon.fakes import Remote, World
from tests.observe import made
from tests.transport.fakes import FakeLoop
from tincd_compat.admin.client import PATIENCE
from tincd_compat.daemon.pings import MAX_DELAY, MAX_WAIT, SPACING, Pinging, Pings
from tincd_compat.mesh.node import Node
from tincd_compat.observe.answers import PingRecord
from tincd_compat.observe.views import TunnelView, Views
from tincd_compat.observe.words import Carrier, PingResult


class Asker:
    """Pings the nodes of a world; ``probes`` are those that left, by node."""

    def __init__(self, loop: FakeLoop, world: World) -> None:
        self.loop = loop
        self.world = world
        self.tunnels: dict[str, TunnelView] = {"peer": made.UDP}
        self.probes: list[tuple[str, Callable[[float], None]]] = []
        self.has_key = True
        #: How often whoever waits was told to look again.
        self.woken = 0
        self.subject = Pings(
            *(self.look, self.probe, world.links, world.in_force),
            *(self.wake, loop),
        )

    def look(self) -> Views:
        views = made.World().views()
        return replace(
            views,
            mesh=self.world.mesh,
            tunnel=lambda node: self.tunnels.get(node.name),
        )

    def probe(self, node: Node, heard: Callable[[float], None]) -> bool:
        if self.has_key:
            self.probes.append((node.name, heard))
        return self.has_key

    def wake(self) -> None:
        self.woken += 1

    def ping(self, name: str = "peer") -> Pinging:
        at = self.subject.book()
        assert at is not None
        return self.subject.ping(self.world.mesh.nodes[name], at)


@pytest.fixture
def asker(loop: FakeLoop, world: World, peer: Remote) -> Asker:
    assert peer.link.node is not None
    return Asker(loop, world)


def over(pinging: Pinging) -> PingRecord:
    """Return the record, which has to be there."""
    record = next(pinging)
    assert record is not None
    assert next(pinging, None) is None
    return record


def test_an_answer_to_a_probe(loop: FakeLoop, asker: Asker) -> None:
    pinging = asker.ping()
    assert next(pinging) is None
    [(name, heard)] = asker.probes
    assert name == "peer"
    loop.advance(0.125)
    assert asker.woken == 0
    heard(loop.now)
    assert asker.woken == 1
    record = over(pinging)
    assert (record.result, record.rtt) == (PingResult.ANSWERED, 0.125)
    assert record.carrier is Carrier.UDP
    assert len(asker.probes) == 1


def test_a_probe_is_lost_after_ping_timeout(loop: FakeLoop, asker: Asker) -> None:
    pinging = asker.ping()
    assert next(pinging) is None
    loop.advance(4.9)
    assert next(pinging) is None
    assert asker.woken == 0
    loop.advance(0.1)
    assert asker.woken == 1
    record = over(pinging)
    assert (record.result, record.rtt) == (PingResult.LOST, None)
    assert record.text.endswith("within 5 s")


def test_nobody_waits_longer_than_whoever_asked(loop: FakeLoop, peer: Remote) -> None:
    world = World(loop, ping_timeout=60)
    world.mesh.get_or_add("peer")
    asker = Asker(loop, world)
    asker.has_key = False
    assert MAX_WAIT + MAX_DELAY < PATIENCE
    assert asker.subject._patience == MAX_WAIT


def test_a_neighbour_without_udp_is_asked_over_its_link(
    loop: FakeLoop, asker: Asker, peer: Remote
) -> None:
    asker.tunnels["peer"] = made.NO_ANSWER
    pinging = asker.ping()
    assert next(pinging) is None
    assert asker.probes == []
    loop.now += 0.5
    assert peer.take() == ["8"]
    assert asker.woken > 0
    record = over(pinging)
    assert (record.result, record.carrier) == (PingResult.ANSWERED, Carrier.TCP)
    assert record.rtt == 0.5


def test_a_link_has_one_ping_under_way(
    loop: FakeLoop, asker: Asker, peer: Remote
) -> None:
    asker.tunnels["peer"] = made.NO_ANSWER
    one, other = asker.ping(), asker.ping()
    assert next(one) is None
    loop.advance(SPACING)
    assert next(other) is None
    assert peer.take() == ["8"]
    assert over(one).result is PingResult.ANSWERED
    assert over(other).result is PingResult.ANSWERED


def test_a_link_that_ends_answers_nothing(
    loop: FakeLoop, asker: Asker, peer: Remote
) -> None:
    asker.tunnels["peer"] = made.NO_ANSWER
    pinging = asker.ping()
    assert next(pinging) is None
    woken = asker.woken
    asker.world.loop.advance(5)
    assert not peer.link.active
    assert asker.woken > woken
    assert over(pinging).result is PingResult.LOST


def test_which_ping_was_answered_may_not_be_told(
    loop: FakeLoop, asker: Asker, peer: Remote
) -> None:
    asker.tunnels["peer"] = made.NO_ANSWER
    asker.world.links.ping_all()
    asker.world.links.ping_all()
    pinging = asker.ping()
    assert next(pinging) is None
    peer.take()
    record = over(pinging)
    assert (record.result, record.rtt) == (PingResult.ANSWERED, None)


def test_without_a_key_nothing_is_waited_for(asker: Asker) -> None:
    asker.has_key = False
    del asker.tunnels["peer"]
    assert over(asker.ping()).result is PingResult.NO_KEY
    asker.tunnels["peer"] = made.UDP
    asker.loop.advance(SPACING)
    assert over(asker.ping()).result is PingResult.NO_KEY


def test_nothing_is_sent_to_ourselves(asker: Asker) -> None:
    assert over(asker.ping("us")).result is PingResult.SELF
    assert asker.probes == []


def test_questions_keep_a_distance(loop: FakeLoop, asker: Asker) -> None:
    pings = [asker.ping() for _ in range(5)]
    for number in range(5):
        for pinging in pings:
            assert next(pinging) is None
        assert len(asker.probes) == number + 1
        loop.advance(SPACING + 1e-6)


def test_more_than_fit_into_a_second_are_refused(asker: Asker) -> None:
    booked = 0
    while asker.subject.book() is not None:
        booked += 1
        assert booked < 100
    assert booked == round(MAX_DELAY / SPACING) + 1
    asker.loop.advance(2 * SPACING)
    assert asker.subject.book() is not None


def test_whoever_leaves_is_not_waited_for(loop: FakeLoop, asker: Asker) -> None:
    pinging = asker.ping()
    assert next(pinging) is None
    pinging.close()  # type: ignore[attr-defined]
    loop.advance(10)
    assert asker.woken == 0
