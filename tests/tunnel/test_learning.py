"""Switch mode: the authors of our device's frames are learned, and at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.world import DEFAULT, World
from tincd_compat.modes import Mode
from tincd_compat.routing.options import RouteOptions
from tincd_compat.tunnel.delivery import DeliveryPolicy

HERE, THERE, NEW = (bytes.fromhex(f"02000000000{number}") for number in (1, 2, 9))


def frame(target: bytes, source: bytes, size: int = 60) -> bytearray:
    return bytearray(target + source + b"\x88\xb5" + bytes(size - 14))


def switch(mode: Mode = Mode.SWITCH) -> World:
    """Return a next to b, whose station is THERE; what is learned becomes known."""
    route = RouteOptions(mode=mode)
    world = World(DeliveryPolicy(options=DEFAULT, route=route), route)
    world.link("a", "b")
    world.subnet("b", THERE.hex(":"))
    world.ready("b")

    def learn(mac: bytes) -> None:
        if world.mesh.subnets.lookup(mac) is None:
            world.subnet("a", mac.hex(":"))

    world.ports.on_learned = learn
    return world


def test_every_source_is_reported_once_a_burst() -> None:
    world = switch()
    odd = [b"\0" * 6, b"\xff" * 6, b"\x01\0\x5e\0\0\1"]
    world.from_device(*(frame(THERE, mac) for mac in [HERE, *odd, HERE]))
    assert world.ports.learned == [HERE, *odd]
    world.from_device(frame(THERE, HERE))
    assert world.ports.learned == [HERE, *odd, HERE]


def test_what_is_too_short_has_no_author() -> None:
    world = switch()
    world.from_device(frame(THERE, HERE)[:13], bytearray())
    assert world.ports.learned == []
    assert world.pipeline.drops == {"too short": 2}


def test_nothing_is_learned_from_the_mesh() -> None:
    world = switch()
    world.from_peer("b", frame(NEW, THERE), frame(HERE, NEW))
    assert world.ports.learned == []


def test_authors_from_the_mesh_are_reported_where_it_costs_nothing() -> None:
    world = switch()
    everybody = b"\xff" * 6
    world.from_peer("b", frame(everybody, NEW), frame(everybody, HERE))
    assert world.ports.heard == [NEW, HERE]
    world.from_device(frame(everybody, HERE))
    assert world.ports.heard == [NEW, HERE]


def test_other_modes_do_not_learn() -> None:
    for mode in (Mode.ROUTER, Mode.HUB):
        world = switch(mode)
        world.from_device(frame(THERE, HERE))
        assert world.ports.learned == []


def test_the_answer_to_a_first_frame_is_for_us() -> None:
    world = switch()
    world.from_peer("b", frame(HERE, THERE))
    # Nobody knows the address: it goes to everybody, and so to our device.
    world.from_device(frame(THERE, HERE))
    world.from_peer("b", frame(HERE, THERE))
    assert len(world.ports.delivered) == 2
    assert len(world.received("b")) == 1


def test_a_station_that_has_moved_is_followed() -> None:
    world = switch()
    world.from_device(frame(NEW, HERE))
    assert [len(got) for got in world.received("b")] == [60]
    world.from_peer("b", frame(HERE, NEW))
    world.subnet("b", NEW.hex(":"))
    world.from_device(frame(NEW, HERE))
    assert len(world.received("b")) == 1 + 1


@given(st.lists(st.binary(max_size=80), max_size=6), st.sampled_from(Mode))
def test_any_bytes_at_all(frames: list[bytes], mode: Mode) -> None:
    world = switch(mode)
    for _ in range(2):
        world.from_device(*map(bytearray, frames))
        world.from_peer("b", *frames)
        for data in frames:
            world.from_meta("b", data)
