"""Round-trip times of MTU probes: only an answer to that very probe counts."""

from __future__ import annotations

from tests.tunnel.world import World, lengths, probe
from tincd_compat.tunnel.echoes import MAX_AWAITED, Echoes
from tincd_compat.tunnel.pmtu import answer, request


def asked(number: int, length: int = 64) -> bytes:
    return request(length, lambda size: number.to_bytes(8) + bytes(size - 8))


def test_an_answer_belongs_to_the_probe_with_its_bytes() -> None:
    echoes = Echoes()
    for number in range(3):
        echoes.asked(asked(number), 10.0 + number)
    echoes.heard(answer(asked(1)), 11.25)
    assert echoes.round_trip.last == 0.25
    # All are of one length: which one was lost does not matter.
    echoes.heard(answer(asked(2)), 12.5)
    assert echoes.round_trip.last == 0.5
    assert echoes.sent == 3


def test_a_second_answer_and_one_to_nothing_do_not_count() -> None:
    echoes = Echoes()
    echoes.asked(asked(1), 10.0)
    echoes.heard(answer(asked(1)), 10.5)
    echoes.heard(answer(asked(1)), 14.0)
    echoes.heard(answer(asked(2)), 14.0)
    assert echoes.round_trip.last == 0.5
    assert echoes.round_trip.smoothed == 0.5


def test_a_probe_to_the_local_network_has_no_time() -> None:
    echoes = Echoes()
    echoes.asked(asked(1), 10.0, timed=False)
    echoes.heard(answer(asked(1)), 10.5)
    assert echoes.round_trip.last is None
    assert (echoes.sent, echoes.answered) == (1, 1)
    assert (echoes.last_sent, echoes.last_answer) == (10.0, 10.5)


def test_few_are_waited_for() -> None:
    echoes = Echoes()
    for number in range(MAX_AWAITED + 1):
        echoes.asked(asked(number), float(number))
    echoes.heard(answer(asked(0)), 100.0)
    assert echoes.round_trip.last is None
    echoes.heard(answer(asked(1)), 100.0)
    assert echoes.round_trip.last == 99.0


def test_what_was_before_says_nothing() -> None:
    echoes = Echoes()
    echoes.asked(asked(1), 10.0)
    echoes.asked(asked(2), 10.0)
    echoes.heard(answer(asked(2)), 11.0)
    echoes.forget()
    assert echoes.round_trip.smoothed is None
    assert (echoes.sent, echoes.answered) == (0, 0)
    assert (echoes.last_sent, echoes.last_answer) == (None, None)
    echoes.heard(answer(asked(1)), 12.0)
    assert echoes.round_trip.last is None


def test_the_probes_of_path_mtu_discovery_are_timed() -> None:
    world = World()
    world.link("a", "b")
    world.exchange_keys("b")
    node = world.node("b")
    echoes = world.tunnel(node).echoes
    world.pipeline.probe_step(node, world.now)
    probes = world.received("b")
    world.now += 0.125
    world.from_peer("b", answer(probes[0]))
    assert echoes.round_trip.last == 0.125
    # The path may have lost the other two, and the node asks as well.
    world.from_peer("b", probe())
    assert echoes.round_trip.last == 0.125
    assert (echoes.sent, echoes.answered) == (len(probes), 1)
    assert lengths(world.received("b"))[-1] == 64
    world.unlink("a", "b")
    world.link("a", "b")
    assert world.tunnel(node).echoes.round_trip.last is None
