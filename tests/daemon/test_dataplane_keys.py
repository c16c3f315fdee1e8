"""Keys in the data plane: asked for, given, replaced, and gone with their node."""

from __future__ import annotations

import pytest

from tests.daemon.fakes import PLACES
from tests.daemon.plane import TO_PEER, Plane
from tests.transport.fakes import FakeLoop
from tests.tunnel.world import ipv4, make_tunnel
from tincd_compat.addresses import SocketAddress
from tincd_compat.tunnel.tunnels import NO_TUNNEL

# Keys.


def test_our_key(plane: Plane) -> None:
    key = plane.tunnels.new_key(plane.peer, 0.0)
    assert (key.cipher, key.digest, key.maclength, key.compression) == (427, 672, 4, 0)
    assert len(key.key) == 2 * 48
    assert key.key != plane.tunnels.new_key(plane.peer, 0.0).key


def test_our_request_says_what_we_can_seal_with(plane: Plane) -> None:
    assert plane.tunnels.new_request(plane.peer, plane.loop.now) == ("zstd",)
    # A packet does not ask once more.
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == []


def test_levels_beyond_tinc_are_for_those_who_know_them(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=14)
    keys = plane.tunnels
    assert keys.introduces(plane.peer)
    assert keys.new_key(plane.peer, 0.0).compression == 10
    assert keys.key_requested(plane.peer, ("zstd",))
    assert keys.new_key(plane.peer, 0.0).compression == 14
    keys.new_request(plane.peer, plane.loop.now)
    assert not keys.introduces(plane.peer)
    assert not keys.key_requested(plane.peer, ("zstd",))
    # What took its place under the same name may know less.
    assert not keys.key_requested(plane.peer, ())
    assert keys.new_key(plane.peer, 0.0).compression == 10


def test_a_restarted_node_starts_from_nothing(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=14)
    keys = plane.tunnels
    keys.key_requested(plane.peer, ("zstd",))
    keys.new_request(plane.peer, plane.loop.now)
    plane.give_key(make_tunnel("us"))
    keys.restarted(plane.peer)
    assert not keys.of(plane.peer).valid_key
    assert keys.introduces(plane.peer)
    assert keys.new_key(plane.peer, 0.0).compression == 10


def test_levels_of_tinc_need_no_introduction(loop: FakeLoop) -> None:
    plane = Plane(loop, compression=11)
    assert not plane.tunnels.introduces(plane.peer)
    assert plane.tunnels.new_key(plane.peer, 0.0).compression == 11


def test_a_bad_key_is_none(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.give_key(make_tunnel("us"), key="AB", address="192.0.2.9", port="4655")
    assert not plane.tunnels.of(plane.peer).valid_key
    # Nor does anything else count that was said with it.
    assert plane.peer.address == PLACES["peer"]


def test_a_key_starts_the_search_for_the_path_mtu(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    assert len(plane.sent()) > 0
    plane.loop.advance(1)
    assert len(plane.sent()) > 0
    # A second key does not start a second search.
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []


def test_no_search_where_it_is_not_wanted(plane: Plane) -> None:
    plane.peer.options = 0
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"address": "192.0.2.9", "port": "4655"}, SocketAddress("192.0.2.9", 4655)),
        ({"address": "192.0.2.9", "port": None}, PLACES["peer"]),
        ({"address": "example.com", "port": "655"}, PLACES["peer"]),
        ({"address": "192.0.2.9", "port": "http"}, PLACES["peer"]),
    ],
)
def test_an_address_seen_by_others(
    plane: Plane, place: dict[str, str | None], expected: SocketAddress
) -> None:
    plane.give_key(make_tunnel("us"), **place)
    assert plane.peer.address == expected
    assert plane.mesh.node_by_address(expected) is plane.peer


def test_a_void_key(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.tunnels.void_key(plane.peer)
    plane.from_device(ipv4(*TO_PEER))
    assert plane.sent() == []
    assert plane.requests.calls == ["request key of peer"]


def test_expired_keys(plane: Plane) -> None:
    far_end = plane.far_end()
    assert far_end.sealer is not None
    plane.tunnels.expire_keys()
    plane.from_udp(*far_end.sealer.seal_train([ipv4("10.2.0.1", "10.1.0.1")]))
    assert plane.device.written == []


def test_a_key_that_was_replaced_counts_for_a_while(plane: Plane) -> None:
    older = plane.far_end()
    plane.far_end()
    assert older.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    # PingInterval and twice PingTimeout, at ticks.
    for _ in range(60 // 5 + 2):
        plane.control.tick(plane.loop.now)
        plane.loop.advance(5)
    (first, second) = older.sealer.seal_train([frame] * 2)
    openers = plane.tunnels.of(plane.peer).openers
    assert openers.matches(first)
    plane.control.tick(plane.loop.now)
    assert not openers.matches(first)
    plane.from_udp(second)
    assert plane.device.written == []


def test_a_node_goes_on_with_a_key_that_was_replaced(plane: Plane) -> None:
    older = plane.far_end()
    plane.far_end()
    assert older.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    for _ in range(100):
        plane.from_udp(*older.sealer.seal_train([frame]))
        plane.control.tick(plane.loop.now)
        plane.loop.advance(5)
    assert plane.device.written == [frame] * 100
    plane.tunnels.expire_keys()
    plane.far_end()
    plane.from_udp(*older.sealer.seal_train([frame]))
    assert len(plane.device.written) == 100


def test_numbers_that_run_out_expire_the_keys(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.far_end()
    plane.control.tick(plane.loop.now)
    opener = plane.tunnels.of(plane.peer).opener
    assert opener is not None
    monkeypatch.setattr(type(opener), "needs_rekey", True)
    plane.control.tick(plane.loop.now)
    assert plane.tunnels.of(plane.peer).opener is None


# Nodes that come and go.


def test_a_node_that_comes_or_goes_has_no_key(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.tunnels.nodes_changed([plane.peer])
    assert not plane.tunnels.of(plane.peer).valid_key
    plane.loop.advance(100)
    assert plane.sent() == []
    # The search begins anew with the next key.
    plane.give_key(make_tunnel("us"))
    assert len(plane.sent()) > 0


def test_a_forgotten_node(plane: Plane) -> None:
    tunnel = plane.tunnels.of(plane.peer)
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.tunnels.forget(plane.peer)
    plane.loop.advance(100)
    assert plane.sent() == []
    # No probe that was planned has made another tunnel for it.
    assert plane.tunnels.dump(plane.peer) is NO_TUNNEL
    assert plane.tunnels.of(plane.peer) is not tunnel
