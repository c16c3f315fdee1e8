"""Probes that operators ask for: answered, and nothing to path MTU discovery."""

from __future__ import annotations

from tests.tunnel.world import World, ipv4, lengths, neighbours
from tincd_compat.tunnel import askedprobes, pmtu
from tincd_compat.tunnel.drops import Loss


def asked(world: World, name: str = "b") -> tuple[bytes, list[float]]:
    """Ask the node; return the probe that it got, and when its answers were heard."""
    heard: list[float] = []
    before = len(world.ports.trains)
    assert world.pipeline.asked.send(world.node(name), world.now, heard.append)
    (to, train), *more = world.ports.trains[before:]
    assert (to, more) == (name, [])
    (probe,) = world.peers[name].open(train)
    return probe, heard


def test_an_answer_is_heard_when_it_comes() -> None:
    world = neighbours("b")
    probe, heard = asked(world)
    assert lengths([probe]) == [pmtu.MIN_PROBE]
    assert pmtu.is_probe(probe)
    assert pmtu.is_request(probe)
    world.now += 0.25
    world.from_peer("b", pmtu.answer(probe))
    assert heard == [1000.25]
    # A copy of it is an answer to nothing.
    world.from_peer("b", pmtu.answer(probe))
    assert heard == [1000.25]
    assert world.pipeline.drops[Loss.UNASKED_REPLY] == 1


def test_each_answer_belongs_to_its_probe() -> None:
    world = neighbours("b")
    one, first = asked(world)
    other, second = asked(world)
    world.from_peer("b", pmtu.answer(other))
    assert (first, second) == ([], [1000.0])
    world.from_peer("b", pmtu.answer(one))
    assert (first, second) == ([1000.0], [1000.0])


def test_another_node_answers_for_nobody() -> None:
    world = neighbours("b", "c")
    probe, heard = asked(world)
    world.from_peer("c", pmtu.answer(probe))
    assert heard == []
    world.from_peer("b", pmtu.answer(probe))
    assert heard == [1000.0]


def test_discovery_sees_nothing_of_it() -> None:
    world = neighbours("b")
    tunnel = world.tunnel(world.node("b"))
    discovery = tunnel.pmtu
    world.pipeline.probe_step(world.node("b"), world.now)
    discovery.phase, discovery.minmtu, discovery.maxmtu = pmtu.Phase.CHECK, 1400, 1400
    discovery.reply(1400)
    discovery.phase = pmtu.Phase.CHECK
    # Probes of its own of that length have left, which an answer would be taken for.
    discovery._sent.add(pmtu.MIN_PROBE)
    before, shown = (discovery._shorter, discovery.minmtu), tunnel.echoes.answered
    probe, heard = asked(world)
    world.from_peer("b", pmtu.answer(probe))
    assert heard
    assert (discovery._shorter, discovery.minmtu) == before
    assert discovery.phase is pmtu.Phase.CHECK
    assert tunnel.echoes.answered == shown


def test_it_does_not_make_a_path_a_busy_one() -> None:
    world = neighbours("b")
    node = world.node("b")
    discovery = world.tunnel(node).pmtu
    phases = []
    discovery.phase = pmtu.Phase.IDLE
    world.pipeline.probe_step(node, world.now)
    for _ in range(3):
        asked(world)
    world.pipeline.probe_step(node, world.now)
    phases.append(discovery.phase)
    world.from_device(ipv4("10.0.1.1", "10.0.2.1"))
    world.pipeline.probe_step(node, world.now)
    phases.append(discovery.phase)
    assert phases == [pmtu.Phase.IDLE, pmtu.Phase.CHECK]


def test_without_a_key_one_is_asked_for() -> None:
    world = World()
    world.link("a", "b")
    heard: list[float] = []
    assert not world.pipeline.asked.send(world.node("b"), world.now, heard.append)
    assert world.ports.trains == []
    assert world.ports.key_requests == ["b"]


def test_few_are_remembered() -> None:
    world = neighbours("b")
    first, forgotten = asked(world)
    second, remembered = asked(world)
    for _ in range(askedprobes.MAX_REMEMBERED - 1):
        asked(world)
    assert len(world.pipeline.asked) == askedprobes.MAX_REMEMBERED
    world.from_peer("b", pmtu.answer(first), pmtu.answer(second))
    assert (forgotten, remembered) == ([], [1000.0])
