"""The data plane between its descriptors, its timers and the control plane."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest

from tests.daemon.descriptors import FakeDevice, FakeUdp
from tests.daemon.fakes import PLACES, World
from tests.daemon.plane import OPTIONS, SUITE, TO_PEER, Plane, answer
from tests.transport.fakes import FakeLoop, oserror
from tests.tunnel.world import ipv4, make_tunnel, sized
from tincd_compat.addresses import SocketAddress
from tincd_compat.config.current import CurrentSettings
from tincd_compat.config.settings import Settings
from tincd_compat.control import effects as fx
from tincd_compat.daemon.dataplane import DataPlane
from tincd_compat.daemon.leftovers import BURST_TURN
from tincd_compat.daemon.readers import READ_BURST
from tincd_compat.errors import DeviceError
from tincd_compat.mesh import graph
from tincd_compat.modes import Mode
from tincd_compat.options import CLAMP_MSS
from tincd_compat.transport.udp import UdpSocket, UdpSockets
from tincd_compat.tunnel import codec
from tincd_compat.tunnel.traffic import NOTHING, Traffic

# Packets.


def test_a_frame_leaves(plane: Plane) -> None:
    # Without a path MTU to search for, UDP is used at once.
    plane.peer.options = CLAMP_MSS
    far_end = make_tunnel("us")
    plane.give_key(far_end)
    frame = ipv4(*TO_PEER)
    plane.from_device(bytearray(frame))
    assert far_end.opener is not None
    (datagram,) = plane.sent()
    (opened,) = far_end.opener.open_train([datagram])
    assert opened.frame == frame


def test_without_a_key_it_is_asked_for(plane: Plane) -> None:
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == ["request key of peer"]
    assert plane.subject.counters() == [("dropped no meta connection", 1)]


def test_a_datagram_arrives(plane: Plane) -> None:
    far_end = plane.far_end()
    assert far_end.sealer is not None
    frame = ipv4("10.2.0.1", "10.1.0.1")
    plane.from_udp(*far_end.sealer.seal_train([frame]))
    assert plane.device.written == [frame]


def test_junk_arrives(plane: Plane) -> None:
    plane.from_udp(b"junk", b"")
    assert plane.device.written == []
    assert sum(count for _, count in plane.subject.counters()) == 2


def test_a_packet_over_tcp_arrives(plane: Plane) -> None:
    link = plane.world.connect("far").link
    frame = bytes(ipv4("10.2.0.1", "10.1.0.1"))
    plane.subject.packets_received([frame], link)
    assert plane.device.written == [frame]
    link.node = None
    plane.subject.packets_received([frame], link)
    assert plane.device.written == [frame]


def test_packets_over_tcp_are_counted_by_neighbour(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    tunnel = plane.tunnels.of(plane.peer)
    frames = [bytes(ipv4("10.2.0.1", "10.1.0.1", bytes(size))) for size in (10, 90)]
    plane.subject.packets_received(frames, remote.link)
    assert tunnel.received_by_tcp == Traffic(2, sum(map(len, frames)))
    plane.from_device(*to_peer(3))
    assert tunnel.sent_by_tcp == Traffic(3, 3000)
    # What the connection has no room for has not been sent.
    remote.sock.room = 0
    plane.from_device(*to_peer(40))
    dropped = dict(plane.subject.counters())["dropped meta connection is full"]
    left = 43 - dropped
    assert tunnel.sent_by_tcp == Traffic(left, 1000 * left)
    assert (tunnel.sent, tunnel.received) == (NOTHING, NOTHING)
    assert remote.link.sent == tunnel.sent_by_tcp
    assert remote.link.received == tunnel.received_by_tcp


def test_bursts_leave_others_their_turn(plane: Plane) -> None:
    plane.from_device(*(ipv4(*TO_PEER) for _ in range(READ_BURST + 1)))
    assert len(plane.device.frames) == 1


def test_the_fuller_a_connection_the_less_is_put_on_it(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    remote.sock.room = 0
    for _ in range(40):
        plane.from_device(sized(1000, TO_PEER[1], TO_PEER[0]))
    dropped = dict(plane.subject.counters())["dropped meta connection is full"]
    # Up to half of MaxOutputBufferSize nothing is dropped, beyond the whole everything.
    assert 15180 / 2 < remote.link.backlog.queued < 15180 + 1000
    assert 40 - 15180 // 1000 - 1 <= dropped <= 40 - 7


def to_peer(count: int) -> list[bytearray]:
    return [sized(1000, TO_PEER[1], TO_PEER[0]) for _ in range(count)]


def test_the_fuller_it_gets_with_a_burst_the_less_is_put_on_it(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    remote.sock.room = 20_000
    plane.from_device(*to_peer(READ_BURST))
    sent = len(remote.sock.sent)
    dropped = dict(plane.subject.counters())["dropped meta connection is full"]
    assert sent == 20_000
    assert 15180 / 2 < remote.link.backlog.queued < 15180 + 1000
    on_it = READ_BURST - dropped
    assert on_it * 1000 < sent + remote.link.backlog.queued < (on_it + 1) * 1010


def test_of_a_burst_that_is_refused_no_more_waits_than_may(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    remote.sock.room = 0
    for _ in range(3):
        plane.from_device(*to_peer(READ_BURST))
        assert 15180 <= remote.link.backlog.queued < 15180 + 1008


def test_a_burst_is_no_backlog(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    frames = to_peer(READ_BURST)
    plane.from_device(*frames)
    assert plane.subject.counters() == []
    remote.pump()
    assert remote.frames == frames


def test_what_a_full_socket_does_not_take_is_counted(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sendto(_data: bytes, _address: tuple[Any, ...]) -> int:
        raise oserror(errno.EAGAIN)

    plane.peer.options = CLAMP_MSS
    plane.give_key(make_tunnel("us"))
    monkeypatch.setattr(plane.udp, "sendto", sendto)
    plane.from_device(ipv4(*TO_PEER))
    assert plane.subject.counters() == [("dropped send buffer is full", 1)]


def test_the_backlog_goes_first(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    lines = [b"10 %x peer 10.9.0.0/16" % number for number in range(400)]
    for line in lines:
        remote.link.send_line(line)
    plane.from_device(*to_peer(1))
    assert not remote.link.backlog.queued
    remote.pump()
    assert remote.heard[-400:] == lines
    assert len(remote.frames) == 1


def test_a_connection_that_ends_in_a_burst(plane: Plane) -> None:
    remote = plane.world.connect("peer")
    remote.sock.failing["send"] = OSError(errno.ECONNRESET, "reset")
    plane.from_device(*to_peer(READ_BURST))
    assert remote.link.socket.closed
    # What made the end known is gone, the rest has nowhere to go.
    lost = dict(plane.subject.counters())["dropped no meta connection"]
    assert 0 < READ_BURST - lost <= 15180 // 1000 + 1


def test_many_packets_of_one_read_arrive_in_bursts(plane: Plane) -> None:
    link = plane.world.connect("far").link
    frames = [bytes(ipv4("10.2.0.1", "10.1.0.1")) for _ in range(2 * READ_BURST + 1)]
    plane.subject.packets_received(frames, link)
    assert plane.device.written == frames
    link.socket.detach()
    plane.subject.packets_received(frames, link)
    assert plane.device.written == frames


# The device.


def test_a_device_without_descriptor(loop: FakeLoop) -> None:
    plane = DataPlane(
        World(loop).mesh,
        CurrentSettings(Settings(name="us")),
        SUITE,
        World(loop).tunnels,
        World(loop).links,
        loop,
    )
    plane.deliver([ipv4(*TO_PEER)])
    plane.attach_device(FakeDevice(-1), lambda error: pytest.fail(str(error)))
    assert loop.readers == {}
    plane.close()


def test_a_failing_device_rests(plane: Plane) -> None:
    plane.device.read_pause = 0.5
    plane.from_device()
    assert plane.device.descriptor not in plane.loop.readers
    plane.device.read_pause = 0.0
    plane.loop.advance(0.5)
    plane.from_device(ipv4(*TO_PEER))
    assert plane.requests.calls == ["request key of peer"]


def test_a_device_that_is_broken(plane: Plane) -> None:
    plane.device.error = DeviceError("Too many errors from fake, exiting!")
    plane.from_device()
    assert plane.failures == [plane.device.error]
    assert plane.device.descriptor not in plane.loop.readers


def test_closing(plane: Plane) -> None:
    plane.give_key(make_tunnel("us"))
    plane.device.read_pause = 0.5
    plane.from_device()
    plane.sent()
    plane.subject.close()
    plane.loop.advance(100)
    plane.subject.deliver([ipv4(*TO_PEER)])
    assert plane.udp.closed
    assert plane.loop.readers == {}
    assert (plane.sent(), plane.device.written) == ([], [])


# The network of the host.


def test_after_a_change_of_routes_nothing_known_of_them_counts(plane: Plane) -> None:
    asked: list[bytes] = []

    def route(packed: bytes) -> bytes:
        asked.append(packed)
        return b"\x0a\0\0\x01"

    udp = UdpSocket(plane.udp, segmentation=False, coalescing=False)
    plane.subject.attach_sockets(UdpSockets([udp], route=route))
    # Without a path MTU to search for, UDP is used at once.
    plane.peer.options = CLAMP_MSS
    plane.give_key(make_tunnel("us"))
    spoken_to = replace(PLACES["peer"], local="10.0.0.1")
    plane.mesh.set_address(plane.peer, spoken_to)
    for known in (False, True):
        plane.from_device(ipv4(*TO_PEER), ipv4(*TO_PEER))
        assert len(plane.sent()) == 2
        assert len(asked) == 1 + known
        plane.subject.routes_changed()


# Nodes that come and go.


def test_neighbours_for_broadcasts(plane: Plane) -> None:
    assert {node.name for node in plane.subject.broadcast_neighbours()} == {
        "peer",
        "other",
    }
    plane.mesh.remove_edge(plane.mesh.myself.edges["other"])
    assert len(plane.subject.broadcast_neighbours()) == 2
    graph.run(plane.mesh)
    assert plane.subject.broadcast_neighbours() == {plane.peer}


# Path MTU.


def test_probes_can_be_sent_at_once(plane: Plane) -> None:
    plane.subject.probe_now()
    assert plane.sent() == []
    plane.give_key(make_tunnel("us"))
    plane.sent()
    plane.subject.probe_now()
    assert len(plane.sent()) > 0
    plane.loop.advance(0.5)
    assert plane.sent() == []


def test_a_limit_for_the_start(plane: Plane) -> None:
    plane.tunnels.of(plane.peer).pmtu.limit(1300)
    assert plane.peer.mtu == 1300
    assert plane.tunnels.dump(plane.peer).mtu == 1300


def test_udp_is_confirmed_by_an_answer(plane: Plane) -> None:
    assert not plane.tunnels.udp_confirmed(plane.peer)
    far_end = plane.far_end()
    plane.give_key(far_end)
    assert far_end.opener is not None
    assert far_end.sealer is not None
    probes = [opened.frame for opened in far_end.opener.open_train(plane.sent())]
    answers = [b"\1" + probe[1:] for probe in probes]
    plane.from_udp(*far_end.sealer.seal_train(answers))
    assert plane.tunnels.udp_confirmed(plane.peer)


def test_a_path_that_is_too_narrow(plane: Plane) -> None:
    plane.udp.largest = 20
    plane.give_key(make_tunnel("us"))
    assert plane.sent() == []
    assert plane.tunnels.dump(plane.peer).maxmtu < 1518


# Local discovery.


def test_whom_we_have_dialled_is_looked_for_there_too(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[str] = []

    def sendto(data: bytes, address: tuple[Any, ...]) -> int:
        places.append(address[0])
        if address[0] == "192.0.2.9":
            raise oserror(errno.EMSGSIZE)
        return len(data)

    monkeypatch.setattr(plane.udp, "sendto", sendto)
    plane.peer.dialled = SocketAddress("192.0.2.9", 655)
    plane.give_key(make_tunnel("us"))
    plane.loop.advance(2)
    assert set(places) == {PLACES["peer"].host, "192.0.2.9"}
    # What the system refuses there is too long here as well.
    assert plane.tunnels.dump(plane.peer).maxmtu < 1518


def test_probes_to_everybody_nearby(plane: Plane) -> None:
    assert plane.subject.broadcast_probe(plane.peer, b"probe", 655)
    assert plane.udp.datagrams == [(b"probe", ("255.255.255.255", 655))]
    plane.udp.largest = 3
    assert not plane.subject.broadcast_probe(plane.peer, b"probe", 655)
    plane.subject.close()
    assert plane.subject.broadcast_probe(plane.peer, b"probe", 655)


def test_switch_mode_reports_who_is_behind_the_device(loop: FakeLoop) -> None:
    plane = Plane(loop, mode=Mode.SWITCH)
    plane.device.frames = [bytearray(bytes(range(60)))]
    loop.readable(plane.device.descriptor)
    assert plane.requests.calls[:1] == [f"learn 060708090a0b at {loop.now:g}"]
    plane.subnet("us", "6:7:8:9:a:b")
    far_end = plane.far_end()
    assert far_end.sealer is not None
    plane.from_udp(*far_end.sealer.seal_train([bytes(range(60))]))
    assert plane.requests.calls[-1] == f"elsewhere 060708090a0b at {loop.now:g}"


def test_the_log_says_who_handles_packets(
    loop: FakeLoop, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "tincd.connections"):
        Plane(loop)
    # A device that is not tun or tap, whatever was built.
    (line,) = (text for text in caplog.messages if text.startswith("Packets are"))
    assert line.startswith("Packets are handled by Python code")
    assert f"({codec.cryptography(SUITE)}); offloads in use: none" in line


def test_probes_to_thousands_leave_others_their_turn(plane: Plane) -> None:
    others: list[int] = []

    def sendto(data: bytes, address: tuple[object, ...]) -> int:
        plane.loop.now += BURST_TURN
        return FakeUdp.sendto(plane.udp, data, address)

    plane.give_key(make_tunnel("us"))
    for number in range(10):
        node = plane.mesh.get_or_add(f"n{number}")
        node.reachable, node.options, node.address = True, OPTIONS, PLACES["peer"]
        fields = make_tunnel("us").new_own_key(lambda size: bytes(range(size)))
        plane.control.perform([fx.KeyReceived(node, answer(fields))])
    plane.sent()
    plane.udp.sendto = sendto  # type: ignore[method-assign]
    plane.loop.call_soon(plane.subject.probe_now)
    plane.loop.call_soon(lambda: others.append(len(plane.udp.datagrams)))
    plane.loop.settle()
    assert others[0] <= 3
    assert len(plane.sent()) >= 10
