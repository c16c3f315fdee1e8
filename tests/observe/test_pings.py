"""By what a node can be asked, and the words about what became of it."""

from __future__ import annotations

import pytest

from tests.observe.made import NO_ANSWER, UDP, World
from tests.observe.schemas import validator
from tincd_compat.observe.pings import carrier_to, ping_record
from tincd_compat.observe.words import Carrier, PathKind, PingResult


@pytest.fixture
def world() -> World:
    world = World("alpha-bravo", "bravo-delta")
    world.links["bravo"] = world.link("bravo")
    world.all_by_udp()
    return world


def record(
    world: World, name: str, *given: object, **more: object
) -> dict[str, object]:
    made = ping_record(world.views(), world.node(name), *given, **more)  # type: ignore[arg-type]
    validator("ping").validate(made.to_json())
    return {**made.to_json()}


def test_a_node_with_direct_udp_gets_a_probe(world: World) -> None:
    # No neighbour, and its datagrams go straight to it all the same.
    for name in ("bravo", "delta"):
        assert carrier_to(world.views(), world.node(name)) is Carrier.UDP
    made = record(world, "bravo", PingResult.ANSWERED, carrier=Carrier.UDP, rtt=0.01)
    assert (made["path"], made["carrier"], made["rtt"]) == ("udp", "udp", 0.01)
    assert str(made["text"]).startswith("bravo has answered by UDP at ")


def test_a_neighbour_without_udp_gets_a_ping_over_its_link(world: World) -> None:
    world.tunnels["bravo"] = NO_ANSWER
    assert carrier_to(world.views(), world.node("bravo")) is Carrier.TCP
    made = record(world, "bravo", PingResult.LOST, carrier=Carrier.TCP, waited=5.0)
    assert made["address"] == {"host": "198.51.100.7", "port": 655, "from": None}
    assert made["text"] == (
        "bravo has not answered over its link 198.51.100.7 port 655 within 5 s"
    )


def test_a_node_behind_another_cannot_be_asked(world: World) -> None:
    world.tunnels["delta"] = NO_ANSWER
    assert carrier_to(world.views(), world.node("delta")) is PingResult.RELAYED
    made = record(world, "delta", PingResult.RELAYED)
    assert (made["path"], made["via"], made["carrier"]) == ("relay_udp", "bravo", None)
    assert made["text"] == (
        "packets for delta go through bravo, which passes no probe on: ping bravo"
    )


def test_over_tcp_all_the_way_the_neighbour_is_named(world: World) -> None:
    world.tunnels = {"bravo": NO_ANSWER, "delta": NO_ANSWER}
    made = record(world, "delta", PingResult.RELAYED)
    assert (made["path"], made["via"]) == ("relay_tcp", "bravo")


def test_a_node_that_was_not_spoken_to_is_asked_for_its_key(world: World) -> None:
    del world.tunnels["delta"]
    assert carrier_to(world.views(), world.node("delta")) is PingResult.NO_KEY
    made = record(world, "delta", PingResult.NO_KEY)
    assert (made["path"], made["via"]) == (None, None)
    assert made["text"] == "delta has given no key yet, and is asked for one"


def test_nobody_is_asked_in_vain(world: World) -> None:
    assert carrier_to(world.views(), world.mesh.myself) is PingResult.SELF
    assert record(world, "alpha", PingResult.SELF)["text"] == "alpha is this node"
    world.part("alpha", "bravo")
    world.search()
    assert carrier_to(world.views(), world.node("bravo")) is PingResult.UNREACHABLE
    made = record(world, "bravo", PingResult.UNREACHABLE)
    assert made["path"] == PathKind.NONE
    assert made["text"] == "bravo cannot be reached"


def test_udp_without_path_mtu_discovery_is_udp(world: World) -> None:
    world.node("bravo").options = 0
    world.tunnels["bravo"] = UDP
    assert carrier_to(world.views(), world.node("bravo")) is Carrier.UDP
