"""Meta connections that come up, and what comes over them."""

from __future__ import annotations

from functools import partial

import pytest

from tests.daemon.fakes import ASKED, PLACES, Remote, World, link_of
from tests.daemon.logged import shown
from tests.transport.fakes import FakeLoop, FakeSocket
from tincd_compat import logs
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.hosts import HostSettings
from tincd_compat.config.values import ProxyCommand
from tincd_compat.control.outgoing import Outgoing
from tincd_compat.daemon import links
from tincd_compat.daemon.hostnames import HostNames
from tincd_compat.daemon.link import Link
from tincd_compat.daemon.privateops import LEAST_CALLERS
from tincd_compat.meta.messages import Message
from tincd_compat.options import CLAMP_MSS, INDIRECT, PMTU_DISCOVERY

# Coming up.


def test_somebody_calls(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    assert peer.take() == []
    assert not peer.sock.sent
    assert world.links.link_to("peer") is None
    peer.shake_hands()
    assert shown(caplog, logs.connections) == [
        "Connection from 10.0.0.2 port 40000",
        "Connection with peer (10.0.0.2 port 40000) activated",
    ]
    link = link_of(world, "peer")
    assert world.links.of(world["peer"]) is link
    assert world.links.active() == [link]
    assert (link.outgoing, link.proven) == (None, False)


def test_we_call(world: World) -> None:
    peer, outgoing = world.dial("peer")
    peer.shake_hands()
    link = link_of(world, "peer")
    assert link.outgoing is outgoing
    assert link.connection.hostname == "10.0.0.2 port 655"


def test_whoever_we_have_dialled_can_be_looked_for_there(world: World) -> None:
    peer, _ = world.dial("peer")
    peer.shake_hands()
    node = world.mesh.nodes["peer"]
    assert node.dialled == PLACES["peer"]
    peer.hang_up()
    assert node.dialled is None
    # Who calls comes from a port that is good for nothing.
    world.connect("other")
    assert world.mesh.nodes["other"].dialled is None


def test_where_a_proxy_has_dialled_nobody_is_looked_for(loop: FakeLoop) -> None:
    world = World(loop, proxy=ProxyCommand("proxy"))
    peer, _ = world.dial("peer")
    peer.shake_hands()
    assert peer.link.active
    assert world.mesh.nodes["peer"].dialled is None


def test_the_announced_port_is_in_the_ack(world: World) -> None:
    world.links.announce_port("7777")
    peer = world.call_in("peer")
    peer.shake_hands()
    assert peer.port_of_us == "7777"


def test_weights_count_from_before_the_look_up(loop: FakeLoop, world: World) -> None:
    world.files.hosts["peer"] = HostSettings()
    loop.advance(3)
    peer, _ = world.dial("peer", started=loop.now - 3)
    peer.shake_hands()
    (edge,) = world.mesh.myself.edges.values()
    assert edge.weight == (3000 + 10) // 2


def test_a_slow_look_up_leaves_time_for_the_handshake(
    loop: FakeLoop, world: World
) -> None:
    loop.advance(30)
    peer, _ = world.dial("peer", started=loop.now - 30)
    peer.shake_hands()
    assert link_of(world, "peer").active


@pytest.mark.parametrize(
    ("ours", "theirs", "clamp", "expected"),
    [
        (0xC, 0xC, None, 0xC),
        (CLAMP_MSS, 0xC, None, CLAMP_MSS),
        (0xC, CLAMP_MSS, None, CLAMP_MSS),
        (0xC, 0xC | INDIRECT, None, 0xC | INDIRECT),
        (0xC, 0x700000C, None, 0x700000C),
        (PMTU_DISCOVERY, PMTU_DISCOVERY, True, 0xC),
        (0xC, 0xC, False, PMTU_DISCOVERY),
    ],
)
def test_options_of_a_link(
    loop: FakeLoop, ours: int, theirs: int, clamp: bool | None, expected: int
) -> None:
    world = World(
        loop,
        pmtu_discovery=bool(ours & PMTU_DISCOVERY),
        clamp_mss=bool(ours & CLAMP_MSS),
    )
    world.files.hosts["peer"] = HostSettings(weight=10, clamp_mss=clamp)
    peer = world.call_in("peer", options=theirs)
    peer.shake_hands()
    assert link_of(world, "peer").options == expected
    (edge,) = world.mesh.myself.edges.values()
    assert edge.options == expected


@pytest.mark.parametrize(
    ("own", "host", "expected"),
    [
        (None, None, []),
        (1400, None, ["peer mtu 1400"]),
        (None, 1300, ["peer mtu 1300"]),
        (1400, 1300, ["peer mtu 1400", "peer mtu 1300"]),
    ],
)
def test_limits_of_the_path_mtu(
    loop: FakeLoop, own: int | None, host: int | None, expected: list[str]
) -> None:
    world = World(loop, pmtu=own)
    world.files.hosts["peer"] = HostSettings(pmtu=host)
    world.call_in("peer").shake_hands()
    assert sorted(world.take_log()) == sorted(expected)


def test_the_newer_of_two_connections_stays(
    world: World, peer: Remote, other: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    old = link_of(world, "peer")
    caplog.clear()
    again = world.call_in("peer")
    again.shake_hands()
    assert shown(caplog, logs.connections)[1:] == [
        "Closing connection with peer (10.0.0.2 port 40000)",
        "Connection with peer (10.0.0.2 port 40000) activated",
    ]
    assert peer.sock.closed
    assert old.ended.is_set()
    assert link_of(world, "peer") is again.link
    assert len(world.links.active()) == 2
    # Nobody is told that the old edge went, and the reverse edge is known already.
    assert other.take() == ["12 us peer 10.0.0.2 655 c 10"]
    assert world.take_log() == [
        "peer down",
        "host-down peer 10.0.0.2 port 655",
        "peer up",
        "host-up peer 10.0.0.2 port 655",
        "new key for peer",
    ]


@pytest.mark.parametrize("wanted", [True, False])
def test_names_of_hosts_are_looked_up_if_that_is_wanted(
    loop: FakeLoop, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    async def name_of(address: SocketAddress) -> str:
        return f"{address.host}.test port {address.port}"

    monkeypatch.setattr(links, "HostNames", lambda: HostNames(name_of))
    world = World(loop, hostnames=wanted)
    peer = loop.call(world.call_in, "peer")
    name = "10.0.0.2.test port 40000" if wanted else "10.0.0.2 port 40000"
    assert peer.link.connection.hostname == name
    # What a proxy looks up is for it to know.
    sock, place = FakeSocket(loop.new_descriptor()).socket, PLACES["other"]
    dial = partial(world.links.dialled, proxied=PLACES["far"])
    link = loop.call(dial, sock, place, Outgoing("far"), loop.now)
    assert link.connection.hostname == str(PLACES["far"])


# The private key.


def test_packets_move_while_a_block_is_decrypted(loop: FakeLoop, world: World) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    assert len(loop.work) == 1
    assert not peer.connection.active
    peer.pump()
    assert peer.connection.active


@pytest.mark.parametrize("late", ["closed", "cancelled"])
def test_a_link_that_ends_meanwhile(loop: FakeLoop, world: World, late: str) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    if late == "closed":
        world.links.terminate(peer.link, ASKED, report=False)
        peer.sock.sent.clear()
        loop.finish_work()
    else:
        loop.work[0][0].cancel()
        loop.settle()
    assert peer.sock.sent == b""


def test_a_block_that_the_key_refuses(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    loop.fail_work(ValueError("the block is not smaller than the modulus"))
    assert shown(caplog, logs.always)[-1] == (
        "Error while processing METAKEY from peer (10.0.0.2 port 40000)"
    )
    assert peer.link.ended.is_set()
    assert len(world.tarpit) == 1


def test_a_broken_key_is_our_fault(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    loop.fail_work(ArithmeticError("the RSA operation gave a wrong result"))
    assert shown(caplog, logs.always) == [
        "Internal error, giving up peer (10.0.0.2 port 40000): ArithmeticError: "
        "the RSA operation gave a wrong result"
    ]
    assert peer.link.ended.is_set()


def test_work_for_callers_that_have_left_is_not_begun(
    loop: FakeLoop, world: World
) -> None:
    callers = [world.call_in(name) for name in ("peer", "other", "far")]
    for caller in callers:
        caller.shake_to_decryption()
    for caller in callers[:2]:
        caller.hang_up()
    # What has begun comes to its end, and the next is that of who is still there.
    loop.finish_work()
    loop.finish_work()
    assert callers[2].link.block is None
    callers[2].pump()
    assert callers[2].connection.active
    assert loop.work == []


def test_links_that_we_dial_come_first_and_networks_have_turns(
    loop: FakeLoop, world: World
) -> None:
    order: list[Remote] = []
    flood = [world.call_in("other") for _ in range(3)]
    member, (dialled, _) = world.call_in("peer"), world.dial("far")
    waiting = [*flood, member, dialled]
    for remote in waiting:
        remote.shake_to_decryption()
    while loop.work:
        loop.finish_work()
        order += [each for each in waiting if each.link.block is None]
        waiting = [each for each in waiting if each.link.block is not None]
    assert order == [flood[0], dialled, flood[1], member, flood[2]]


def test_too_many_callers(
    loop: FakeLoop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.links.operations.pace = 60.0
    callers = [world.call_in("other") for _ in range(LEAST_CALLERS + 2)]
    for caller in callers:
        caller.shake_to_decryption()
    loop.settle()
    assert [caller.link.ended.is_set() for caller in callers] == [
        *[False] * (LEAST_CALLERS + 1),
        True,
    ]
    assert shown(caplog, logs.connections)[-2:] == [
        "Too many callers, giving up other (10.0.0.3 port 40000)",
        "Closing connection with other (10.0.0.3 port 40000)",
    ]
    assert len(world.tarpit) == 1


def test_a_handshake_outlives_the_wait_for_our_key(
    loop: FakeLoop, world: World
) -> None:
    peer = world.call_in("peer")
    peer.shake_to_decryption()
    loop.advance(8)
    peer.pump()
    assert link_of(world, "peer").active


# What comes over a link.


def test_packets(world: World, peer: Remote) -> None:
    peer.connection.send_packets([b"frame"])
    peer.pump()
    assert world.packets == [(b"frame", "peer")]


def test_an_error_of_ours_costs_one_link(
    world: World,
    peer: Remote,
    other: Remote,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def handle(link: Link, message: Message, line: bytes) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(world.control, "handle", handle)
    caplog.clear()
    peer.sock.incoming.append(peer.raw("14 ab peer"))
    world.loop.readable(peer.sock.descriptor)
    assert shown(caplog, logs.always) == [
        "Internal error, giving up peer (10.0.0.2 port 40000): ZeroDivisionError: oops"
    ]
    assert peer.sock.closed
    assert link_of(world, "other").active


def test_an_error_of_ours_in_a_timer(
    loop: FakeLoop,
    world: World,
    peer: Remote,
    other: Remote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def handle_timer(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    link = link_of(world, "peer")
    monkeypatch.setattr(link.connection, "handle_timer", handle_timer)
    loop.advance(60)
    assert link.ended.is_set()
    assert link_of(world, "other").connection.pinged


# For the dialer.


def test_what_the_dialer_asks(world: World) -> None:
    assert world.links.read_host("peer").weight == 10
    assert world.links.source_for(PLACES["peer"]) is None
    world.links.listening = [PLACES["us"]]
    assert world.links.source_for(PLACES["peer"]) == PLACES["us"]
